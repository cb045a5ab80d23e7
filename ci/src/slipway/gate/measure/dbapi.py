"""Our own queries and session settings on the service's DBAPI connection, beneath SQLAlchemy and invisible to its events."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

OUR_LOCK_TIMEOUT: Final = "9999ms"  # odd enough to be recognised as ours
OUR_STATEMENT_TIMEOUT: Final = "59999ms"

# A revision that waits or hangs becomes a finding. Parallel workers would hide scans; the time zone decides whether a timestamp is rewritten;
# our own queries are planned once. Timeouts that env.py sets when it connects are kept.
SESSION: Final = (
    f"SELECT set_config('lock_timeout', '{OUR_LOCK_TIMEOUT}', false) WHERE current_setting('lock_timeout') = '0'",
    f"SELECT set_config('statement_timeout', '{OUR_STATEMENT_TIMEOUT}', false) WHERE current_setting('statement_timeout') = '0'",
    "SET max_parallel_maintenance_workers = 0",
    "SET TimeZone = 'UTC'",
    "SET plan_cache_mode = force_generic_plan",
)


def query(connection: Any, sql: str) -> Sequence[Sequence[Any]]:
    """Return the rows of a query."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


def rows_written(connection: Any, sql: str, parameters: Any = ()) -> int:
    """Execute a statement with parameters in the driver's form; return the number of rows that it wrote."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql, parameters)
        count: int = cursor.rowcount
        return count


@contextmanager
def taken_back(connection: Any) -> Iterator[None]:
    """Roll back the work of the block, also after an error."""
    rows_written(connection, "SAVEPOINT slipway")
    try:
        yield
    finally:
        rows_written(connection, "ROLLBACK TO SAVEPOINT slipway")


def literal(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def prepare_once(connection: Any, name: str, sql: str) -> None:
    """Prepare a statement once per session."""
    prepared: set[str] = connection.info.setdefault(
        "slipway", set()
    )  # of SQLAlchemy's pool, as long-lived as the session
    if name not in prepared:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
        prepared.add(name)
