"""Roles belong to the server and not to a database: those that revisions create are dropped with the database in which they ran.

Databases of the gate stand side by side, and other gates may be on the same server. So only one of them at a time has roles of its own: the others
wait before the statement, until that one is gone.
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from slipway.gate.deadline import unlimited
from slipway.gate.measure.dbapi import query
from slipway.migration.database import held, with_connection

_CREATES: Final = re.compile(r"\bCREATE\s+(ROLE|USER|GROUP)\s+(?!MAPPING\b)", re.IGNORECASE)
_TURN: Final = zlib.crc32(b"slipway: one database with roles at a time")
_ROLES: Final = "SELECT quote_ident(rolname) FROM pg_roles"


class _Process:
    """A process takes its turn once, though its databases may be copies of each other."""

    has_turn = False


@contextmanager
def dropped_at_the_end(server: URL, database: str) -> Iterator[None]:
    """Within this block the roles that are created from `database` are noted; at its end, when the database is gone, they are dropped."""
    there: set[str] = set()
    made: set[str] = set()
    turn = ExitStack()

    def creates(connection: Connection, sql: str) -> bool:
        return (
            bool(_CREATES.search(sql)) and query(connection.connection, "SELECT current_database()")[0][0] == database
        )

    def before(connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        if creates(connection, sql):
            if not _Process.has_turn:
                turn.enter_context(_turn(server))
            there.update(_roles(connection))

    def after(connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        if creates(connection, sql):
            made.update(_roles(connection) - there)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    try:
        with turn, _dropping(server, made):
            yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)


@contextmanager
def _dropping(server: URL, roles: set[str]) -> Iterator[None]:
    try:
        yield
    finally:
        if roles:
            with_connection(server, lambda connection: _drop(connection, roles))


@contextmanager
def _turn(server: URL) -> Iterator[None]:
    with ExitStack() as lock:
        with unlimited():
            lock.enter_context(held(server, _take_turn, "the turn to have roles", directly=True))
        _Process.has_turn = True
        try:
            yield
        finally:
            _Process.has_turn = False


def _take_turn(connection: Connection) -> None:
    connection.execute(text(f"SELECT pg_advisory_lock({_TURN})"))


def _roles(connection: Connection) -> set[str]:
    return {name for (name,) in query(connection.connection, _ROLES)}


def _drop(connection: Connection, roles: set[str]) -> None:
    for role in sorted(roles):
        with suppress(DBAPIError):  # somebody has used it for something else meanwhile
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
