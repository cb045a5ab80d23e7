"""Backfills that start over, and loops that write all rows of a table in parts within one transaction.

Backfills run outside of a transaction, batch by batch. After an interruption, a second run must skip the finished rows.
So the gate executes each statement once more at the end of the revision, and rolls it back.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from alembic import op

from slipway.gate.history import Node
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import driver_of, rows_written, taken_back, written_by_transaction
from slipway.gate.measure.statements import Execution, watching
from slipway.gate.names import is_table

_UPDATES = re.compile(r"\A\s*(WITH\b.*\b)?(UPDATE|MERGE)\b", re.IGNORECASE | re.DOTALL)
_ONE_TABLE = re.compile(r'\A\s*UPDATE\s+(?:ONLY\s+)?(?P<table>[\w."]+)', re.IGNORECASE)


@dataclass(frozen=True)
class Backfill:
    """A statement that wrote rows outside of a transaction, with its parameters in the driver's form."""

    sql: str
    parameters: Any
    line: int


@dataclass(frozen=True)
class RepeatedWrite:
    """The number of rows that the statement on a line wrote a second time."""

    line: int
    rows: int


@contextmanager
def recording_backfills(node: Node) -> Iterator[list[Backfill]]:
    """Record the backfills of a revision during the block, each once."""
    backfills: list[Backfill] = []

    def has_run(execution: Execution) -> None:
        line = line_in(node.script.path)
        if line is None or execution.many or not execution.session.autocommit or not _UPDATES.match(execution.sql):
            return
        if (backfill := Backfill(execution.sql, execution.parameters, line)) not in backfills:
            backfills.append(backfill)

    with watching(after=has_run):
        yield backfills


def repeated_writes(connection: Any, backfills: Sequence[Backfill]) -> Iterator[RepeatedWrite]:
    """Yield the first statement of each line that writes rows again."""
    repeated = set()
    for backfill in backfills:
        if backfill.line in repeated:
            continue
        with taken_back(connection):
            rows = rows_written(connection, backfill.sql, backfill.parameters)
        if rows > 0:
            repeated.add(backfill.line)
            yield RepeatedWrite(backfill.line, rows)


@dataclass(frozen=True)
class Loop:
    """The statement on a line that wrote all rows of a table in parts, in one transaction."""

    line: int
    table: str
    rows: int
    words: str


@contextmanager
def recording_loops(node: Node, filled: Mapping[str, int], loops: list[Loop]) -> Iterator[None]:
    """Record the lines on which alembic's session writes all rows of a table in parts.

    `filled` has the number of rows of each table.
    Statements that match no row do not count, because a revision may loop over a list of its own.
    """
    written: Counter[tuple[int, str]] = Counter()
    before = 0

    def begin(execution: Execution) -> None:
        nonlocal before
        if _UPDATES.match(execution.sql) and line_in(node.script.path):
            before = written_by_transaction(execution.session.connection)

    def end(execution: Execution) -> None:
        line, match = line_in(node.script.path), _ONE_TABLE.match(execution.sql)
        if line is None or match is None or execution.session.is_alone or _is_another(execution):
            return
        rows = written_by_transaction(execution.session.connection) - before
        table = next((name for name in filled if is_table(name, match["table"])), "")
        written[line, table] += rows
        if rows and filled.get(table, 0) > 1 and written[line, table] == filled[table]:
            in_parts = " one by one" if execution.many or rows == 1 else ""
            loops.append(Loop(line, table, filled[table], f"writes all {filled[table]} rows of {table}{in_parts}"))

    with watching(before=begin, after=end):
        yield


def _is_another(execution: Execution) -> bool:
    """Return whether the session is not alembic's. A revision's own session may commit each row."""
    connection = op.get_context().connection
    return connection is None or connection.closed or execution.session.key is not driver_of(connection.connection)
