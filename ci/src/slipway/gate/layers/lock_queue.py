"""The lock queue: which sessions wait behind a revision while it waits for an open transaction.

The transaction has written to the table that the revision locks last, so the revision waits while holding its earlier locks. Waiting is read from
the lock table, never from a clock. Then the transaction writes to another of these tables, as an application's may, to provoke a deadlock.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.baseline import upgrade
from slipway.gate.history import Node
from slipway.gate.layers.compatibility import Phrase
from slipway.gate.measure.locks import BLOCKING
from slipway.migration.database import elsewhere, sqlstate, with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Queue, Statement

_POLL_SECONDS = 0.002
_A_WAIT = "SET lock_timeout = '10ms'"  # a longer wait is for us: no other session exists
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
# pg_locks is current in every statement; pg_stat_activity is read once per transaction.
_REVISION_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)


def locked_tables(statements: Sequence[Statement]) -> list[str]:
    """Return the tables that a revision locks against writers or readers, in its order."""
    tables = [table for each in statements for table, mode in each.locks.items() if mode in BLOCKING]
    return list(dict.fromkeys(tables))


def queue(
    environment: Environment, node: Node, tables: Sequence[str], phrases: Sequence[Phrase], database: URL
) -> Queue | None:
    """Run a revision behind such a transaction; return None when it did not wait."""
    transaction = _OpenTransaction(database, tables, phrases)
    with transaction.open():
        upgrade(environment, database, [node])
    return transaction.queue


class _OpenTransaction:
    """An application's transaction that has written to the last of `tables`, in its own thread and session."""

    def __init__(self, database: URL, tables: Sequence[str], phrases: Sequence[Phrase]) -> None:
        self._database = database
        self._tables = tables
        self._phrases = phrases
        self._ready, self._over = threading.Event(), threading.Event()
        self.queue: Queue | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep it open during the block, until a session has waited for it."""
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
        except DBAPIError:  # a table that it cannot write, or that does not exist before the revision
            self.queue = None
        finally:
            self._ready.set()

    def _block(self, connection: Connection) -> None:
        with suppress(DBAPIError):  # superusers only; others wait a second until Postgres checks
            connection.exec_driver_sql("SET deadlock_timeout = '10ms'")
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"LOCK TABLE {self._tables[-1]} IN ROW EXCLUSIVE MODE")
        self._ready.set()
        while not self._over.wait(_POLL_SECONDS):
            if connection.scalar(_REVISION_WAITS):
                queue = elsewhere(self._database, self._waiting)
                self.queue = replace(queue, deadlock=self._deadlock(connection, queue.writers))
                break
        connection.exec_driver_sql("ROLLBACK")

    def _waiting(self, connection: Connection) -> Queue:
        """Find the statements that wait while the revision does."""
        connection.exec_driver_sql(_A_WAIT)
        return Queue(
            behind=self._tables[-1],
            readers=tuple(table for table in self._tables if _waits(connection, f"SELECT FROM {table} LIMIT 0")),
            writers=tuple(table for table in self._tables if _waits(connection, f"DELETE FROM {table} WHERE false")),
            said=tuple(each.origin for each in self._phrases if _waits(connection, each.sql)),
        )

    def _deadlock(self, connection: Connection, held: Collection[str]) -> str:
        """Write to the tables that the revision holds; return the one at which Postgres detects a deadlock, or ''."""
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
        connection.exec_driver_sql(sql)
    except DBAPIError as error:
        return sqlstate(error) == _LOCK_NOT_AVAILABLE
    finally:
        connection.exec_driver_sql("ROLLBACK")
    return False
