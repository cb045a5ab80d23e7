"""Which database is meant: every connection that env.py opens goes there, whatever URL it was told, and nowhere else."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import create_engine, event, pool
from sqlalchemy.engine import URL, AdaptedConnection, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from slipway.errors import BadInputError

T = TypeVar("T")

VARIABLE = "SLIPWAY_DATABASE"
_DRIVERS = ("psycopg", "psycopg2", "asyncpg", "pg8000")

# What says where a connection goes and as whom, in the words of any driver; other parameters (search_path, timeouts) stay as env.py set them.
_PLACE = frozenset(
    [
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "dbname",
        "database",
        "dsn",
        "conninfo",
        "service",
        "passfile",
        "unix_sock",
        "ssl",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslrootcert",
        "ssl_context",
        "channel_binding",
        "target_session_attrs",
    ]
)

_ASYNCPG = frozenset(["prepared_statement_cache_size", "statement_cache_size", "command_timeout"])

# psycopg answers every ALTER and DROP with DEALLOCATE ALL once it has prepared something of its own; what we prepared would be gone too.
_MANNERS = {driver: {"prepare_threshold": None} for driver in ("psycopg", "psycopg_async")}


def named_in_environment() -> URL:
    """The database of this process, and in passing the variables by which the service learns of it; raises BadInputError.

    SLIPWAY_DATABASE holds JSON: {"url": "postgresql://…", "variables": {…}}; `-` says that it is the first line of standard input. A URL holds
    a password, and arguments can be read by every process of a machine.
    """
    text = os.environ.pop(VARIABLE, "")
    try:
        told = json.loads(sys.stdin.readline() if text == "-" else text)
        os.environ.update(told["variables"])
        return with_driver(make_url(told["url"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{VARIABLE} does not name a database", f"it must be JSON with url and variables ({type(error).__name__})"
        ) from None
    except ArgumentError:
        raise BadInputError(
            "the database's URL cannot be read", "allowed is postgresql://user:password@host:port/database"
        ) from None


def with_driver(url: URL) -> URL:
    """The same database by a driver that this service has; raises BadInputError."""
    if url.drivername == "postgres":  # as some platforms hand it out; SQLAlchemy no longer takes it
        url = url.set(drivername="postgresql")
    if url.get_backend_name() != "postgresql":
        raise BadInputError(f"the database's URL names {url.get_backend_name()}", "allowed is postgresql")
    for name in (url.drivername, *(f"postgresql+{driver}" for driver in _DRIVERS)):
        with suppress(ImportError, NoSuchModuleError):
            found = spoken(url, name)
            create_engine(found)  # connects to nothing, but imports the driver
            return found
    raise BadInputError(
        "the service has no driver for Postgres", f"one of {', '.join(_DRIVERS)} must stand in its lock"
    )


def spoken(url: URL, name: str) -> URL:
    """The same URL for another driver: how it says that a connection is encrypted, and what only asyncpg knows."""
    ours, theirs = ("ssl", "sslmode") if "asyncpg" in name else ("sslmode", "ssl")
    query = {ours if key == theirs else key: value for key, value in url.query.items()}
    if "asyncpg" not in name:
        query = {key: value for key, value in query.items() if key not in _ASYNCPG}
    return url.set(drivername=name, query=query)


class _Thread(threading.local):
    """A thread that connects to what it names itself, whatever every engine does."""

    directly = False


_thread = _Thread()


@contextmanager
def every_connection_to(url: URL, session: tuple[str, ...] = ()) -> Iterator[None]:
    """Within this block every engine of this process connects to `url`, and begins its session with these statements."""

    def redirect(dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]) -> None:
        if _thread.directly:
            return
        if dialect.name != "postgresql":
            raise BadInputError(f"env.py connects to {dialect.name}", "slipway proves histories of Postgres")
        there, how = dialect.create_connect_args(spoken(url, f"{dialect.name}+{dialect.driver}"))
        arguments[:] = there
        for key in _PLACE & parameters.keys():
            del parameters[key]
        parameters.update(how)
        parameters.update(_MANNERS.get(dialect.driver, {}))

    def begin(connection: Any, _record: Any) -> None:
        if _thread.directly:
            return
        cursor = connection.cursor()
        for statement in session:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    event.listen(Engine, "do_connect", redirect)
    event.listen(Engine, "connect", begin)
    try:
        yield
    finally:
        event.remove(Engine, "do_connect", redirect)
        event.remove(Engine, "connect", begin)


@contextmanager
def closed_afterwards() -> Iterator[None]:
    """At the end of this block every connection is closed that this thread has opened in it, as at the end of a process.

    A pool of env.py's would keep them, and with them the advisory locks of their sessions. An async driver's end with their loop.
    """
    opened: list[Any] = []
    here = threading.get_ident()

    def remember(_connection: Any, record: Any) -> None:
        if threading.get_ident() == here:
            opened.append(record)

    event.listen(Engine, "connect", remember)
    try:
        yield
    finally:
        event.remove(Engine, "connect", remember)
        for record in opened:
            if record.dbapi_connection is not None and not isinstance(record.dbapi_connection, AdaptedConnection):
                record.invalidate()


def with_connection(url: URL, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection of its own, each statement its own transaction; for any driver, sync or async."""
    if url.get_dialect()().is_async:
        return asyncio.run(_with_async_connection(url, work))
    engine = create_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT", future=True)
    with engine.connect() as connection:
        return work(connection)


async def _with_async_connection(url: URL, work: Callable[[Connection], T]) -> T:
    from sqlalchemy.ext.asyncio import (
        create_async_engine,  # needs greenlet, which a service with a sync driver may lack
    )

    engine = create_async_engine(url, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        return await connection.run_sync(work)


def elsewhere(url: URL, work: Callable[[Connection], T]) -> T:
    """Do some work on a connection of its own, in a thread of its own: env.py may be in the middle of a loop of events."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(with_connection, url, work).result()


@contextmanager
def held(url: URL, take: Callable[[Connection], object], name: str, *, directly: bool = False) -> Iterator[None]:
    """Within this block a session of its own keeps what `take` took, in a thread called `name`; raises what taking it raises.

    `directly` it goes to `url` also where every connection goes to another.
    """
    taken, done, failed = threading.Event(), threading.Event(), []

    def hold(connection: Connection) -> None:
        take(connection)
        taken.set()
        done.wait()

    def session() -> None:
        _thread.directly = directly
        try:
            with_connection(url, hold)
        except Exception as error:  # noqa: BLE001 -- told to the thread that waits
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
    """Postgres' own code of an error, in the words of any driver; of the nearest that has one, when others were raised from it."""
    while error is not None:
        original: Any = error.orig if isinstance(error, DBAPIError) else error
        code: Any = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        if isinstance(code, str):
            return code
        error = error.__cause__ or error.__context__
    return None
