"""The trace of a revision: every statement on any engine of env.py, with its line and its effects on tables.

A statement in a transaction is measured after it ran, while its locks are held. One that is its own transaction (autocommit) has released them by
then, so it is rehearsed in a transaction that is rolled back. When Postgres refuses that, as for CONCURRENTLY, or a text of several statements
ends the transaction, it counts as not measured, unless a table has another file afterwards, as after VACUUM FULL.
"""

import re
import sys
import time
from contextlib import AbstractContextManager, closing
from types import FrameType
from typing import Any

from sqlalchemy.engine import Connection

from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.locks import Effect, Transaction, files, prepare, rewritten
from slipway.gate.measure.session import query
from slipway.gate.names import is_table
from slipway.migration.database import listening
from slipway.records.proof import Statement

_ROWS_ONLY = re.compile(
    r"\s*(select|insert|update|delete|merge|with|values|copy|explain|show|set|reset)\b[^;]*;?\s*\Z", re.IGNORECASE
)
_ENDS_TRANSACTION = re.compile(r"(\A|;)\s*(commit|rollback|abort)\b", re.IGNORECASE)
_LONGEST_SQL = 4000


class Tracer:
    """The trace of one revision at a time."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._catalog: Catalog
        self._version_table = ""
        self._transactions: dict[Connection, Transaction] = {}  # a revision may open connections of its own
        self._statements: list[Statement] = []
        self._rehearsed: Effect | None = None
        self._files: dict[str, int] = {}  # before a statement that refuses to be rehearsed
        self._line: int | None = None
        self._alone = False
        self._started = 0.0

    def listening(self) -> AbstractContextManager[None]:
        """Listen to every engine of this process during the block."""
        return listening(
            before_cursor_execute=self._before,
            after_cursor_execute=self._after,
            commit=self._end_of_transaction,
            rollback=self._end_of_transaction,
        )

    def watch(self, path: str, catalog: Catalog, version_table: str = "") -> None:
        """Start to record the statements of the revision in the file `path`, without locks on alembic's own table."""
        self._path, self._catalog, self._version_table = path, catalog, version_table
        self._statements, self._transactions = [], {}

    def seen(self) -> tuple[Statement, ...]:
        """Stop recording; return the statements since `watch`."""
        seen = tuple(self._statements)
        self._path, self._statements, self._transactions = None, [], {}
        return seen

    def _before(self, connection: Connection, _cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        self._line = line_in(self._path)
        if self._line is None:
            return
        self._rehearsed, self._files = None, {}
        prepare(connection.connection)
        self._alone = is_alone(connection)
        if not self._alone:
            if connection not in self._transactions:
                self._transactions[connection] = Transaction(connection.connection)
        elif not _ROWS_ONLY.match(sql) and not _ENDS_TRANSACTION.search(sql):
            self._rehearsed = self._rehearse(connection, sql, parameters)
            if self._rehearsed is None:
                self._files = files(connection.connection, self._catalog.newest_oid)
        self._started = time.perf_counter()

    def _after(self, connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        if self._line is None:
            return
        took = time.perf_counter() - self._started
        done = self._rehearsed
        if not self._alone:
            done = self._transactions[connection].look(self._catalog.newest_oid)
            if is_alone(connection):
                self._end_of_transaction(connection)
        elif self._files:
            seen = rewritten(self._files, files(connection.connection, self._catalog.newest_oid))
            done = seen if seen.rewrites else None
        measured = done is not None or bool(_ROWS_ONLY.match(sql))
        done = (done or Effect()).named(self._name_of)
        self._statements.append(
            Statement(
                sql=" ".join(sql.split())[:_LONGEST_SQL],
                line=self._line,
                transaction=not self._alone,
                locks=done.locks,
                rewrites=done.rewrites,
                builds=done.builds,
                scans=done.scans,
                blocks=done.blocks,
                measured=measured,
                lock_timeout=done.lock_timeout,
                unlimited=done.unlimited if done.blocks else (),
                ms=round(took * 1000, 3),
            )
        )

    def _rehearse(self, connection: Connection, sql: str, parameters: Any) -> Effect | None:
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            transaction = Transaction(connection.connection)
            try:
                cursor.execute(sql, parameters)
                return transaction.look(self._catalog.newest_oid)
            except _refusal(connection):
                return None
            finally:
                cursor.execute("ROLLBACK")

    def _name_of(self, oid: str) -> str | None:
        name = self._catalog.name_of(oid)
        return None if name is None or is_table(name, self._version_table) else name

    def _end_of_transaction(self, connection: Connection) -> None:
        self._transactions.pop(connection, None)


def line_in(path: str | None) -> int | None:
    """Return the innermost line of a file on the stack; None when it is not there."""
    if path is None:
        return None
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 -- the stack, without reading source files as inspect.stack does
    while frame is not None:
        if frame.f_code.co_filename == path:
            return frame.f_lineno
        frame = frame.f_back
    return None


def is_autocommit(connection: Connection) -> bool:
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def is_alone(connection: Connection) -> bool:
    """Whether the next statement is its own transaction; a revision may execute BEGIN itself in autocommit mode."""
    return is_autocommit(connection) and not _is_begun(connection)


def _is_begun(connection: Connection) -> bool:
    try:
        ((begun,),) = query(connection.connection, "SELECT now() < statement_timestamp()")
    except _refusal(connection):  # in a transaction that has failed
        return True
    return bool(begun)


def _refusal(connection: Connection) -> type[Exception]:
    """Return the driver's exception for a statement that Postgres refuses."""
    dbapi: Any = connection.dialect.dbapi
    refusal: type[Exception] = dbapi.Error
    return refusal
