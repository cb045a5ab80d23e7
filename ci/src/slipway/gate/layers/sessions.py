"""Sessions beside a revision: sessions that wait behind it, and a second runner that starts the same revision.

For the lock queue, a transaction has written to the table that the revision locks last. The revision therefore waits
while it holds its earlier locks. Waiting is read from the table of locks instead of a clock. Then the transaction
writes to another of these tables, as an application's transaction may, to provoke a deadlock.
When both runners use one transaction, alembic's own table decides: one fails and leaves no change. So the first runner
is paused after each statement outside of a transaction. It continues when the second one has run the whole revision, or
waits for the first, for example for a lock that env.py acquires.
"""

import multiprocessing
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.forks import Fork
from slipway.gate.history import Node
from slipway.gate.layers.interruption import DatabaseState, at, uninterrupted
from slipway.gate.layers.queries import Query, executed
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.measure.session import query
from slipway.gate.measure.statements import Session
from slipway.gate.steps import UP, Replica, step_of, upgrade, walk
from slipway.migration.database import elsewhere, sqlstate, with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Queue, Statement

_LOCK_POLL_SECONDS = 0.002
_A_WAIT = "SET lock_timeout = '10ms'"  # a longer wait means a wait for our locks, because no other session exists
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
# pg_locks is current in every statement, but pg_stat_activity is read once per transaction.
_REVISION_WAITS = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)
_MOST_PER_REVISION = 6
_TIMEOUT_SECONDS = 5.0  # for a second runner that neither ends nor waits for a lock
_POLL_SECONDS = 0.01
_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


def locked_tables(statements: Sequence[Statement]) -> list[str]:
    """Return the tables that a revision locks against writers or readers, in its order."""
    tables = [table for each in statements for table, mode in each.locks.items() if mode in BLOCKING]
    return list(dict.fromkeys(tables))


def queue(
    environment: Environment, node: Node, tables: Sequence[str], queries: Sequence[Query], database: URL
) -> Queue | None:
    """Run a revision behind a transaction that has written to the table that the revision locks last.

    Return None when it did not wait.
    """
    transaction = _OpenTransaction(database, tables, queries)
    with transaction.open():
        upgrade(environment, database, [node])
    return transaction.queue


class _OpenTransaction:
    """An application's transaction, in its own thread and session, that has written to the last of `tables`."""

    def __init__(self, database: URL, tables: Sequence[str], queries: Sequence[Query]) -> None:
        self._database = database
        self._tables = tables
        self._queries = queries
        self._ready, self._over = threading.Event(), threading.Event()
        self.queue: Queue | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the transaction open during the block, at most until another session has waited for it."""
        thread = threading.Thread(target=self._run, name="an open transaction", daemon=True)
        thread.start()
        self._ready.wait()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        try:
            with_connection(self._database, self._block)
        except DBAPIError:  # the table is not writable, or does not exist before the revision
            self.queue = None
        finally:
            self._ready.set()

    def _block(self, connection: Connection) -> None:
        with suppress(DBAPIError):  # superusers only; for others, Postgres checks for deadlocks after a second
            connection.exec_driver_sql("SET deadlock_timeout = '10ms'")
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"LOCK TABLE {self._tables[-1]} IN ROW EXCLUSIVE MODE")
        self._ready.set()
        while not self._over.wait(_LOCK_POLL_SECONDS):
            # This avoids SQLAlchemy, which reads listeners, while env.py may add some at the same time.
            if query(connection.connection, _REVISION_WAITS)[0][0]:
                queue = elsewhere(self._database, self._waiting)
                self.queue = replace(queue, deadlock=self._deadlock(connection, queue.writers))
                break
        connection.exec_driver_sql("ROLLBACK")

    def _waiting(self, connection: Connection) -> Queue:
        """Find the tables and statements whose sessions wait while the revision waits."""
        connection.exec_driver_sql(_A_WAIT)
        return Queue(
            behind=self._tables[-1],
            readers=tuple(table for table in self._tables if _waits(connection, f"SELECT FROM {table} LIMIT 0")),
            writers=tuple(table for table in self._tables if _waits(connection, f"DELETE FROM {table} WHERE false")),
            statements=tuple(each.origin for each in self._queries if _waits(connection, each.sql)),
        )

    def _deadlock(self, connection: Connection, held: Collection[str]) -> str:
        """Write to the tables that the revision has locked.

        Return the table at which Postgres detects a deadlock, or ''.
        """
        for table in self._tables[:-1]:
            if table in held:
                try:
                    connection.exec_driver_sql(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
                except DBAPIError as error:
                    return table if sqlstate(error) == _DEADLOCK else ""
        return ""


def _waits(connection: Connection, sql: str) -> bool:
    connection.exec_driver_sql("BEGIN")
    try:
        executed(connection, sql)
    except DBAPIError as error:
        return sqlstate(error) == _LOCK_NOT_AVAILABLE
    finally:
        connection.exec_driver_sql("ROLLBACK")
    return False


@dataclass(frozen=True)
class Encounter:
    """A second runner that started after a statement of the first."""

    line: int  # the line of that statement
    otherwise: str  # the difference from the result of a single runner, in words
    first: str | None  # the error of the first runner, or None
    second: str | None


def encounters(node: Node, steps: Steps, source: Replica) -> Iterator[Encounter]:
    """Yield the result of a second runner at each interruption point, as many as time allows."""
    points = range(len(steps.committing))[: max(0, steps.runs(2 * _MOST_PER_REVISION + 1) - 1) // 2]
    if not points:
        return
    expected = uninterrupted(node, source)
    for number in points:
        with source.before(node) as database:
            met, first, second = _meet(node, number, source, database)
            if not met:
                continue
            state = with_connection(database, DatabaseState.of)
            unrecorded = "" if _is_recorded(node, source, database) else "the revision is not recorded"
            yield Encounter(met[0], state.difference(expected) or unrecorded, first, second)


def _meet(node: Node, number: int, source: Replica, database: URL) -> tuple[Sequence[int], str | None, str | None]:
    """Run a revision twice at the same time, with the first paused at a point.

    Return the lines of that point and both errors.
    """
    met: list[int] = []
    go = multiprocessing.get_context("fork").Event()

    def run_second() -> str | None:
        go.wait()
        return _run(node, source, database)

    second = Fork(run_second, "a second runner")

    def pause(_session: Session, line: int) -> None:
        met.append(line)
        go.set()
        for _ in range(int(_TIMEOUT_SECONDS / _POLL_SECONDS)):
            if second.is_done(_POLL_SECONDS) or elsewhere(database, lambda connection: connection.scalar(_WAITS)):
                break

    try:
        with at(node, number, after=pause):
            first = _run(node, source, database)
        return met, first, second.result() if met else None
    finally:
        second.stop()


def _run(node: Node, source: Replica, database: URL) -> str | None:
    """Run a revision unless it is already recorded, as alembic's own upgrade does. Return the error, or None."""

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        if node.id not in source.history.upto(heads):
            yield step_of(source.environment, node, UP)

    return walk(source.environment, database, steps)


def _is_recorded(node: Node, source: Replica, database: URL) -> bool:
    recorded: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        recorded.extend(heads)
        yield from ()

    walk(source.environment, database, steps)
    return node.id in source.history.upto(recorded)
