"""Questions of our own on the DBAPI connection of the service, beneath SQLAlchemy and unseen by its events."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any


def query(connection: Any, sql: str) -> Sequence[Sequence[Any]]:
    """The rows of a query."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


def rows_written(connection: Any, sql: str, parameters: Any = ()) -> int:
    """How many rows a statement wrote; its parameters are as the driver takes them."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql, parameters)
        count: int = cursor.rowcount
        return count


@contextmanager
def taken_back(connection: Any) -> Iterator[None]:
    """What is done within this block, well or not, is taken back at its end."""
    rows_written(connection, "SAVEPOINT slipway")
    try:
        yield
    finally:
        rows_written(connection, "ROLLBACK TO SAVEPOINT slipway")


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def prepare_once(connection: Any, name: str, sql: str) -> None:
    """Prepare a statement in this session, unless it is there."""
    prepared: set[str] = connection.info.setdefault(
        "slipway", set()
    )  # of SQLAlchemy's pool, as long-lived as the session
    if name not in prepared:
        with closing(connection.cursor()) as cursor:
            cursor.execute(sql)
        prepared.add(name)
