"""The service's own env.py, run with our steps. Its naming, schemas, async engines and options apply."""

import ast
import importlib.util
import math
import os
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from alembic import op
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import Script
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, MissingGreenlet, OperationalError
from sqlalchemy.pool import NullPool

from slipway.errors import BadInputError, SlipwayError
from slipway.migration import advanced_alchemy, alembic_config
from slipway.migration.alembic_config import Call
from slipway.migration.application import APP_MISSING, application_of
from slipway.migration.database import asynchronous, closed_afterwards, sqlstate
from slipway.migration.models import metadata_of, unchanged
from slipway.migration.parts import Part
from slipway.migration.reasons import details, first_line, generated, remedy

Steps = Callable[[tuple[str, ...], MigrationContext], Iterable[RevisionStep]]
Options = Mapping[str, Any]

_SLIPWAY = Path(__file__).parents[1]
_ANOTHER_ENVIRONMENT: Final = "pass a virtual environment of the service that has it with --python DIR"
_ASYNCHRONOUS: Final = re.compile(r"\b(async_engine_from_config|create_async_engine|AsyncEngine)\b")
_IMPORTS: Final = re.compile(
    rb"^(?:from|import)\s+(?!(?:alembic|sqlalchemy|collections|datetime|enum|json|logging|os|re|textwrap|typing|uuid|__future__)\b)",
    re.MULTILINE,
)
_NO_SCHEMA: Final = "3F000"
_BASELINE: Final = "if production had it before the first revision, name a file that creates it as baseline in [tool.slipway.migrations]"
_TRUNCATED: Final = (
    "a .pyc file is truncated: delete the folders __pycache__ of the service, and its virtual environment"
)
_BUILT: Final = "if a step of the build writes this file, run the step before slipway"
_DRIVERS: Final = {"psycopg", "psycopg2", "asyncpg", "pg8000"}
_ANOTHER_DRIVER: Final = (
    "SQLAlchemy takes {} for the address that it was given (since 2.1 psycopg for postgresql://, before it psycopg2): add that "
    'package, or name the driver that the service has: driver = "postgresql+psycopg2" or the like in [tool.slipway.migrations]'
)
_OWN_ADDRESS: Final = (
    "SQLAlchemy takes {} for the application's own address, {} (since 2.1 psycopg for postgresql://, before it psycopg2), which "
    "driver in [tool.slipway.migrations] does not reach: add that package, name the service's driver in that address, or pin "
    "SQLAlchemy, for psycopg2 with sqlalchemy<2.1 in the service's dependencies"
)
_SYNCHRONOUS: Final = (
    "env.py is synchronous and {} is not: let env.py use an asynchronous engine, or name a synchronous driver{} in "
    '[tool.slipway.migrations], such as driver = "postgresql+{}"'
)
_ADDRESS: Final = 'the variable that holds the address gets the value "{url}" in [tool.slipway.migrations] variables'
# addresses in memory, numbers of processes and names of the gate's databases, by which no two runs would agree
_OF_ONE_RUN: Final = re.compile(r" at 0x[0-9a-f]{4,}|(?<=[Pp]rocess) \d+\b|(?<=slipway_gate)(_[0-9a-f]{8}){2}")
_VARIABLES: Final = (
    'variables it needs go to [tool.slipway.migrations] variables, such as variables = { NAME = "value" }'
)


class Environment:
    """An alembic environment: settings file, revisions, env.py.

    `timeout` is the gate's limit for a step, in seconds.
    """

    def __init__(self, call: Call, url: URL, timeout: float = math.inf) -> None:
        self.folder = call.folder
        self.timeout = timeout
        self.url = url
        self.place = 0  # the number of the database in use, among those that env.py migrates
        self.databases: list[str] = []  # the names of these databases, as far as env.py has used them
        self.driver = url.get_driver_name()  # the driver that env.py has used
        self.wanted: list[str] = []  # the keys of -x arguments that the project looked up and that were not passed
        self._connected: list[Script] = []  # the revisions that use the connection on import
        self.config = alembic_config.read(call)
        self._set_url(url)
        with warnings.catch_warnings(record=True) as self.warnings:
            warnings.simplefilter("always")
            try:
                self.script = alembic_config.scripts_of(self.config)
            except (CommandError, ImportError, ValueError) as error:
                raise BadInputError(
                    f"{call.config} cannot be used", f"{error}; correct it, or name another with --config"
                ) from error
            wanted = asynchronous(url) if _ASYNCHRONOUS.search(self._env_py()) else url
            self._set_url(wanted)
            self.application = self._application(call, wanted)
            with self.in_application():
                self._import_as_env_py()
            self._load()

    def _set_url(self, url: URL) -> None:
        self.config.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))

    def _env_py(self) -> str:
        file = Path(self.script.dir) / "env.py"
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

    def _application(self, call: Call, url: URL) -> Any:
        """Return the Flask application that env.py needs, or None. For advanced-alchemy, complete its configuration."""
        if advanced_alchemy.is_used_by(Path(self.script.dir) / "env.py"):
            advanced_alchemy.extend(self.config, url, call.app)
            return None
        return None if call.app is None else application_of(call.app)

    def in_application(self) -> AbstractContextManager[Any]:
        """Return the application context for env.py; an empty one for a service without Flask."""
        return self.application.app_context() if self.application else nullcontext()

    def _import_as_env_py(self) -> None:
        """Import env.py's modules before the revisions, if the revisions import any.

        alembic runs env.py first, and with circular imports the order matters.
        """
        folders = map(Path, self.script._version_locations)  # noqa: SLF001 -- one folder or several
        if any(_IMPORTS.search(file.read_bytes()) for folder in folders for file in folder.glob("*.py")):
            for module, names in imported(self._env_py()):
                with suppress(ModuleNotFoundError):  # env.py may extend the import path first
                    self._import(module, names)

    def _import(self, module: str, names: tuple[str, ...]) -> None:
        try:
            __import__(module, fromlist=names)
        except ModuleNotFoundError:
            raise
        except (Exception, SystemExit) as error:
            raise BadInputError(f"{self.place_in_words(error)} does not load", self.needs(error)) from error

    def _load(self) -> None:
        """Import every revision, so that an error in one is reported with file and line."""
        # alembic keeps those of a run that failed, and a revision would get their closed connection
        op._proxy = None  # type: ignore[attr-defined]  # noqa: SLF001
        try:
            try:
                with self.in_application(), self._context():
                    self.script.get_bases()
            except Exception as error:
                if isinstance(error, SyntaxError) or not _asks_for_connection(self.folder / self.place_of(error)[0]):
                    raise
                with suppress(OperationalError, OSError):  # without a server, alembic's own error is reported
                    return self._load_in_env_py()
                raise
        except (Exception, SystemExit) as error:
            if not self._is_broken_graph(error):
                raise BadInputError(f"{self.place_in_words(error)} does not load", self.needs(error)) from error

    def _load_in_env_py(self) -> None:
        """Import the revisions in a run of env.py, as alembic's upgrade does."""

        def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterable[RevisionStep]:
            scripts = list(self.script.walk_revisions())
            self._connected = [script for script in scripts if _asks_for_connection(Path(script.path))]
            return ()

        self.run(steps, dont_mutate=True)

    def _import_again(self, steps: Steps) -> Steps:
        """Return steps before which the revisions that use the connection are imported again, because each run has another connection."""

        def imported_again(heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
            for script in self._connected:
                script.module.__spec__.loader.exec_module(script.module)  # type: ignore[union-attr]  # alembic's loader
            return steps(heads, context)

        return imported_again

    def _context(self, steps: Steps | None = None) -> EnvironmentContext:
        """Return the context in which alembic imports revisions and runs env.py."""
        context = EnvironmentContext(self.config, self.script, fn=steps, as_sql=False, destination_rev="heads")
        get_x_argument = context.get_x_argument

        def remembering(as_dictionary: bool = False) -> Any:  # noqa: FBT001, FBT002 -- alembic's own signature
            if as_dictionary:
                return _XArguments(get_x_argument(as_dictionary=True), self.wanted)
            return get_x_argument()

        # The project calls the function through the module alembic.context, which delegates to this instance.
        setattr(context, "get_x_argument", remembering)  # noqa: B010 -- an assignment would look like one to a method
        return context

    def _is_broken_graph(self, error: BaseException) -> bool:
        """Return whether an error is one of alembic's about the graph, including its KeyError for a missing parent.

        The gate reports it as a finding.
        The project's code may call alembic on import, and then fail with alembic's errors. These do not count.
        """
        frames = traceback.extract_tb(error.__traceback__)
        is_alembics = isinstance(error, (CommandError, RevisionError, KeyError))
        return is_alembics and not any(self.is_own(frame.filename) for frame in frames)

    def run(self, steps: Steps, **overrides: object) -> Options:
        """Run env.py with `steps` instead of an upgrade or downgrade.

        Return the options that it passed to `context.configure`.
        An env.py for several databases runs the revisions only in the database number `place`, with that database's
        options.
        """
        configured: dict[str, Any] = {}
        of_part: dict[str, Any] = {}
        parts: list[Part] = []  # the first call for each database
        context = self._context(self._import_again(steps))
        configure, run_migrations = context.configure, context.run_migrations

        def remember(*arguments: Any, **options: Any) -> None:
            configured.update(options)
            configure(*arguments, **(options | overrides))

        def run_part(**arguments: Any) -> None:
            part = Part.of(context.get_context(), arguments)
            self.driver = context.get_context().dialect.driver
            place = next((place for place, known in enumerate(parts) if part.shares_database(known)), len(parts))
            if place == len(parts):
                parts.append(part)
            if place == len(self.databases):
                self.databases.append(part.name or f"database {place + 1}")
            if place == self.place:
                of_part.update(configured)
                with unchanged(metadata_of(configured)):
                    run_migrations(**arguments)

        for name, function in {"configure": remember, "run_migrations": run_part}.items():
            setattr(context, name, function)
        with closed_afterwards(), ExitStack() as held, self.in_application(), context:
            self.config.attributes = _Attributes(self.url, held)
            self.script.run_env()
        return of_part or configured

    def needs(self, error: BaseException) -> str:
        """Return the next step when env.py fails before the first revision."""
        if isinstance(error, XArgumentError):
            return str(error)
        if isinstance(error, RuntimeError) and "application context" in str(error):
            return f"env.py runs in Flask's application context only; {APP_MISSING}"
        return "; ".join(filter(None, (sentence(error), self._step_after(error))))

    def _step_after(self, error: BaseException) -> str:
        """Return the next step after an error of env.py; empty for a mistake in its code."""
        if step := _of_the_build(error):
            return step
        if step := _of_the_driver(error, self.url):
            return step
        if isinstance(error, ModuleNotFoundError):
            return _ANOTHER_ENVIRONMENT
        if self.wanted:
            return x_argument_missing(self.wanted[-1])
        if sqlstate(error) == _NO_SCHEMA:  # env.py may name a schema for alembic's own table
            return _BASELINE
        is_mistake = isinstance(error, SyntaxError | NameError | ImportError) or (
            isinstance(error, TypeError | AttributeError) and "None" not in str(error)
        )
        of_address = isinstance(error, ArgumentError) and "URL" in str(error)
        return "" if is_mistake else _ADDRESS if of_address else _VARIABLES  # a missing variable is often None

    def place_of(self, error: BaseException) -> tuple[str, int]:
        """Return file and line of an error's innermost frame in the service's own code."""
        if isinstance(error, SyntaxError) and error.filename:
            return self.relative(error.filename), error.lineno or 1
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if self.is_own(frame.filename):
                return self.relative(frame.filename), frame.lineno or 1
        return self.relative(str(self.script.env_py_location)), 1

    def place_in_words(self, error: BaseException) -> str:
        """Return the place of an error as `file line N`."""
        file, line = self.place_of(error)
        return f"{file} line {line}"

    def is_own(self, filename: str) -> bool:
        """Return whether a file is the service's: in its folder, and neither in an installed package nor slipway's."""
        if filename.startswith("/") and not filename.startswith(f"{self.folder}".rstrip("/") + "/"):
            return False  # nearly every imported module ends here; making a path takes thirty times as long
        path = Path(filename).absolute()
        installed = "site-packages" in path.parts or path.is_relative_to(_SLIPWAY)
        return path.is_relative_to(self.folder) and not installed and path.exists()

    def relative(self, filename: str) -> str:
        return os.path.relpath(filename, self.folder)


def imported(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the modules that a text imports at its top level, each with the names that it imports from the module."""
    with suppress(SyntaxError):  # running the text reports this
        for node in ast.parse(text).body:
            if isinstance(node, ast.Import):
                yield from ((each.name, ()) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module, tuple(each.name for each in node.names)


def _asks_for_connection(module: Path) -> bool:
    """Return whether a module's code asks alembic for the connection on import, outside of its functions and classes."""
    apart = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    run = (
        node for each in ast.parse(module.read_bytes()).body if not isinstance(each, apart) for node in ast.walk(each)
    )
    return any(isinstance(node, ast.Attribute) and node.attr in {"get_bind", "get_context"} for node in run)


def _of_the_driver(error: BaseException, ours: URL) -> str:
    """Return the next step when a driver is missing, or is asynchronous while env.py is not; empty for other errors."""
    driver = ours.get_driver_name()
    if isinstance(error, ModuleNotFoundError) and error.name in _DRIVERS:
        # the argument of SQLAlchemy's create_engine, after its own parser
        seen = (frame.f_locals.get("u") for frame, _ in traceback.walk_tb(error.__traceback__))
        theirs = next((each for each in seen if isinstance(each, URL)), ours)
        is_without = "+" not in theirs.drivername and error.name != driver
        if is_without or (theirs.host, theirs.port) != (ours.host, ours.port):
            return _OWN_ADDRESS.format(error.name, f"{theirs.drivername}://{theirs.host or ''}")
        return _ANOTHER_DRIVER.format(error.name)
    if not isinstance(error, MissingGreenlet):
        return ""
    here = next((each for each in ("psycopg2", "psycopg", "pg8000") if importlib.util.find_spec(each)), "")
    known = driver if driver == "asyncpg" else "the driver of its engine"
    return _SYNCHRONOUS.format(known, " of this environment" if here else " after adding it", here or "psycopg")


def _of_the_build(error: BaseException) -> str:
    """Return the next step for a missing file or module that the service's build may generate; empty for other errors."""
    if isinstance(error, FileNotFoundError):
        return f"{_copied(Path(error.filename))}{_BUILT}" if isinstance(error.filename, str) else _BUILT
    if isinstance(error, EOFError) and "reading a line" not in str(error):
        return _TRUNCATED
    return generated(str(error)) if isinstance(error, ImportError) else ""


def _copied(missing: Path) -> str:
    """Return the step of copying the example for a missing file; empty without an example in the file's folder."""
    from slipway.finder.settings_files import original

    with suppress(OSError):
        beside = sorted(each.name for each in missing.parent.iterdir())
        if named := next((name for name in beside if original(name) == missing.name), None):
            return f"copy {named}, which is in the same folder, to {missing.name}, if you write it yourself; "
    return ""


class XArgumentError(KeyError):
    """A missing -x argument that the project needs."""

    def __str__(self) -> str:
        return str(self.args[0])


def x_argument_missing(key: str) -> str:
    """Return the next step for a missing -x argument."""
    return f'it reads the argument -x {key}=…; add "{key}=…" to x-arguments in [tool.slipway.migrations]'


class _XArguments(dict[str, str]):
    """The -x arguments. `wanted` collects the keys that were looked up and are missing."""

    def __init__(self, passed: Mapping[str, str], wanted: list[str]) -> None:
        super().__init__(passed)
        self._wanted = wanted

    def __missing__(self, key: str) -> str:
        self._wanted.append(key)
        raise XArgumentError(x_argument_missing(key))

    def get(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self._wanted.append(key)
        return super().get(key, default)


class _Attributes(dict[str, Any]):
    """The attributes of a command, with a connection for an env.py that requires one.

    `get` returns none, so env.py makes its own.
    """

    def __init__(self, url: URL, held: ExitStack) -> None:
        super().__init__()
        self.url = url
        self._held = held

    def __missing__(self, key: str) -> Any:
        if key != "connection" or self.url.get_dialect()().is_async:
            raise KeyError(key)
        self[key] = self._held.enter_context(create_engine(self.url, poolclass=NullPool).connect())
        return self[key]


def sentence(error: BaseException) -> str:
    """Return an error in one line: its type, first line and Postgres' details; for pydantic's, all wrong fields without values."""
    if type(error).__module__.startswith("pydantic") and (fields := _fields(error)):
        return f"{type(error).__name__}: {fields}"
    if isinstance(error, SlipwayError):
        return str(error)
    message = ": ".join(filter(None, [type(error).__name__, first_line(error)]))
    hint = remedy(str(error))
    return _OF_ONE_RUN.sub("", "; ".join([message, hint] if hint else [message, *details(error)]))


def _fields(error: Any) -> str:
    errors = error.errors() if callable(getattr(error, "errors", None)) else []
    return "; ".join(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in errors)
