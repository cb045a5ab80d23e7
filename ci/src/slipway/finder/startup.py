"""The calls of alembic that the service's application makes when it starts.

Its modules are read, not imported.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Final

from slipway.finder.application import applications
from slipway.finder.imports import origin_of
from slipway.finder.start import MIGRATES, TARGET
from slipway.finder.tree import Tree, is_of_script, parsed, text_in, without_password

_UPGRADES: Final = {"alembic.command.upgrade", "flask_migrate.upgrade"}
_RUNS: Final = {"alembic.config.main", "os.system"} | {  # with the words of a command
    *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")),
    *(f"asyncio.create_subprocess_{kind}" for kind in ("exec", "shell")),
}
_REGISTERS: Final = ("on_event('startup", "before_serving", "while_serving", "before_first_request", "listener(")
# Other decorators make a route, a task or a command of a function, which the start does not call.
_CALLED: Final = (*_REGISTERS, "contextmanager", "cache", "method", "property", "wraps", "retry", "backoff")
_BY_ITSELF: Final = {"__init__", "__post_init__", "__call__", "__enter__", "__aenter__"}

_MAY: Final = re.compile(r"(?:alembic|flask_migrate)[\s\S]*upgrade")
_PACKAGES: Final = 10  # that import a name from each other

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Defined = _Function | ast.ClassDef


@dataclass(frozen=True, kw_only=True)
class _Module:
    """A module of the service, with what its names are: its own functions and classes, and those of others."""

    name: str
    file: str
    body: ast.Module
    defined: Mapping[str, _Defined]
    imported: Mapping[str, str]

    def dotted(self, node: ast.AST) -> str:
        """Return the dotted name of what an expression names: `alembic.command.upgrade` for `command.upgrade`."""
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        name = node.id if isinstance(node, ast.Name) else ""
        return self.imported.get(name, f"{self.name}.{name}")


def migrating_call(tree: Tree, command: Iterable[str] = ()) -> tuple[str, str] | None:
    """Return the place and the line by which the application migrates when it starts; None when it does not.

    Follow what runs on import, and what that calls or passes on; not the functions of routes and of commands.
    """
    if not any(_MAY.search(tree.read(name)) for name in tree.sources):
        return None
    named = (match[1].split(":") for word in command if (match := TARGET.fullmatch(word)))
    likely = ((each.module, each.name) for each in applications(tree))
    first = next(chain(named, likely), None)
    for module, node in _at_start(tree, [first[0], ".".join(first)] if first else []):
        if isinstance(node, ast.expr) and _migrates(module, node):
            place, line = [*tree.lines(module.file)][node.lineno - 1]
            return place, without_password(line.strip())
    return None


def _at_start(tree: Tree, names: Iterable[str]) -> Iterator[tuple[_Module, ast.AST]]:
    """Yield what runs, with its module, when the named modules are imported and the named functions called.

    A method runs when its class is named and anything of the method's name is.
    """
    seen, mentioned, methods = set[str](), set(_BY_ITSELF), dict[str, list[tuple[_Module, ast.AST]]]()
    while True:
        new = dict.fromkeys(name for name in names if name not in seen)
        seen.update(new)
        waiting = [*filter(None, (_found(tree, name) for name in new))]
        waiting += [each for name in mentioned & methods.keys() for each in methods.pop(name)]
        if not waiting:
            return
        names = []
        for module, node in waiting:
            if isinstance(node, ast.ClassDef):
                for method in (each for each in node.body if isinstance(each, _Function)):
                    methods.setdefault(method.name, []).append((module, method))
                continue
            for each in _run(node) if _is_called(node) else ():
                yield module, each
                mentioned |= {each.attr} if isinstance(each, ast.Attribute) else set()
                names += _names(module, each)


def _migrates(module: _Module, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return isinstance(node, (ast.Name, ast.Attribute)) and module.dotted(node) in _UPGRADES
    called = module.dotted(node.func)
    words = " ".join(filter(None, (called.partition(".")[0], *map(text_in, ast.walk(node)))))
    return called in _RUNS and bool(MIGRATES.search(words))


def _names(module: _Module, node: ast.AST) -> Iterator[str]:
    """Yield the dotted names of the modules that a node imports, and of what it names."""
    if isinstance(node, ast.Import):
        yield from (name for alias in node.names for name in accumulate(alias.name.split("."), "{}.{}".format))
    elif isinstance(node, ast.ImportFrom):
        origin = origin_of(node, module.name, is_package=module.file.endswith("__init__.py"))
        yield from accumulate(origin.split("."), "{}.{}".format)
        yield from (f"{origin}.{alias.name}:" for alias in node.names)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        yield module.dotted(node)


@functools.lru_cache(maxsize=4096)
def _module(name: str, file: str, text: str) -> _Module:
    body, imported = parsed(text), dict[str, str]()
    nodes = [*ast.walk(body)]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                imported[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            origin = origin_of(node, name, is_package=file.endswith("__init__.py"))
            imported |= {alias.asname or alias.name: f"{origin}.{alias.name}" for alias in node.names}
    defined = {node.name: node for node in nodes if isinstance(node, _Defined)}
    return _Module(name=name, file=file, body=body, defined=defined, imported=imported)


def _found(tree: Tree, dotted: str) -> tuple[_Module, ast.AST] | None:
    """Return the module, function or class of a dotted name, through the packages that import it from their modules.

    A name that ends with a colon is only imported: return it when it is a module.
    """
    for _ in range(_PACKAGES):
        if file := tree.modules.get(name := dotted.removesuffix(":")):
            module = _module(name, file, tree.read(file))
            return module, module.body
        above, _, last = dotted.rpartition(".")
        if not (file := tree.modules.get(above)):
            return None
        module = _module(above, file, tree.read(file))
        if last in module.defined:
            return module, module.defined[last]
        if last not in module.imported:
            return None
        dotted = module.imported[last]
    return None


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs with a module or a function: not the functions and classes in it, but for those that it registers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Defined):
            if any(_is_decorated(each, _REGISTERS) for each in child.decorator_list):
                yield from _run(child)
        elif not is_of_script(child):
            yield child
            yield from _run(child)


def _is_called(node: ast.AST) -> bool:
    return not isinstance(node, _Function) or all(_is_decorated(each, _CALLED) for each in node.decorator_list)


def _is_decorated(decorator: ast.expr, words: Iterable[str]) -> bool:
    text = ast.unparse(decorator)
    return any(word in text for word in words)
