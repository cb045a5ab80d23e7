"""Settings guessed for a service without [tool.slipway]; the user sees and corrects them.

A pure function of the tree's files: pyproject.toml, alembic.ini, the lock, Python files that create an application, and .env examples.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from slipway import toml
from slipway.errors import BadInputError
from slipway.settings import Migrations, Settings, has_alembic
from slipway.structure import kebab, write
from slipway.workload.dependencies import LOCKS

_ASGI = {"FastAPI", "Starlette", "Litestar", "Quart", "Sanic", "BlackSheep", "get_asgi_application"}
_WSGI = {"Flask", "get_wsgi_application"}
_FACTORIES = {"create_app", "make_app", "get_app", "get_application", "create_application"}
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", ".env.test", ".env")
_NOT_THE_SERVICE = re.compile(r"(^|/)(tests?|docs|examples|scripts|migrations|alembic|versions|node_modules|\.venv)/")
_PORT = 8000

# Endings of variables for the parts of a database URL, by the placeholder in `variables`.
_PARTS = {
    "url": r"URL|URI|DSN",
    "host": r"HOST|HOSTNAME|SERVER",
    "port": r"PORT",
    "user": r"USER|USERNAME",
    "password": r"PASSWORD|PASS|PWD",
    "database": r"DB|NAME|DATABASE|DBNAME",
}
_URL = re.compile(r"postgres(ql)?(\+\w+)?://")
_DATABASE = re.compile(r"(^|_)(POSTGRES|POSTGRESQL|PG|DB|DATABASE|SQLALCHEMY)")


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application or its factory, at `module:name`; depth counts from the top of the tree."""

    module: str
    name: str
    factory: bool
    wsgi: bool
    depth: int


def guess(files: Mapping[str, str]) -> Settings:
    """Guess settings from a tree's texts by file name; raises BadInputError without alembic.ini or an application."""
    config = _shallowest(name for name in files if PurePosixPath(name).name == "alembic.ini") or Migrations.config
    if config not in files and not has_alembic(files.get("pyproject.toml", "")):
        raise BadInputError(
            "the service has no alembic.ini, and no [tool.alembic] in pyproject.toml",
            "slipway needs alembic migrations; name the file in [tool.slipway.migrations] config",
        )
    lock = "".join(files.get(name, "") for name in LOCKS)
    example = dict(_example(files))
    variables = {name: _word_for(name, value) or value or "rehearsal" for name, value in example.items()}
    url_variable = next((name for name, value in variables.items() if value == "{url}"), "DATABASE_URL")
    variables.pop(url_variable, None)
    driver = _driver(example.get(url_variable, ""), lock)
    migrations = Migrations(config=config, database_variable=url_variable, driver=driver, variables=variables)
    return Settings(name=_name(files), command=_command(_application(files), lock), port=_PORT, migrations=migrations)


def as_toml(settings: Settings) -> str:
    """Write the guess as a table for pyproject.toml."""
    data = write(settings, kebab)
    migrations = {key: value for key, value in data["migrations"].items() if value not in (None, [], {})}
    service = {key: data[key] for key in ("name", "command", "port")}
    return "\n".join(["[tool.slipway]", *_lines(service), "", "[tool.slipway.migrations]", *_lines(migrations)])


def _lines(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{key} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shallowest(names: Iterable[str]) -> str | None:
    return min(names, key=lambda name: (name.count("/"), name), default=None)


def _name(files: Mapping[str, str]) -> str:
    project = toml.loads(files.get("pyproject.toml", ""))
    name = project.get("project", {}).get("name") or project.get("tool", {}).get("poetry", {}).get("name") or "service"
    return re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-") or "service"


def _application(files: Mapping[str, str]) -> Application:
    """Return the application nearest to the top; a ready one takes precedence over a factory."""
    applications = [
        application
        for name, text in files.items()
        if _may_be_the_service(name)
        for application in _applications(_module(name, files), text)
    ]
    if not applications:
        raise BadInputError(
            "found no ASGI or WSGI application in the tree",
            'declare how the service starts: command = ["…"] in [tool.slipway]',
        )
    return min(applications, key=lambda application: (application.factory, application.depth, application.module))


def _may_be_the_service(name: str) -> bool:
    return name.endswith(".py") and not _NOT_THE_SERVICE.search(name)


def _module(name: str, files: Mapping[str, str]) -> tuple[str, ...]:
    """Return a module's dotted name in parts, from the outermost folder with an __init__.py, otherwise from the top or src."""
    path = PurePosixPath(name)
    packages = [folder for folder in path.parents if str(folder / "__init__.py") in files]
    top = packages[-1].parent if packages else PurePosixPath("src" if path.parts[0] == "src" else ".")
    parts = path.relative_to(top).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _applications(parts: tuple[str, ...], text: str) -> Iterator[Application]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    application = partial(Application, module=".".join(parts), depth=len(parts))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in _FACTORIES:
            calls = {_called(call) for call in ast.walk(node) if isinstance(call, ast.Call)}
            if calls & (_ASGI | _WSGI):
                yield application(name=node.name, factory=True, wsgi=not calls & _ASGI)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            kind = _called(node.value)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets if kind in _ASGI | _WSGI | _FACTORIES else ():
                if isinstance(target, ast.Name):
                    yield application(name=target.id, factory=False, wsgi=kind in _WSGI)


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))


def _command(application: Application, lock: str) -> tuple[str, ...]:
    target = f"{application.module}:{application.name}"
    factory = ("--factory",) if application.factory else ()
    address = ("--host", "0.0.0.0", "--port", str(_PORT))  # noqa: S104 -- inside a container
    servers = ("gunicorn",) if application.wsgi else ("uvicorn", "hypercorn", "granian")
    server = next((name for name in servers if name in lock), servers[0])
    if server == "uvicorn":
        return ("uvicorn", *factory, target, *address)
    if server == "granian":
        return ("granian", "--interface", "asgi", *address, *factory, target)
    return (server, "--bind", f"0.0.0.0:{_PORT}", f"{target}()" if factory else target)


def _example(files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables of the first .env example."""
    text = next((files[name] for name in _EXAMPLES if name in files), "")
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(.*?)\s*$", line)
        if match:
            yield match[1], match[2].partition(" #")[0].strip().strip("'\"")


def _word_for(name: str, value: str) -> str | None:
    """Return the placeholder for a variable with a part of the database URL, by its value and name."""
    if _URL.match(value):
        return "{url}"
    if _DATABASE.search(name):
        return next((f"{{{word}}}" for word, ends in _PARTS.items() if re.search(rf"(^|_)({ends})$", name)), None)
    return None


def _driver(url: str, lock: str) -> str:
    """Return the driver of the example's URL, otherwise the one in the lock."""
    scheme = url.partition("://")[0]
    if scheme.startswith("postgresql+"):
        return scheme
    return "postgresql+asyncpg" if "asyncpg" in lock and "psycopg" not in lock else "postgresql"
