"""The database of a run. Every connection of env.py is redirected to it, whatever URL env.py uses."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar

from sqlalchemy import create_engine, event, pool
from sqlalchemy.engine import URL, AdaptedConnection, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from slipway.database_url import DRIVERS, PLACE, filled, parts_of, query_for, unknown_to
from slipway.errors import BadInputError
from slipway.migration.events import listening
from slipway.migration.reasons import of_pg8000

T = TypeVar("T")

VARIABLE = "SLIPWAY_DATABASE"

# Extensions such as postgis create relations of their own.
RELATIONS = """SELECT count(*), min(concat(n.nspname, '.', c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""

_MAINTENANCE = frozenset({"postgres", "template1", "defaultdb"})

# For our own engines: with this option, psycopg2's would begin by searching the type hstore.
_ENGINE_OPTIONS = {driver: {"use_native_hstore": False} for driver in ("psycopg", "psycopg2")}
# Once psycopg has prepared a statement itself, it sends DEALLOCATE ALL after every ALTER and DROP. That drops our
# statements, too.
_DRIVER_OPTIONS = {driver: {"prepare_threshold": None} for driver in ("psycopg", "psycopg_async")}


def named_in_environment() -> URL:
    """Return the database in SLIPWAY_DATABASE, and set the service's variables for it.

    Raise BadInputError when the value cannot be used.
    The value is JSON: {"url": "postgresql://…", "variables": {…}}. With the value `-` the JSON is in the next line of
    standard input. It is no argument, because a URL contains a password, and every process on a machine can read
    arguments.
    """
    text = os.environ.pop(VARIABLE, "")
    try:
        named = json.loads(sys.stdin.readline() if text == "-" else text)
        os.environ.update(named["variables"])
        return with_driver(make_url(named["url"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{VARIABLE} does not name a database", f"it must be JSON with url and variables ({type(error).__name__})"
        ) from None
    except ArgumentError:
        raise BadInputError(
            "the database's URL cannot be read", "allowed is postgresql://user:password@host:port/database"
        ) from None


def own_database(variable: str, templates: Mapping[str, str]) -> URL:
    """Return the database in this process's variable `variable`, and fill missing variables from `templates`.

    Raise BadInputError when there is none.
    """
    value = os.environ.get(variable)
    if not value:
        raise BadInputError(
            f"the container has no variable {variable} with the database's URL",
            "name it in database-variable of [tool.slipway.migrations], and its secret in the environment's secrets",
        )
    try:
        url = with_driver(make_url(value))
        parts = parts_of(value)
    except (ArgumentError, ValueError):
        raise BadInputError(
            f"the variable {variable} holds no URL of a database",
            "allowed is postgresql://user:password@host:port/database, with any driver",
        ) from None
    for name, template in templates.items():
        os.environ.setdefault(name, filled(template, parts))
    return url


def with_driver(url: URL) -> URL:
    """Return the URL with a driver that is installed. Raise BadInputError when there is none."""
    if url.drivername == "postgres":  # some platforms use this name, which SQLAlchemy rejects
        url = url.set(drivername="postgresql")
    if url.get_backend_name() != "postgresql":
        raise BadInputError(f"the database's URL names {url.get_backend_name()}", "allowed is postgresql")
    for name in (url.drivername, *(f"postgresql+{driver}" for driver in DRIVERS)):
        with suppress(ImportError, NoSuchModuleError):
            translated = for_driver(url, name)
            create_engine(translated)  # imports the driver without connecting
            return translated
    step = f"add one of {', '.join(DRIVERS)} to its lock, or name the extra that has one in extras of [tool.slipway.migrations]"
    raise BadInputError("the service has no driver for Postgres", step)


def asynchronous(url: URL) -> URL:
    """Return the URL for an async engine. When its driver is not async, use an installed async one."""
    drivers = () if url.get_dialect()().is_async else ("asyncpg", "psycopg")
    for driver in drivers:
        if find_spec(driver):
            return for_driver(url, f"postgresql+{driver}")
    return url


def for_driver(url: URL, name: str) -> URL:
    return url.set(drivername=name, query=query_for(name, url.query))


class _Thread(threading.local):
    """Whether this thread is exempt from the redirection of connections."""

    directly = False


_thread = _Thread()


def is_direct() -> bool:
    """Whether this thread is exempt from the redirection of connections."""
    return _thread.directly


@contextmanager
def directly() -> Iterator[None]:
    """Exempt this thread from the redirection of connections during the block."""
    before, _thread.directly = _thread.directly, True
    try:
        yield
    finally:
        _thread.directly = before


@contextmanager
def every_connection_to(
    url: URL, session: tuple[str, ...] = (), recognised: str = "", *, single: bool = False
) -> Iterator[None]:
    """Redirect every connection of this process to `url` and begin it with these statements, during the block.

    - recognised: the condition in SQL that each connection meets before these statements; without one, the name of the database.
    - single: env.py may not name a second place.

    Raises BadInputError, also at the end of the block, because env.py may catch it.
    """
    name = (url.database or "").replace("'", "''")
    by_name = f"current_database() = '{name}'" if name else "true"
    redirection = _Redirection(url, session, recognised or by_name, single=single)
    try:
        with listening(do_connect=redirection.redirect, connect=redirection.begin):
            yield
    finally:
        if redirection.refused:
            raise redirection.refused


class _Redirection:
    """The listeners of `every_connection_to`."""

    def __init__(self, url: URL, session: tuple[str, ...], recognised: str, *, single: bool) -> None:
        self._url, self._session, self._recognised, self._single = url, session, recognised, single
        self._places: list[str] = []
        self.refused: BadInputError | None = None

    def redirect(self, dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
        if _thread.directly:
            return
        if dialect.name != "postgresql":
            raise BadInputError(
                f"the service connects to {dialect.name}",
                "let it read an address of Postgres, from a variable or a file: any address will do, because slipway replaces it",
            )
        self._note(parameters)
        positional, options = dialect.create_connect_args(for_driver(self._url, f"{dialect.name}+{dialect.driver}"))
        arguments[:] = positional
        libpqs = unknown_to(dialect.driver) if dialect.driver in {"asyncpg", "pg8000"} else frozenset()
        for key in (PLACE | libpqs) & parameters.keys():
            del parameters[key]
        parameters.update(options)
        parameters.update(_DRIVER_OPTIONS.get(dialect.driver, {}))

    def _note(self, parameters: Mapping[str, Any]) -> None:
        host, port = parameters.get("host") or parameters.get("hostaddr") or "localhost", parameters.get("port") or 5432
        database = parameters.get("dbname") or parameters.get("database")
        place = f"{database} on {host}:{port}"
        # In maintenance databases env.py may check whether its own database exists.
        if database and database not in _MAINTENANCE - {self._url.database} and place not in self._places:
            self._places.append(place)
        if self._single and len(self._places) > 1:
            self._refuse(
                f"env.py connects to {' and to '.join(self._places)}, and a migration changes one database",
                "give each database its own alembic settings file, and name it in config of [tool.slipway.migrations]",
            )

    def begin(self, connection: Any, _record: Any) -> None:
        if _thread.directly:
            return
        cursor = connection.cursor()
        cursor.execute(f"SELECT current_database(), {self._recognised}")
        database, is_ours = cursor.fetchone()
        if not is_ours:
            connection.close()
            self._refuse(
                f"a creator, a pool or a do_connect listener of the service connects to the database {database} of another server or name",
                "let the engine connect by the URL that env.py is given",
            )
        for statement in self._session:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    def _refuse(self, what: str, next_step: str) -> NoReturn:
        self.refused = BadInputError(what, next_step)
        raise self.refused


@contextmanager
def closed_afterwards(*, of_every_thread: bool = False) -> Iterator[None]:
    """Close every connection that this thread, or each, opened during the block, as the end of a process would.

    Pools of env.py would keep them open, with their sessions' advisory locks. Connections of async drivers end with
    their event loop, so a pool only forgets them.
    """
    opened: list[Any] = []
    here = threading.get_ident()

    def remember(_connection: Any, record: Any) -> None:
        if threading.get_ident() == here or (of_every_thread and not is_direct()):
            opened.append(record)

    try:
        with listening(connect=remember):
            yield
    finally:
        for record in opened:
            if isinstance(record.dbapi_connection, AdaptedConnection):
                _forget(record)
            elif record.dbapi_connection is not None:
                record.invalidate()


def _forget(record: Any) -> None:
    """Remove a connection from its pool. Its event loop may have ended, so it cannot be closed in the usual way."""
    libpq = getattr(record.dbapi_connection.driver_connection, "pgconn", None)
    if libpq is not None:  # psycopg's, which would warn; asyncpg's ends with its event loop
        libpq.finish()
    record.dbapi_connection = None


class _Kept:
    """The engines whose connections are kept, by URL and process. A fork must not use its parent's."""

    urls: set[URL] = set()  # noqa: RUF012 -- one of a process
    engines: dict[tuple[URL, int], Engine] = {}  # noqa: RUF012 -- one of a process


@contextmanager
def keeping_connections(url: URL) -> Iterator[None]:
    """During the block, let `with_connection` keep its connections to `url` for the next call, even in forks.

    These connections are exempt from redirection. With an async driver none is kept, because each call has its own
    event loop.
    """
    if url in _Kept.urls or url.get_dialect()().is_async:
        yield
        return
    _Kept.urls.add(url)
    try:
        yield
    finally:
        _Kept.urls.remove(url)
        if engine := _Kept.engines.pop((url, os.getpid()), None):
            engine.dispose()


def with_connection(url: URL, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection in autocommit mode, with a sync or async driver.

    The connection is new unless connections are kept.
    """
    if url in _Kept.urls:
        with directly(), _kept_engine(url).connect() as connection:
            # Set it again, because SQLAlchemy 1.4's ping leaves psycopg2's connections in transactions.
            return work(connection.execution_options(isolation_level="AUTOCOMMIT"))
    return _with_new_connection(url, work)


def _kept_engine(url: URL) -> Engine:
    key = (url, os.getpid())
    if key not in _Kept.engines:
        options = _DRIVER_OPTIONS.get(url.get_driver_name(), {})
        # A revision may have terminated the session.
        _Kept.engines[key] = _own_engine(url, pool_pre_ping=True, connect_args=options)
    return _Kept.engines[key]


def _with_new_connection(url: URL, work: Callable[[Connection], T]) -> T:
    if url.get_dialect()().is_async:
        return asyncio.run(_with_async_connection(url, work))
    with _engine_without_pool(url).connect() as connection:
        return work(connection)


@lru_cache(maxsize=32)
def _engine_without_pool(url: URL) -> Engine:
    """Return an engine that reads the server's version only once, instead of for each connection."""
    return _own_engine(url, poolclass=pool.NullPool)


def _own_engine(url: URL, **options: Any) -> Engine:
    more = _ENGINE_OPTIONS.get(url.get_driver_name(), {})
    return _unheard(create_engine(url, isolation_level="AUTOCOMMIT", future=True, **more, **options))


def _unheard(engine: Engine) -> Engine:
    """Keep what the service listens to on every engine, such as a count of queries for each request, from our own statements.

    Undo its statements at the beginning of our connections: in a transaction the isolation level could not be set.
    """
    engine._has_events = False  # noqa: SLF001 -- SQLAlchemy sets it on the class of all engines
    event.listen(engine.pool, "connect", lambda connection, _record: connection.rollback(), insert=True)
    return engine


async def _with_async_connection(url: URL, work: Callable[[Connection], T]) -> T:
    # This needs greenlet, which a service with a sync driver may lack.
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    _unheard(engine.sync_engine)
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def elsewhere(url: URL, work: Callable[[Connection], T]) -> T:
    """Do some work on a new connection in a new thread, because env.py may be inside an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_with_new_connection, url, work).result()


@contextmanager
def held(url: URL, take: Callable[[Connection], object], name: str, *, directly: bool = False) -> Iterator[None]:
    """Hold the locks that `take` acquires, in a new session and a thread called `name`, during the block.

    Raise the errors of `take`.
    With `directly` it connects to `url` even while connections are redirected.
    """
    taken, done, failed = threading.Event(), threading.Event(), []

    def hold(connection: Connection) -> None:
        take(connection)
        taken.set()
        done.wait()

    def session() -> None:
        _thread.directly = directly
        try:
            _with_new_connection(url, hold)
        except Exception as error:  # noqa: BLE001 -- raised in the waiting thread
            failed.append(error)
        finally:
            taken.set()

    thread = threading.Thread(target=session, name=name, daemon=True)
    thread.start()
    taken.wait()
    try:
        if failed:
            raise failed[0]
        yield
    finally:
        done.set()
        thread.join()


def sqlstate(error: BaseException | None) -> str | None:
    """Return the SQLSTATE of an error, or of the nearest error in its chain, with any driver."""
    while error is not None:
        original: Any = error.orig if isinstance(error, DBAPIError) else error
        named = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        code: Any = named or of_pg8000(original).get("C")
        if isinstance(code, str):
            return code
        error = error.__cause__ or error.__context__
    return None
