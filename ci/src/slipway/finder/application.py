"""The service's application, read from its modules."""

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from slipway.finder.start import starts
from slipway.finder.tree import Tree, called, module_of, parsed
from slipway.records.survey import Fact, Subject

ASGI: Final = {"FastAPI", "Starlette", "Litestar", "Quart", "Sanic", "BlackSheep", "Robyn", "get_asgi_application"}
WSGI: Final = {"Flask", "APIFlask", "OpenAPI", "get_wsgi_application", "make_wsgi_app", "FlaskApp", "App"}
_WSGI_CERTAIN: Final = WSGI - {"App"}
_FACTORIES: Final = {
    "create_app",
    "make_app",
    "get_app",
    "get_application",
    "create_application",
    "build_app",
    "init_app",
    "app_factory",
}
_FLASK_FILES: Final = r"(?:docker/)?Dockerfile|\.flaskenv|(?:\w+/)?(?:[\w.]*\.)?(?:env[\w.-]*|[\w.-]*env)[._](?:example|sample|dist|template)|sample\.env|example\.env|Makefile|[\w-]+\.sh|(?:\w+/)?manifest\.yml|.*compose\.ya?ml"
_ALCHEMY: Final = {"SQLAlchemyAsyncConfig", "SQLAlchemySyncConfig"}
_ALCHEMY_NAMES: Final = {"alchemy", "alchemy_config", "sqlalchemy_config"}
_CONFIGURES: Final = re.compile(rf"\b(?:{'|'.join(_ALCHEMY)})\b|^(?:{'|'.join(_ALCHEMY_NAMES)})\b", re.MULTILINE)
_MODULES: Final = {"main", "app", "asgi", "wsgi", "server", "application", "api"}
_VARIABLES: Final = {"app", "application", "api"}


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application or its factory, at `module:name`. `depth` is the number of folders below the top of the tree."""

    module: str
    name: str
    factory: bool
    wsgi: bool
    depth: int
    place: str
    kind: str = ""  # the class or function whose call makes the application
    called: bool = False  # a function of the service makes it, whose name does not show the kind

    @property
    def target(self) -> str:
        return f"{self.module}:{self.name}"

    @property
    def order(self) -> tuple[bool, bool, int, str]:
        """The order of preference: ready applications before factories, those near the top of the tree before deeper ones."""
        return (self.factory, self.called, self.depth, self.module)


@functools.lru_cache(maxsize=1)
def applications(tree: Tree) -> tuple[Application, ...]:
    """Return the applications in the service's modules, the most probable first."""
    found = [each for name in tree.sources for each in _of_module(tree, name)]
    wsgi, asgi = ({each.name for each in found if each.factory and each.wsgi is kind} for kind in (True, False))
    made = (replace(each, wsgi=True) if each.kind in wsgi - asgi else each for each in found)
    return tuple(sorted(made, key=lambda application: application.order))


def application(tree: Tree) -> Iterator[Fact]:
    """Yield the most probable application. It counts as a guess when there are others."""
    found = applications(tree)
    for each in found[:1]:
        others = [other.target for other in found[1:] if other.factory == each.factory]
        guessed = f"there is also {', '.join(others[:3])}" if others else ""
        guessed = guessed or ("from its name only" if each.called else "")
        yield Fact(subject=Subject.APPLICATION, value=each.target, place=each.place, guessed=guessed)


def flask_application(tree: Tree) -> Iterator[Fact]:
    """Yield applications for `flask db upgrade`, the most probable first: the application in FLASK_APP, then those that a server starts."""
    for name in tree.matching(rf"{_FLASK_FILES}"):
        for place, line in tree.lines(name):
            if match := re.search(r"\bFLASK_APP[= ]+[\"']?([\w./:()]+)", line):
                module = re.sub(r"\.py(?=:|$)", "", match[1].removeprefix("./")).replace("/", ".")
                yield Fact(subject=Subject.FLASK_APP, value=module, place=place)
    found = [each for each in applications(tree) if each.wsgi or each.called or each.kind in _FACTORIES]
    ready = [each for each in found if not each.factory]
    if len(ready) > 1:  # a factory makes servers of several kinds
        found.sort(key=lambda each: not each.factory)
    started = {start.target: start.place for start in starts(tree)}
    served = started.keys()
    known = {each.target for each in found}
    for target, place in started.items():
        module, _, name = target.partition(":")
        # the module of the server adds to an application of another one
        if target not in known and name in _imported(tree, module):
            yield Fact(subject=Subject.FLASK_APP, value=target, place=place)
    found.sort(key=lambda each: each.target not in served)
    for each in found:
        others = ", ".join(other.target for other in ready if other is not each)
        several = f"there is also {others}" if len(ready) > 1 else "no file names it in FLASK_APP"
        guessed = "" if each.target in served else several
        yield Fact(subject=Subject.FLASK_APP, value=each.target, place=each.place, guessed=guessed)


def alchemy(tree: Tree) -> Iterator[Fact]:
    """Yield advanced-alchemy's config objects: those made at the top of a module, or with a name from its documentation."""
    found = []
    uses = any("advanced_alchemy" in tree.read(each) for each in tree.sources)
    for name in (each for each in tree.sources if uses and _CONFIGURES.search(tree.read(each))):
        for node in parsed(tree.read(name)).body:
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Call)
                and isinstance(node.targets[0], ast.Name)
            ):
                made, variable = called(node.value) in _ALCHEMY, node.targets[0].id
                if made or variable in _ALCHEMY_NAMES:
                    guessed = "" if made else "from its name only"
                    target, place = f"{module_of(name, tree)}:{variable}", f"{name} line {node.lineno}"
                    found.append(Fact(subject=Subject.ALCHEMY, value=target, place=place, guessed=guessed))
    yield from sorted(found, key=lambda fact: bool(fact.guessed))


def _imported(tree: Tree, module: str) -> set[str]:
    """Return the names that a module of the service imports from others."""
    body = parsed(tree.read(tree.modules[module])).body if module in tree.modules else []
    return {alias.asname or alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}


def _of_module(tree: Tree, name: str) -> Iterator[Application]:
    text = tree.read(name)
    if not any(word in text for word in (*ASGI, *_WSGI_CERTAIN, *_FACTORIES, "app = ", "application = ")):
        return
    module = module_of(name, tree)
    for node in parsed(text).body:
        if isinstance(node, ast.FunctionDef):
            yield from _factory(node, module, name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            yield from _assigned(node, node.value, module, name)


def _factory(node: ast.FunctionDef, module: str, name: str) -> Iterator[Application]:
    calls = {called(call) for call in ast.walk(node) if isinstance(call, ast.Call)}
    pyramid = "make_wsgi_app" in calls
    if pyramid or (node.name in _FACTORIES and calls & (ASGI | _WSGI_CERTAIN)):
        yield Application(
            module=module,
            name=node.name,
            factory=True,
            wsgi=not calls & ASGI,
            depth=module.count(".") + 1,
            place=f"{name} line {node.lineno}",
        )


def _assigned(node: ast.Assign | ast.AnnAssign, call: ast.Call, module: str, name: str) -> Iterator[Application]:
    kind = called(call)
    known = kind in ASGI | _WSGI_CERTAIN | _FACTORIES
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if not isinstance(target, ast.Name):
            continue
        last = module.rpartition(".")[2]
        likely = target.id in _VARIABLES and last in _MODULES
        if known or (likely and ("app" in kind.lower() or last in {"asgi", "wsgi"})):
            yield Application(
                module=module,
                name=target.id,
                factory=False,
                wsgi=kind in WSGI or (not known and last == "wsgi"),
                depth=module.count(".") + 1,
                place=f"{name} line {node.lineno}",
                kind=kind,
                called=not known,
            )
