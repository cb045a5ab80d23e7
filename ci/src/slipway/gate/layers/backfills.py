"""Backfills outside a transaction, batch by batch: a second run after an interruption must skip the finished rows.

So each statement is executed once more at the end of the revision, and rolled back.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.history import Node
from slipway.gate.measure.dbapi import rows_written, taken_back
from slipway.gate.measure.trace import is_autocommit, line_in

_UPDATES = re.compile(r"\A\s*(WITH\b.*\b)?(UPDATE|MERGE)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Backfill:
    """A statement that wrote rows outside a transaction, with its parameters in the driver's form."""

    sql: str
    parameters: Any
    line: int


@dataclass(frozen=True)
class Again:
    """The number of rows that the statement on a line wrote a second time."""

    line: int
    rows: int


@contextmanager
def noted(node: Node) -> Iterator[list[Backfill]]:
    """Record the backfills of a revision during the block, each once."""
    backfills: list[Backfill] = []

    def has_run(connection: Connection, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:  # noqa: FBT001 -- as SQLAlchemy calls it
        line = line_in(node.script.path)
        if line is None or many or not is_autocommit(connection) or not _UPDATES.match(sql):
            return
        if (backfill := Backfill(sql, parameters, line)) not in backfills:
            backfills.append(backfill)

    event.listen(Engine, "after_cursor_execute", has_run)
    try:
        yield backfills
    finally:
        event.remove(Engine, "after_cursor_execute", has_run)


def written_again(connection: Any, backfills: Sequence[Backfill]) -> Iterator[Again]:
    """Yield the first statement of each line that writes rows again."""
    repeated = set()
    for backfill in backfills:
        if backfill.line in repeated:
            continue
        with taken_back(connection):
            rows = rows_written(connection, backfill.sql, backfill.parameters)
        if rows > 0:
            repeated.add(backfill.line)
            yield Again(backfill.line, rows)
