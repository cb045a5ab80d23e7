"""Settings files that the service opens on import, and of which its repository has only an example."""

import ast
import posixpath
import re
from collections.abc import Collection, Iterator
from typing import Final

from slipway.finder.imports import loaded
from slipway.finder.tree import Tree, called, is_of_script, parsed, text_in
from slipway.records.survey import Obstacle

_EXAMPLE: Final = re.compile(r"[._-](?:example|sample|template|dist|default)(?=\.|$)|^(?:example|sample)[._-]")
_SETTINGS: Final = re.compile(r"\.(?:toml|ya?ml|json|ini|cfg|conf)$")
_OPENING: Final = {"open", "read_text", "read_bytes", "from_pyfile", "from_file"}
_LOOKING: Final = {"exists", "isfile", "is_file"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def original(example: str) -> str | None:
    """Return the name without the mark of an example file, such as `.example`; None for other names."""
    name = _EXAMPLE.sub("", example)
    return name if name != example else None


def named_examples(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Yield modules that run with env.py, each with a missing settings file that it names and the example in the repository."""
    examples = {}
    for example in tree.matching(r"[^.].*"):
        folder, last = posixpath.split(example)
        name = original(last)
        if name and _SETTINGS.search(name) and (wanted := posixpath.join(folder, name)) not in tree:
            examples[name] = (wanted, example)
    for module in loaded(tree).modules if examples else ():
        text = tree.read(module)
        named = (name for name in examples if name in text and _holds(parsed(text), {name}))
        yield from ((module, *examples[name]) for name in named)


def missing_settings(tree: Tree) -> Iterator[Obstacle]:
    """Yield an obstacle for each missing settings file that env.py, or a module that it imports, certainly opens.

    Its example exists.
    """
    variables = tree.table(tree.settings_file(), "tool", "slipway", "migrations", "variables")
    if any(str(value) in tree for value in variables.values()):  # a variable may name another file
        return
    found = [*named_examples(tree)]
    run = _run_by([parsed(tree.read(each)) for each in loaded(tree).modules]) if found else set()
    for module, wanted, example in found:
        if line := next(_openings(parsed(tree.read(module)), posixpath.basename(wanted), run), None):
            yield Obstacle(
                what=f"{module} line {line} opens {wanted}, which the repository has only as {example}",
                next_step=f"copy {example} to {wanted} and fill it in; in CI, add this step before slipway",
            )


def _openings(module: ast.Module, name: str, run: set[str]) -> Iterator[int]:
    """Yield the lines that open a file on import; none when the module checks first whether the file exists."""
    names = {name}
    for _ in range(2):  # first the constant with the name, then the path made of it
        for node in ast.walk(module):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and _holds(node.value, names):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {ast.unparse(target) for target in targets}
    calls = [node for node in _executed(module, run) if isinstance(node, ast.Call)]
    if any(called(call) in _LOOKING and _holds(call, names) for call in calls):
        return
    for call in calls:
        options = {each.arg: each.value for each in call.keywords}
        mode = text_in(options.get("mode") or next(iter(call.args[1:]), None)) or "r"
        if called(call) in _OPENING and "silent" not in options and mode[0] == "r" and _holds(call, names):
            yield call.lineno


def _holds(node: ast.AST, names: set[str]) -> bool:
    """Return whether an expression contains the file's name, as text or in a variable."""
    return any(
        (text_in(each) or "").rpartition("/")[2] in names
        or (isinstance(each, ast.Name | ast.Attribute) and ast.unparse(each) in names)
        for each in ast.walk(node)
    )


def _run_by(modules: Collection[ast.Module]) -> set[str]:
    """Return the names of the functions that run when modules are imported."""
    run = set[str]()
    while True:
        found = {called(node) for module in modules for node in _executed(module, run) if isinstance(node, ast.Call)}
        if found <= run:
            return run
        run |= found


def _executed(node: ast.AST, run: set[str], of: str = "") -> Iterator[ast.AST]:
    """Yield the nodes that are executed on import, including the bodies of the functions `run`.

    Leave out code whose failure is caught, and code below `if __name__ == "__main__"`.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function) and not {child.name, of if child.name == "__init__" else child.name} & run:
            continue
        if isinstance(child, ast.Lambda) or is_of_script(child):
            continue
        if (isinstance(child, ast.Try) and child.handlers) or (
            isinstance(child, ast.With) and _holds(child, {"suppress"})
        ):
            continue
        yield child
        yield from _executed(child, run, child.name if isinstance(child, ast.ClassDef) else of)
