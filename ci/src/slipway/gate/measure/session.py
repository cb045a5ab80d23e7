"""The session of a revision: our own queries on its DBAPI connection, which SQLAlchemy's events do not see, and its settings.

When a revision has changed its session (SET ROLE, SET search_path), the session is restored for the next step. In
production the next revision may run in another session, so each is tested without those settings; settings
that leak are a finding. There are hundreds of settings, so they are read only around statements that seem to change
some.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Final
from weakref import WeakKeyDictionary

from alembic import op

OUR_LOCK_TIMEOUT: Final = "9999ms"  # an unusual value, by which we recognise our own setting
OUR_STATEMENT_TIMEOUT: Final = "59999ms"

LIMITS: Final = {"lock_timeout": OUR_LOCK_TIMEOUT, "statement_timeout": OUR_STATEMENT_TIMEOUT}
# Timeouts that env.py sets when it connects are kept.
_LIMITED: Final = ", ".join(
    f"set_config('{name}', coalesce(nullif(current_setting('{name}'), '0'), '{value}'), false)"
    for name, value in LIMITS.items()
)
LIMIT: Final = f"SELECT {_LIMITED}"

# With these limits, a revision that waits or hangs becomes a finding. Parallel workers would hide scans. The time zone
# decides whether a timestamp is rewritten. Our own queries are planned once. The revision's role is the owner of its
# database, see role.py. This is one statement, because every session of a history begins with it.
SESSION: Final = (
    f"""SELECT {_LIMITED}, set_config('max_parallel_maintenance_workers', '0', false), set_config('TimeZone', 'UTC', false),
    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('session_authorization', pg_get_userbyid(datdba)::text, false)
    FROM pg_database WHERE datname = current_database()""",
)
# For a session of the superuser beside the revision's. Its values must have the same form.
_BESIDE: Final = f"""SELECT current_setting('is_superuser') = 'on', {_LIMITED}, set_config('TimeZone', 'UTC', false), set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('search_path', {{search_path}}, false)"""
_CHANGES: Final = re.compile(
    r"(?:\A|;)\s*(?:SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)|SET\s+LOCAL\s+(?:SEARCH_PATH|ROLE|SESSION)\b|RESET\b|DISCARD\b)|\bset_config\s*\(",
    re.IGNORECASE,
)
_GRANTS: Final = re.compile(
    r'\b(?:GRANT|REVOKE|OWNED)\b|\bUPDATE\s+(?:ONLY\s+)?(?:pg_catalog\.)?"?pg_(?:attribute|class)\b', re.IGNORECASE
)
_CUSTOM: Final = re.compile(r"\b(?:SET|SESSION)\s+(\w+\.\w+)|\bset_config\s*\(\s*'(\w+\.\w+)'", re.IGNORECASE)
_ROLE: Final = "SELECT quote_ident(session_user), current_setting('role')"
_WHO: Final = "SELECT session_user, current_user"
_WRITTEN: Final = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int FROM pg_stat_xact_user_tables"
_SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE context IN ('user', 'superuser')"
_HIDING: Final = """
SELECT concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), c.relforcerowsecurity AND pg_has_role(c.relowner, 'USAGE')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relrowsecurity AND row_security_active(c.oid)"""
_BEFORE: Final = "before it was changed"
_GRANTED: Final = "permissions may have changed"
LEFT_IN_AUTOCOMMIT: Final = "left in autocommit mode"


def query(connection: Any, sql: str) -> Sequence[Sequence[Any]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


def rows_written(connection: Any, sql: str, parameters: Any = None) -> int:
    """Execute a statement, with parameters in the driver's form or None. Return the number of written rows."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(*([sql] if parameters is None else [sql, parameters]))
        count: int = cursor.rowcount
        return count


def written_by_transaction(connection: Any) -> int:
    """Return how many rows the transaction has written so far."""
    ((rows,),) = query(connection, _WRITTEN)
    return int(rows)


def begin_beside(connection: Any, search_path: str) -> bool:
    """Begin a session of the server's user that observes revisions, with their search path.

    Return whether it sees all rows.
    """
    driver = driver_of(connection)
    # With a prepared statement of its own, psycopg would send DEALLOCATE ALL, which drops ours, too.
    if hasattr(driver, "prepare_threshold"):
        driver.prepare_threshold = None
    return bool(query(connection, _BESIDE.format(search_path=literal(search_path)))[0][0])


@contextmanager
def taken_back(connection: Any, *, alone: bool | None = None) -> Iterator[None]:
    """Roll back the work of the block, even after an error.

    - alone: whether the next statement is its own transaction; with None, ask the connection, which must be
      SQLAlchemy's.
    """
    alone = commits_itself(connection) if alone is None else alone
    begin, end = ("BEGIN", "ROLLBACK") if alone else ("SAVEPOINT slipway", "ROLLBACK TO SAVEPOINT slipway")
    rows_written(connection, begin)
    try:
        yield
    finally:
        rows_written(connection, end)


def is_autocommit(connection: Any) -> bool:
    """Return whether an SQLAlchemy connection is in the driver's autocommit mode."""
    return bool(connection.dbapi_connection.autocommit)


def commits_itself(connection: Any) -> bool:
    """Return whether the next statement on an SQLAlchemy connection is its own transaction."""
    driver = driver_of(connection)
    if hasattr(driver, "is_in_transaction"):  # asyncpg, for which SQLAlchemy does not notice a COMMIT in a text
        adapter = connection.dbapi_connection
        return not driver.is_in_transaction() and (adapter.autocommit or adapter._transaction is not None)  # noqa: SLF001 -- no public sign
    return is_autocommit(connection) and not is_begun(driver)


def is_begun(driver: Any) -> bool:
    """Return whether a transaction is open, as the driver knows it.

    Postgres' clocks do not show this, because with asyncpg they differ in each statement.
    """
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return bool(driver.is_in_transaction())
    if hasattr(driver, "info"):  # psycopg and psycopg2
        return driver.info.transaction_status in (1, 2, 3)  # active, in a transaction, in a failed one
    return bool(driver._in_transaction)  # noqa: SLF001 -- pg8000 has nothing public


@contextmanager
def as_superuser(connection: Any) -> Iterator[None]:
    """Use a DBAPI connection as the session's superuser, if it has one, during the block."""
    before = become_superuser(connection)
    try:
        yield
    finally:
        with suppress(Exception):  # the driver's own error: the block failed, so the transaction's rollback resets this
            become(connection, *before)


def tables_with_hidden_rows(connection: Any) -> list[str]:
    """Return the tables whose row-level security is in force for the current role."""
    return [name for name, _ in query(connection, _HIDING)]


@contextmanager
def without_forced_security(connection: Any) -> Iterator[None]:
    """Let the current role see and write all rows of its own tables during the block.

    A superuser can do this anyway.
    """
    forced = [name for name, is_forced in query(connection, _HIDING) if is_forced]
    for table in forced:
        rows_written(connection, f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    try:
        yield
    finally:
        with suppress(Exception):  # the driver's own error: the block failed, so the transaction's rollback resets this
            for table in forced:
                rows_written(connection, f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def become_superuser(connection: Any) -> tuple[str, str]:
    """Leave the revision's role. Return the session's user and its current role."""
    ((user, role),) = query(connection, _ROLE)
    rows_written(connection, "RESET SESSION AUTHORIZATION")
    return user, role


def become(connection: Any, user: str, role: str) -> None:
    rows_written(connection, f"SET SESSION AUTHORIZATION {user}")
    if role != "none":
        query(connection, f"SELECT set_config('role', {literal(role)}, false)")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def driver_of(connection: Any) -> Any:
    """Return the driver's own connection below SQLAlchemy's. It identifies a session."""
    return getattr(connection, "driver_connection", connection)


_notes: Final[WeakKeyDictionary[Any, dict[str, Any]]] = WeakKeyDictionary()


def notes_on(connection: Any) -> dict[str, Any]:
    """Return our notes on a session, which exist as long as its connection."""
    return _notes.setdefault(driver_of(connection), {})


def prepare_once(connection: Any, name: str, sql: str) -> None:
    """Prepare a statement once per session."""
    prepared: set[str] = notes_on(connection).setdefault("prepared", set())
    if name not in prepared:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
        prepared.add(name)


def plan_once(connection: Any, name: str, sql: str, example: str) -> None:
    """Prepare a statement once per session, with a plan for a large catalog even if it is small now.

    `example` are arguments.
    A plan for an empty database would read all of pg_class in each execution. Postgres keeps the plan because of the
    session's settings.
    """
    if name in notes_on(connection).setdefault("prepared", set()):
        return
    prepare_once(connection, name, sql)
    ((before,),) = query(connection, "SELECT current_setting('enable_seqscan')")
    query(connection, "SELECT set_config('enable_seqscan', 'off', false)")
    query(connection, f"EXPLAIN EXECUTE {name}({example})")
    query(connection, f"SELECT set_config('enable_seqscan', {literal(before)}, false)")


def has_granted(connection: Any) -> bool:
    """Return whether a statement that `note_change` has seen may have changed a permission, or the catalogs themselves."""
    return _GRANTED in notes_on(connection)


def note_change(connection: Any, sql: str) -> None:
    """Record the session's settings before a statement that seems to change them, and whether it may change permissions."""
    if _GRANTS.search(sql):
        notes_on(connection)[_GRANTED] = True
    if not _CHANGES.search(sql):
        return
    notes = notes_on(connection)
    if _BEFORE not in notes:
        notes[_BEFORE] = (query(connection, _WHO)[0], _values(connection, _SETTINGS))
    settings: dict[str, str] = notes[_BEFORE][1]
    named = {name for pair in _CUSTOM.findall(sql) for name in pair if name and name not in settings}
    settings.update(_values(connection, _custom(named)) if named else {})


@contextmanager
def leaving_the_session() -> Iterator[None]:
    """Restore the session at the end of the block, which is a step of a revision. Do not restore it after an error."""
    connection = op.get_context().connection
    assert connection is not None
    notes_on(connection.connection).pop(_BEFORE, None)  # env.py made these changes, not the step
    autocommit = is_autocommit(connection.connection)
    yield
    if connection.closed:
        return
    raw: Any = connection.connection
    notes = notes_on(raw)
    if before := notes.pop(_BEFORE, None):
        _restore(raw, *before)
    if is_autocommit(raw) and not autocommit and not is_begun(driver_of(raw)):
        raw.dbapi_connection.autocommit = False
        notes[LEFT_IN_AUTOCOMMIT] = True


def _restore(raw: Any, who: tuple[str, str], settings: dict[str, str]) -> None:
    session_user, current_user = query(raw, _WHO)[0]
    with closing(raw.cursor()) as cursor:
        if session_user != who[0]:
            cursor.execute(f"SET SESSION AUTHORIZATION {literal(who[0])}")
        if current_user != who[1]:
            cursor.execute(f"SET ROLE {literal(who[1]) if who[1] != who[0] else 'none'}")
    now = {**_values(raw, _SETTINGS), **_values(raw, _custom(settings))}
    if changed := [name for name, value in now.items() if settings.get(name, value) != value]:
        with as_superuser(raw):  # some settings are reserved for superusers
            for name in changed:
                query(raw, f"SELECT set_config({literal(name)}, {literal(settings[name])}, false)")


def session_state(connection: Any, custom: Iterable[str] = ()) -> dict[str, str]:
    """Return the session's settings, among them its role, and the `custom` ones."""
    user, role = query(connection, _WHO)[0]
    values = _values(connection, _SETTINGS) | (_values(connection, _custom(custom)) if custom else {})
    return {**values, "session_authorization": user, "role": role if role != user else "none"}


def _values(raw: Any, settings: str) -> dict[str, str]:
    return dict(map(tuple, query(raw, settings)))


def _custom(names: Iterable[str]) -> str:
    """Return a query for custom settings (`app.tenant`), which pg_settings does not list.

    An unset one counts as empty.
    """
    listed = ", ".join(literal(name) for name in names if "." in name) or "NULL"
    return f"SELECT name, coalesce(current_setting(name, true), '') FROM unnest(ARRAY[{listed}]::text[]) name WHERE name IS NOT NULL"
