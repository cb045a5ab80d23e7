"""The gate's own databases on a server: create, use and drop them, with the roles that revisions create in them.

Servers that look like production are refused by their URL, before any connection.
Roles belong to the server, not to a database, and several gates may share one server. So only one database at a time
may create roles: such a statement first waits for the lock of the server's roles.
"""

import re
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError
from slipway.gate.deadline import unlimited
from slipway.gate.measure.role import MAIN_USER, OWNER
from slipway.gate.measure.session import query
from slipway.gate.measure.statements import Execution, Session, watching
from slipway.migration.database import RELATIONS, directly, held, sqlstate, with_connection
from slipway.migration.environment import sentence
from slipway.migration.initial_schema import create_extensions
from slipway.migration.pooler import check_own_session
from slipway.records.gate import MAJORS, Role

# Copying files takes a third of the default method's time, because the default logs each page. With fsync on, the
# default is faster.
_SETTING = """SELECT CASE WHEN current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000
THEN ' STRATEGY FILE_COPY' ELSE '' END, quote_ident(current_user), current_setting('is_superuser') = 'on',
(SELECT quote_ident(pg_get_userbyid(datdba)) FROM pg_database WHERE datname = :template)"""
_TERMINATE = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name")
_NO_SUCH_ROLE: Final = "42704"
_OWNERS: Final = {Role.RDS_SUPERUSER: MAIN_USER, Role.OWNER: OWNER}
# Our own user is the one that revisions may name as the owner of their objects (OWNER TO postgres). RDS has the roles
# rds_….
_OURS: Final = "created by the gate of slipway"
_CREATE_OWNER: Final = {
    MAIN_USER: f"""DO $slipway$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['rds_superuser', 'rds_replication', 'rds_password', 'rds_iam', 'rds_extension'] LOOP
        IF to_regrole(name) IS NULL THEN
            EXECUTE 'CREATE ROLE ' || name;
            EXECUTE 'COMMENT ON ROLE ' || name || ' IS ''{_OURS}''';
        END IF;
    END LOOP;
    CREATE ROLE {MAIN_USER} CREATEROLE CREATEDB IN ROLE {{user}};
    GRANT pg_monitor, pg_signal_backend, rds_superuser, rds_replication, rds_password, rds_iam, rds_extension TO {MAIN_USER} WITH ADMIN OPTION;
    COMMENT ON ROLE {MAIN_USER} IS '{_OURS}'; END $slipway$""",
    OWNER: f"DO $slipway$ BEGIN CREATE ROLE {OWNER} IN ROLE {{user}}; COMMENT ON ROLE {OWNER} IS '{_OURS}'; END $slipway$",
}
_OUR_ROLES: Final = text(
    "SELECT quote_ident(rolname) FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = :ours ORDER BY rolname LIKE 'slipway%' DESC"
)

_PREFIX = f"slipway_gate_{secrets.token_hex(4)}_"  # of this run's databases, including those of its forks

_CREATES_ROLE: Final = re.compile(r"\bCREATE\s+(ROLE|USER|GROUP)\s+(?!MAPPING\b)", re.IGNORECASE)
_ROLES_LOCK: Final = zlib.crc32(b"slipway: one database with roles at a time")
_HERE: Final = "SELECT current_database()"
_ROLES: Final = "SELECT quote_ident(rolname) FROM pg_roles"
_MANAGED: Final = (
    *(".rds.amazonaws.com", ".rds.amazonaws.com.cn", ".postgres.database.azure.com", ".postgres.cosmos.azure.com"),
    *(".neon.tech", ".supabase.co", ".supabase.com", ".db.ondigitalocean.com", ".aivencloud.com", ".rlwy.net"),
    *(".tsdb.cloud.timescale.com", ".postgresbridge.com", ".databases.appdomain.cloud", ".postgres.render.com"),
    ".psdb.cloud",
)
_CLOUD_SQL: Final = "/cloudsql/"  # the folder with the sockets of Google's proxy
_WORDS: Final = frozenset({"prod", "production", "prd", "live"})


def server_version(server: URL) -> str:
    """Return the server's version, such as `18.6`.

    Raise BadInputError when the server is unreachable, unsupported or not empty.
    """
    try:
        number, relations, first = with_connection(server, partial(_version_and_relations, server))
    except (DBAPIError, OSError) as error:
        raise BadInputError("the Postgres server does not answer", sentence(error)) from error
    major, minor = divmod(number, 10000)
    if major not in MAJORS:
        raise BadInputError(f"the server is PostgreSQL {major}", f"supported are {MAJORS[0]} to {MAJORS[-1]}")
    if relations:
        raise BadInputError(
            f"the database {server.database} is not empty, it holds {relations} tables, views or sequences such as {first}",
            "name an empty database of a disposable server",
        )
    return f"{major}.{minor}"


def _version_and_relations(server: URL, connection: Connection) -> tuple[int, int, str]:
    check_own_session(server, connection)
    return int(connection.scalar(text("SHOW server_version_num"))), *connection.execute(text(RELATIONS)).one()


@contextmanager
def fresh(server: URL, extensions: Sequence[str], role: Role = Role.SUPERUSER) -> Iterator[URL]:
    """Create an empty database with these extensions for the block.

    `role` decides who owns it. Raise BadInputError when this fails.
    """
    with _created(server, owner=_OWNERS.get(role)) as url:
        if extensions:
            with_connection(url, partial(create_extensions, extensions))
        yield url


@contextmanager
def copy(server: URL, of: URL) -> Iterator[URL]:
    """Copy one of our databases for the block."""
    with _created(server, template=of.database) as url:
        yield url


@contextmanager
def spare(server: URL, extensions: Sequence[str]) -> Iterator[tuple[URL, Callable[[], None]]]:
    """Yield the URL of a database and the function that creates it at its first call. Drop it after the block.

    The function uses another thread, because its caller may be inside an event loop. It ignores errors, because the
    connection that follows fails, too.
    """
    url = server.set(database=f"{_PREFIX}{secrets.token_hex(4)}")
    asked: list[URL] = []

    def make() -> None:
        with directly(), suppress(DBAPIError, OSError, BadInputError):
            with_connection(server, partial(create, name=str(url.database)))
            if extensions:
                with_connection(url, partial(create_extensions, extensions))

    def once() -> None:
        if not asked:
            asked.append(url)
            with ThreadPoolExecutor(1) as thread:
                thread.submit(make).result()

    try:
        yield url, once
    finally:
        if asked:
            with suppress(DBAPIError, OSError):
                with_connection(server, lambda connection: _drop(connection, [str(url.database)]))


@contextmanager
def _created(server: URL, *, owner: str | None = None, template: str | None = None) -> Iterator[URL]:
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    with _with_own_roles(server, name):
        try:
            owner = with_connection(server, partial(create, name=name, owner=owner, template=template))
        except DBAPIError as error:
            raise BadInputError("the gate could not create a database on the server", sentence(error)) from error
        if owner:
            _Process.owners[name] = owner
        try:
            yield server.set(database=name)
        finally:
            _Process.owners.pop(name, None)
            with_connection(server, lambda connection: _drop(connection, [name]))


def create(connection: Connection, name: str, *, owner: str | None = None, template: str | None = None) -> str | None:
    """Create a database, empty or as a copy of `template` with the same owner.

    Return the owner when it is one of our roles, None when it is the session's user.
    Terminate the sessions that are still connected to the template, such as those in the pool of env.py's engine.
    """
    if template:
        connection.execute(_TERMINATE, {"name": template})
    strategy, user, is_superuser, owners = connection.execute(text(_SETTING), {"template": template}).one()
    owner = owners or (owner if is_superuser else None)
    options = f"{f' TEMPLATE {template}' if template else ''}{f' OWNER {owner}' if owner else ''}{strategy}"
    try:
        connection.execute(text(f"CREATE DATABASE {name}{options}"))
    except DBAPIError as error:
        if owner is None or sqlstate(error) != _NO_SUCH_ROLE:
            raise
        with suppress(DBAPIError):  # another gate has created the role meanwhile
            connection.execute(text(_CREATE_OWNER[owner].format(user=user)))
        connection.execute(text(f"CREATE DATABASE {name}{options}"))
    return owner if owner in _OWNERS.values() else None


def drop_owners(server: URL) -> None:
    """Drop the owners of our databases and the roles of RDS that the gate created, unless other databases still use them."""

    def drop(connection: Connection) -> None:
        with suppress(DBAPIError):  # the role owns another gate's database, which needs the roles of RDS, too
            for name in connection.scalars(_OUR_ROLES, {"ours": _OURS}).all():
                connection.execute(text(f"DROP ROLE IF EXISTS {name}"))

    with_connection(server, drop)


def drop_left_over(server: URL) -> None:
    """Drop the databases that killed processes of this run left behind."""
    ours = text("SELECT datname FROM pg_database WHERE starts_with(datname, :prefix)")
    with suppress(DBAPIError, OSError):
        with_connection(
            server, lambda connection: _drop(connection, connection.scalars(ours, {"prefix": _PREFIX}).all())
        )
        drop_owners(server)


def _drop(connection: Connection, names: Sequence[str]) -> None:
    for name in names:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


class _Process:
    """The state of this process.

    - has_roles_lock: whether the process holds the lock of the server's roles. It is acquired only once, because the
      process's databases may be copies of each other.
    - owners: the owners of its databases, by name. A database that is not listed belongs to the server's user.
    """

    has_roles_lock = False
    owners: dict[str, str] = {}  # noqa: RUF012 -- one of a process


def owner_of(database: URL) -> str:
    """Return the role that owns one of our databases; empty when this is the server's user."""
    return _Process.owners.get(database.database or "", "")


@contextmanager
def _with_own_roles(server: URL, database: str) -> Iterator[None]:
    """Drop the roles that statements in `database` create, at the end of the block, after the database was dropped."""
    existing: set[str] = set()
    created: set[str] = set()
    lock = ExitStack()

    def creates_role(execution: Execution) -> bool:
        raw = execution.session.connection
        return bool(_CREATES_ROLE.search(execution.sql)) and query(raw, _HERE)[0][0] == database

    def before(execution: Execution) -> None:
        if creates_role(execution):
            if not _Process.has_roles_lock:
                _lock_roles(server, lock)
            existing.update(_roles(execution.session))

    def after(execution: Execution) -> None:
        if creates_role(execution):
            created.update(_roles(execution.session) - existing)

    with watching(before=before, after=after), lock:
        try:
            yield
        finally:
            if created:
                with_connection(server, lambda connection: _drop_roles(connection, created))


def _lock_roles(server: URL, lock: ExitStack) -> None:
    def acquire(connection: Connection) -> None:
        connection.execute(text(f"SELECT pg_advisory_lock({_ROLES_LOCK})"))

    with unlimited():
        lock.enter_context(held(server, acquire, "the lock of roles", directly=True))
    _Process.has_roles_lock = True
    lock.callback(setattr, _Process, "has_roles_lock", False)


def may_have_created_roles() -> bool:
    """Return whether a statement in one of this process's databases may have created roles, so that other gates wait."""
    return _Process.has_roles_lock


def _roles(session: Session) -> set[str]:
    return {name for (name,) in query(session.connection, _ROLES)}


def _drop_roles(connection: Connection, roles: set[str]) -> None:
    for role in sorted(roles):
        with suppress(DBAPIError):  # another session has granted the role a privilege meanwhile
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")


def refuse_production(server: URL) -> None:
    """Raise BadInputError when the URL of a server looks like production."""
    if why := _looks_like_production(server):
        raise BadInputError(
            f"the server looks like production ({why})",
            "name a disposable server, or confirm with --allow-production-like (pytest: --slipway-allow-production-like) that this server is disposable",
        )


def _looks_like_production(server: URL) -> str | None:
    """Return the reason why a URL looks like production, or None."""
    hosts = _hosts(server)
    for host in hosts:
        if host.endswith(_MANAGED) or host.startswith(_CLOUD_SQL):
            return f"its host {host} belongs to a managed service"
    named = [*(("host", host) for host in hosts), ("database", server.database or ""), ("user", server.username or "")]
    for what, name in named:
        if found := _WORDS.intersection(re.split(r"[^a-z0-9]+", name.lower())):
            return f"its {what} {name} contains {', '.join(sorted(found))}"
    return None


def _hosts(server: URL) -> list[str]:
    """Return the hosts of a URL. There may be several, and the query may contain some."""
    named = server.query.get("host", ())  # `normalized_query` fails in SQLAlchemy 2.0.0 to 2.0.10
    hosts = [server.host or "", *([named] if isinstance(named, str) else named)]
    return [host.partition(":")[0].rstrip(".").lower() for several in hosts for host in several.split(",") if host]
