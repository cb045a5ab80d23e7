"""Databases of the gate's own on the server it was given: made, used, dropped; nothing else there is touched."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError
from slipway.gate import roles
from slipway.migration.database import with_connection
from slipway.migration.environment import sentence

OLDEST_MAJOR, NEWEST_MAJOR = 14, 18
_RELATIONS = """SELECT count(*), min(concat(n.nspname, '.', c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""

_OURS = (
    f"slipway_gate_{secrets.token_hex(4)}_"  # how the names of this run's databases begin; forks are of the same run
)


def server_version(server: URL) -> str:
    """The server's version as `18.6`; raises BadInputError when it does not answer, is none of those that are supported, or holds what is somebody's."""
    try:
        number, relations, first = with_connection(server, _look)
    except (DBAPIError, OSError) as error:
        raise BadInputError("the Postgres server does not answer", sentence(error)) from error
    major, minor = divmod(number, 10000)
    if not OLDEST_MAJOR <= major <= NEWEST_MAJOR:
        raise BadInputError(f"the server is PostgreSQL {major}", f"supported are {OLDEST_MAJOR} to {NEWEST_MAJOR}")
    if relations:
        raise BadInputError(
            f"the database {server.database} is not empty, it holds {relations} tables, views or sequences such as {first}",
            "name an empty database of a server that can be thrown away",
        )
    return f"{major}.{minor}"


def _look(connection: Connection) -> tuple[int, int, str]:
    return int(connection.scalar(text("SHOW server_version_num"))), *connection.execute(text(_RELATIONS)).one()


@contextmanager
def fresh(server: URL, extensions: Sequence[str]) -> Iterator[URL]:
    """An empty database with these extensions, dropped at the end; raises BadInputError when it cannot be made."""
    with _made(server) as url:
        if extensions:
            with_connection(url, lambda connection: _create_extensions(connection, extensions))
        yield url


@contextmanager
def copy(server: URL, of: URL) -> Iterator[URL]:
    """A database that is the same as one of ours, dropped at the end. Whoever is still connected to that one is thrown out."""
    throw_out = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
    with_connection(server, lambda connection: connection.execute(throw_out, {"name": of.database}))
    with _made(server, f" TEMPLATE {of.database}") as url:
        yield url


@contextmanager
def _made(server: URL, how: str = "") -> Iterator[URL]:
    name = f"{_OURS}{secrets.token_hex(4)}"
    with roles.dropped_at_the_end(server, name), _created(server, name, how):
        yield server.set(database=name)


@contextmanager
def _created(server: URL, name: str, how: str) -> Iterator[None]:
    try:
        with_connection(server, lambda connection: connection.execute(text(f"CREATE DATABASE {name}{how}")))
    except DBAPIError as error:
        raise BadInputError("the server gives the gate no database of its own", sentence(error)) from error
    try:
        yield
    finally:
        with_connection(
            server, lambda connection: connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        )


def drop_left_over(server: URL) -> None:
    """Drop what processes of this run have made and could not drop themselves."""
    with suppress(DBAPIError, OSError):
        with_connection(server, _drop_ours)


def _drop_ours(connection: Connection) -> None:
    ours = text("SELECT datname FROM pg_database WHERE starts_with(datname, :beginning)")
    for name in connection.scalars(ours, {"beginning": _OURS}).all():
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def _create_extensions(connection: Connection, extensions: Sequence[str]) -> None:
    for extension in extensions:
        quoted = connection.dialect.identifier_preparer.quote(extension)
        try:
            connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {quoted} CASCADE"))
        except DBAPIError as error:
            raise BadInputError(
                f"the extension {extension} cannot be created on this server", sentence(error)
            ) from error
