"""Settings files that the service opens when it is imported, and that its repository has only as an example."""

import ast
import posixpath
import re
from collections.abc import Collection, Iterator
from typing import Final

from slipway.finder.imports import loaded
from slipway.finder.tree import Tree, called, parsed, text_in
from slipway.records.survey import Obstacle

_EXAMPLE: Final = re.compile(r"[._-](?:example|sample|template|dist|default)(?=\.|$)|^(?:example|sample)[._-]")
_SETTINGS: Final = re.compile(r"\.(?:toml|ya?ml|json|ini|cfg|conf)$")
_OPENING: Final = {"open", "read_text", "read_bytes", "from_pyfile", "from_file"}
_LOOKING: Final = {"exists", "isfile", "is_file"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def original(example: str) -> str | None:
    """Return the name of the file for which a file is an example; None for other names."""
    name = _EXAMPLE.sub("", example)
    return name if name != example else None


def named_examples(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Yield a module that runs with env.py, a settings file that it names, and the example that the repository has instead."""
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
    """Yield the settings files that env.py, or a module it imports, surely opens, but of which only an example exists."""
    variables = tree.table(tree.settings_file(), "tool", "slipway", "migrations", "variables")
    if any(str(value) in tree for value in variables.values()):  # one of them may name another file
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
    """Yield the lines that open a file when the module is imported; none if the module checks first whether the file exists."""
    names = {name}
    for _ in range(2):  # a constant, then the path that is made of it
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
    """Whether an expression contains the file's name, as text or as a variable that has it."""
    return any(
        (text_in(each) or "").rpartition("/")[2] in names
        or (isinstance(each, ast.Name | ast.Attribute) and ast.unparse(each) in names)
        for each in ast.walk(node)
    )


def _run_by(modules: Collection[ast.Module]) -> set[str]:
    """Return the names of the functions that are called when modules are imported."""
    run = set[str]()
    while True:
        found = {called(node) for module in modules for node in _executed(module, run) if isinstance(node, ast.Call)}
        if found <= run:
            return run
        run |= found


def _executed(node: ast.AST, run: set[str], of: str = "") -> Iterator[ast.AST]:
    """Yield what is executed on import, with the bodies of these functions; not where a failure is caught, nor in a program's own part."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function) and not {child.name, of if child.name == "__init__" else child.name} & run:
            continue
        if isinstance(child, ast.Lambda) or (isinstance(child, ast.If) and "__main__" in ast.unparse(child.test)):
            continue
        if (isinstance(child, ast.Try) and child.handlers) or (
            isinstance(child, ast.With) and _holds(child, {"suppress"})
        ):
            continue
        yield child
        yield from _executed(child, run, child.name if isinstance(child, ast.ClassDef) else of)
