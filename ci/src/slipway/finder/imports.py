"""The modules and packages that alembic's env.py imports, directly or through the service's modules.

They are read, not imported.
"""

import ast
import functools
import posixpath
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slipway.finder.alembic import alembic
from slipway.finder.tree import Tree, module_of, parsed, text_in
from slipway.records.survey import Subject


@dataclass(frozen=True)
class Loaded:
    """Everything that env.py imports: the service's files, env.py itself first, and the top-level names of packages."""

    modules: tuple[str, ...]
    packages: frozenset[str]


@functools.lru_cache(maxsize=1)
def loaded(tree: Tree) -> Loaded:
    """Return everything that must be importable before env.py runs."""
    own = {module_of(name, tree): name for name in reversed([*tree.matching(r"[^.].*\.py")])}
    scripts = next((fact.value for fact in alembic(tree) if fact.subject is Subject.SCRIPTS), "")
    waiting, seen, packages = [posixpath.join(scripts, "env.py")], dict[str, None](), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen[name] = None
        for module in _imports(
            parsed(tree.read(name)).body, module_of(name, tree), is_package=name.endswith("__init__.py")
        ):
            parts = module.split(".")
            above = [own[path] for n in range(1, len(parts) + 1) if (path := ".".join(parts[:n])) in own]
            waiting += above
            packages |= set() if above else {parts[0]}
    return Loaded(tuple(seen), frozenset(packages - sys.stdlib_module_names))


_DOTTED: Final = re.compile(r"\w+(?:\.\w+)*(?::\w+)?")
_LONGEST: Final = 200  # characters of a dotted name; a longer text is data
_FINDS_MODULES: Final = re.compile(r"iter_modules|walk_packages|find_modules|import_module\(|import_string\(|\.scan\(")


def reached(tree: Tree, module: str) -> frozenset[str] | None:
    """Return the files of the service's modules that a module may import, also in functions and by dotted texts.

    Return None when one of them searches for modules.
    """
    waiting, seen = [module], dict[str, str]()
    while waiting:
        name = waiting.pop()
        if name in seen or not (file := tree.modules.get(name)):
            continue
        seen[name] = file
        if _FINDS_MODULES.search(tree.read(file)):
            return None
        for node in ast.walk(parsed(tree.read(file))):
            text = text_in(node) or ""
            named = [text] if len(text) <= _LONGEST and _DOTTED.fullmatch(text) else []
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = origin_of(node, name, is_package=file.endswith("__init__.py"))
                named = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
            for path in (each.partition(":")[0].split(".") for each in named):
                waiting += [".".join(path[:length]) for length in range(1, len(path) + 1)]
    return frozenset(seen.values())


def origin_of(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    """Return the dotted name of the module in a `from … import` statement of another module."""
    parts = module.split(".")
    above = parts[: max(0, len(parts) - node.level + is_package)] if node.level else []
    return ".".join(filter(None, [*above, node.module or ""]))


def _imports(body: list[ast.stmt], module: str, *, is_package: bool) -> Iterator[str]:
    """Yield the modules that are always imported with a module.

    Leave out imports in functions, and those whose failure is caught.
    """
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = origin_of(node, module, is_package=is_package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif (isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)) or isinstance(
            node, (ast.With, ast.ClassDef)
        ):
            yield from _imports(node.body, module, is_package=is_package)
