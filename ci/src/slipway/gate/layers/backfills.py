"""Rows that a revision writes outside a transaction, batch by batch: run again after an interruption, it should leave alone what is done.

So each of its statements is executed once more when all is done, and taken back.
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
    """A statement that has written rows outside a transaction, with its parameters as the driver took them."""

    sql: str
    parameters: Any
    line: int


@dataclass(frozen=True)
class Again:
    """How many rows the statement on a line wrote again."""

    line: int
    rows: int


@contextmanager
def noted(node: Node) -> Iterator[list[Backfill]]:
    """Within this block the backfills of a revision are noted, each once."""
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
    """The first statement of each line that writes rows again."""
    told = set()
    for backfill in backfills:
        if backfill.line in told:
            continue
        with taken_back(connection):
            rows = rows_written(connection, backfill.sql, backfill.parameters)
        if rows > 0:
            told.add(backfill.line)
            yield Again(backfill.line, rows)
