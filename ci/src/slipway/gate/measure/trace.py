"""The trace of a revision: every statement that it executes, with its line and its effects on tables.

A statement in a transaction is measured after it has run, while its locks are held. A statement that is its own
transaction (autocommit) has then released its locks, so it is executed before in a transaction that is rolled back. It
is not measured when Postgres refuses this (CONCURRENTLY), or when it is a text of several statements that ends the
transaction. Even then, a rewrite is found by the table's new file (VACUUM FULL).
Before a transaction ends, its locks are compared with those of its recorded statements. After a revision, so are the
rewritten tables and indexes. Effects that no recorded statement explains are recorded as one more statement.
"""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.locks import (
    Effect,
    Moved,
    Transaction,
    files,
    lock_timeout_of,
    moved,
    prepare,
    rewritten,
)
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import LEFT_IN_AUTOCOMMIT, is_begun, notes_on
from slipway.gate.measure.statements import Execution, Session, watching
from slipway.gate.names import is_table
from slipway.migration.events import listening
from slipway.records.proof import AUTOCOMMIT, UNSEEN, Statement

_ROWS_ONLY = re.compile(
    r"\s*(select|insert|update|delete|merge|with|values|copy|explain|show|set|reset|begin|start|commit|end|rollback|abort)\b[^;]*;?\s*\Z",
    re.IGNORECASE,
)
_ENDS_TRANSACTION = re.compile(r"(\A|;)\s*(commit|rollback|abort)\b", re.IGNORECASE)
_LONGEST_SQL = 4000


@dataclass(kw_only=True)
class _Running:
    """A statement that a session is executing."""

    line: int
    alone: bool
    rehearsed: Effect | None = None
    files: dict[str, int]  # the tables' files before a statement that cannot be tried in a transaction
    started: float


class Tracer:
    """The trace of one revision at a time."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._line = 0  # the line of the revision's function
        self._session: Session  # the session that alembic uses
        self._catalog: Catalog
        self._version_table = ""
        self._transactions: dict[Any, Transaction] = {}  # by session, because a revision may open sessions of its own
        self._running: dict[Any, _Running] = {}
        self._statements: list[Statement] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Watch every statement of this process during the block."""
        with (
            watching(before=self._before, after=self._after),
            listening(commit=self._commits, rollback=self._rolls_back),
        ):
            yield

    def watch(self, path: str, line: int, session: Session, catalog: Catalog, version_table: str = "") -> None:
        """Start recording the statements of the revision in the file `path`, whose function begins on `line`.

        - session: alembic's session.
        - version_table: alembic's own table, whose locks are not recorded.
        """
        self._path, self._line, self._session = path, line, session
        self._catalog, self._version_table = catalog, version_table
        self._statements, self._transactions, self._running = [], {}, {}
        notes_on(session.connection).pop(LEFT_IN_AUTOCOMMIT, None)  # the previous step may have set this note
        if not session.autocommit:
            prepare(session.connection)
            self._transactions[session.key] = Transaction(session.connection)

    def reconcile(self) -> None:
        """At the revision's end, record effects that no statement explains, and an autocommit mode that is still on."""
        for driver, transaction in self._transactions.items():
            if is_begun(driver):
                # an error of any driver: the transaction may have failed, or belong to another event loop
                with suppress(Exception):
                    self._add_unseen(transaction)
        if notes_on(self._session.connection).pop(LEFT_IN_AUTOCOMMIT, False):
            self._statements.append(self._statement(AUTOCOMMIT, self._line, Effect()))
        for each in moved(self._session.connection, self._catalog.newest_oid):
            if (name := self._name_of(each.table)) and not any(_explains(one, each, name) for one in self._statements):
                self._statements.append(self._statement(UNSEEN, self._line, each.effect))

    def words_on(self, held: Iterable[tuple[str, str | None]]) -> str:
        """Return words on other sessions' locks.

        For each mode and table, add the revision's statement that acquired the lock, if one did.
        """
        words = []
        for mode, table in held:
            of = f"{mode} on {table}" if table else "an advisory lock"
            taking = (each for each in reversed(self._statements) if _takes(each, mode, table))
            words += [f"{of} by `{each.sql}` on line {each.line}" for each in taking][:1] or [of]
        return f"another session holds {', '.join(words)}" if words else ""

    def seen(self) -> tuple[Statement, ...]:
        """Stop recording, and return the statements since `watch`."""
        seen = tuple(self._statements)
        self._path, self._statements, self._transactions = None, [], {}
        return seen

    def _before(self, execution: Execution) -> None:
        if (line := line_in(self._path)) is None:
            return
        session = execution.session
        prepare(session.connection)
        running = _Running(line=line, alone=session.is_alone, files={}, started=0)
        if not running.alone:
            if session.key not in self._transactions:
                self._transactions[session.key] = Transaction(session.connection)
        elif not _ROWS_ONLY.match(execution.sql) and not _ENDS_TRANSACTION.search(execution.sql):
            running.rehearsed = self._rehearse(execution)
            if running.rehearsed is None:
                running.files = files(session.connection, self._catalog.newest_oid)
        running.started = time.perf_counter()
        self._running[session.key] = running

    def _after(self, execution: Execution) -> None:
        session = execution.session
        running = self._running.pop(session.key, None)
        if running is None:
            return
        took = time.perf_counter() - running.started
        done = running.rehearsed
        if not running.alone:
            # After a COMMIT even a query would begin a transaction, which the revision does not expect.
            ended = not is_begun(session.key)
            transaction = self._transactions.get(session.key)  # None after a rollback that the session does not show
            done = self._looked(transaction, execution.sql) if transaction and not ended else None
            if ended:
                self._transactions.pop(session.key, None)
        elif running.files:
            seen = rewritten(running.files, files(session.connection, self._catalog.newest_oid))
            done = replace(seen, lock_timeout=lock_timeout_of(session.connection)) if seen.rewrites else None
        sql = " ".join(execution.sql.split())
        shown = sql if len(sql) <= _LONGEST_SQL else f"{sql[: _LONGEST_SQL - 2]} …"
        statement = self._statement(shown, running.line, done or Effect())
        self._statements.append(
            replace(
                statement,
                transaction=not running.alone,
                measured=done is not None or bool(_ROWS_ONLY.match(execution.sql)),
                ms=round(took * 1000, 3),
            )
        )

    def _statement(self, sql: str, line: int, done: Effect) -> Statement:
        done = done.named(self._name_of)
        return Statement(
            sql=sql,
            line=line,
            transaction=True,
            locks=done.locks,
            rewrites=done.rewrites,
            builds=done.builds,
            scans=done.scans,
            blocks=done.blocks,
            measured=True,
            lock_timeout=done.lock_timeout,
            unlimited=done.unlimited if done.blocks else (),
            ms=0,
        )

    def _add_unseen(self, transaction: Transaction) -> None:
        """Record the effects since the transaction's last statement."""
        unseen = self._statement(UNSEEN, self._line, transaction.look(self._catalog.newest_oid))
        if unseen.locks or unseen.rewrites or unseen.builds:
            self._statements.append(unseen)

    def _rehearse(self, execution: Execution) -> Effect | None:
        session = execution.session
        if execution.many:
            return None
        with closing(session.connection.cursor()) as cursor:
            cursor.execute("BEGIN")
            transaction = Transaction(session.connection)
            try:
                cursor.execute(execution.sql, execution.parameters)
                return self._looked(transaction, execution.sql)
            except session.error:
                return None
            finally:
                cursor.execute("ROLLBACK")

    def _looked(self, transaction: Transaction, sql: str) -> Effect:
        return transaction.look(self._catalog.newest_oid, sql)

    def _name_of(self, oid: str) -> str | None:
        name = self._catalog.name_of(oid)
        return None if name is None or is_table(name, self._version_table) else name

    def _commits(self, connection: Connection) -> None:
        session = Session.of(connection)
        if transaction := self._transactions.pop(session.key, None):
            with suppress(session.error):  # a failed transaction is rolled back instead
                self._add_unseen(transaction)

    def _rolls_back(self, connection: Connection) -> None:
        if not connection.invalidated:  # an interruption has closed the connection, and another error would hide it
            self._transactions.pop(Session.of(connection).key, None)


def _takes(statement: Statement, mode: str, table: str | None) -> bool:
    return statement.locks.get(table) == mode if table else "ADVISORY" in statement.sql.upper()


def _explains(statement: Statement, moved: Moved, table: str) -> bool:
    """Return whether a statement has rewritten the table or built its index, or may have done so without being measured."""
    if table in (statement.builds if moved.index else statement.rewrites):
        return True
    names = ("REINDEX", table.rpartition(".")[2], moved.index)
    return not statement.measured and any(name and name.upper() in statement.sql.upper() for name in names)
