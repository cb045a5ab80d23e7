"""Where a revision commits before its end: its statements outside a transaction, and the state that the database must have afterwards."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.history import Node
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.dbapi import literal, query
from slipway.gate.measure.trace import is_alone, line_in
from slipway.records.proof import Statement

Hook = Callable[[Connection, int], None]  # called with the connection and the line of the statement

_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indexrelid >= 16384 ORDER BY 1"
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')"""


def committing_statements(stairway: StairwayResult, node: Node) -> list[Statement]:
    """Return the statements of a revision outside a transaction."""
    return [statement for statement in stairway.steps[node.id].statements if not statement.transaction]


@contextmanager
def at(node: Node, number: int, *, before: Hook | None = None, after: Hook | None = None) -> Iterator[None]:
    """Call hooks around the revision's statement outside a transaction number `number`, from 0, during the block."""
    done, commits = 0, False

    def about_to_run(connection: Connection, *_: Any) -> None:
        nonlocal commits
        line = line_in(node.script.path)
        commits = line is not None and is_alone(connection)
        if before and line is not None and commits and done == number:
            before(connection, line)

    def has_run(connection: Connection, *_: Any) -> None:
        nonlocal done
        line = line_in(node.script.path)
        if line is None or not commits:
            return
        done += 1
        if after and done == number + 1:
            after(connection, line)

    event.listen(Engine, "before_cursor_execute", about_to_run)
    event.listen(Engine, "after_cursor_execute", has_run)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", about_to_run)
        event.remove(Engine, "after_cursor_execute", has_run)


@dataclass(frozen=True)
class DatabaseState:
    """The fingerprint of a database's catalog, its invalid indexes and the number of rows of each table."""

    fingerprint: str
    invalid: tuple[str, ...]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, connection: Connection) -> "DatabaseState":
        dbapi = connection.connection
        invalid = tuple(name for (name,) in query(dbapi, _INVALID))
        counts = " UNION ALL ".join(f"SELECT {literal(table)}, count(*) FROM {table}" for table in tables(connection))
        return cls(
            Catalog(dbapi).fingerprint,
            invalid,
            {table: int(count) for table, count in query(dbapi, counts)} if counts else {},
        )

    def difference(self, expected: "DatabaseState") -> str:
        """Describe the first difference to the expected state; empty when there is none."""
        if invalid := self.invalid_beside(expected):
            return f"{', '.join(invalid)} is not valid"
        if self.fingerprint != expected.fingerprint:
            return "it ends in another schema"
        for table, count in self.counts.items():
            if count != expected.counts.get(table):
                return f"{table} has {count} rows and not {expected.counts.get(table)}"
        return ""

    def invalid_beside(self, expected: "DatabaseState") -> tuple[str, ...]:
        """Return the invalid indexes that are valid in the expected state."""
        return tuple(name for name in self.invalid if name not in expected.invalid)


def tables(connection: Connection) -> list[str]:
    """Return every table by its name in SQL."""
    return [name for (name,) in query(connection.connection, _TABLES)]
