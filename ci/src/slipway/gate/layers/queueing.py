"""Who waits behind a revision while a transaction that is still open stands in its way.

It has written to the table that the revision locks last, so the revision waits with all in hand that it has locked before. Told by what waits for a
lock, and never by the clock; then the transaction goes on to another of these tables, as an application's may.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.base import upgrade
from slipway.gate.history import Node
from slipway.gate.layers.compatibility import Phrase
from slipway.gate.measure.locks import BLOCKING
from slipway.migration.database import elsewhere, sqlstate, with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Queue, Statement

_GLANCE_SECONDS = 0.002
_A_WAIT = "SET lock_timeout = '10ms'"  # what waits so long waits for us: nobody else is there
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"
# pg_locks is looked at anew each time, pg_stat_activity once in a transaction.
_REVISION_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)


def locked(statements: Sequence[Statement]) -> list[str]:
    """The tables that a revision locks against writers or readers, in the order in which it does."""
    found = [table for each in statements for table, mode in each.locks.items() if mode in BLOCKING]
    return list(dict.fromkeys(found))


def queue(
    environment: Environment, node: Node, tables: Sequence[str], said: Sequence[Phrase], database: URL
) -> Queue | None:
    """Run a revision behind such a transaction; None when it did not have to wait."""
    transaction = _Transaction(database, tables, said)
    with transaction.open():
        upgrade(environment, database, [node])
    return transaction.seen


class _Transaction:
    """An application's transaction that has written to the last of `tables`, on a connection and in a thread of its own."""

    def __init__(self, database: URL, tables: Sequence[str], said: Sequence[Phrase]) -> None:
        self._database = database
        self._tables = tables
        self._said = said
        self._ready, self._over = threading.Event(), threading.Event()
        self.seen: Queue | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Within this block it is open, until somebody has waited for it."""
        thread = threading.Thread(target=self._run, name="a transaction that is still open", daemon=True)
        thread.start()
        self._ready.wait()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        try:
            with_connection(self._database, self._stand)
        except DBAPIError:  # a table of which it cannot write, or one that is not there before the revision
            self.seen = None
        finally:
            self._ready.set()

    def _stand(self, connection: Connection) -> None:
        with suppress(DBAPIError):  # for superusers only; others wait a second until Postgres looks
            connection.exec_driver_sql("SET deadlock_timeout = '10ms'")
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"LOCK TABLE {self._tables[-1]} IN ROW EXCLUSIVE MODE")
        self._ready.set()
        while not self._over.wait(_GLANCE_SECONDS):
            if connection.scalar(_REVISION_WAITS):
                seen = elsewhere(self._database, self._look_around)
                self.seen = replace(seen, deadlock=self._go_on(connection, seen.writers))
                break
        connection.exec_driver_sql("ROLLBACK")

    def _look_around(self, connection: Connection) -> Queue:
        """Who waits while the revision does."""
        connection.exec_driver_sql(_A_WAIT)
        return Queue(
            behind=self._tables[-1],
            readers=tuple(table for table in self._tables if _waits(connection, f"SELECT FROM {table} LIMIT 0")),
            writers=tuple(table for table in self._tables if _waits(connection, f"DELETE FROM {table} WHERE false")),
            said=tuple(each.origin for each in self._said if _waits(connection, each.sql)),
        )

    def _go_on(self, connection: Connection, held: Collection[str]) -> str:
        """Write to what the revision holds, too; answers the table at which Postgres had to stop one of the two, or nothing."""
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
