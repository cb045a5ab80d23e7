"""The growth of a revision's time with rows: it runs with two row counts in the tables that it reads or writes whole.

It is a forecast, never a verdict: milliseconds on this machine, each with its row count.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.baseline import Replica, upgrade
from slipway.gate.history import Node
from slipway.gate.layers import bulk_rows
from slipway.gate.measure.trace import line_in
from slipway.migration.database import with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Growth, Statement

ROWS = (1_000, 20_000)


def processed_tables(statements: Sequence[Statement]) -> dict[int, tuple[str, ...]]:
    """Return the tables that a revision reads or writes whole, by line."""
    by_line: dict[int, dict[str, None]] = {}
    for each in statements:
        if each.line and (tables := (*each.rewrites, *each.builds, *each.scans)):
            by_line.setdefault(each.line, {}).update(dict.fromkeys(tables))
    return {line: tuple(tables) for line, tables in by_line.items()}


def grow(
    environment: Environment, node: Node, statements: Sequence[Statement], source: Replica
) -> tuple[Growth, ...] | str:
    """Measure the growth by line; return the reason when that is not possible."""
    processed = processed_tables(statements)
    names = list(dict.fromkeys(name for tables in processed.values() for name in tables))
    measured = []
    for rows in ROWS:
        with source.before(node) as database:
            refused = with_connection(database, partial(_fill, names, rows))
            if refused:
                return refused
            with _clock(node) as spent:
                failure = upgrade(environment, database, [node])
            if failure:
                return failure
            measured.append(spent)
    return tuple(
        Growth(line, tables, ROWS, tuple(round(spent[line], 3) for spent in measured))
        for line, tables in processed.items()
    )


def _fill(names: Sequence[str], rows: int, connection: Connection) -> str | None:
    return bulk_rows.fill(connection.connection, names, rows)


@contextmanager
def _clock(node: Node) -> Iterator[Counter[int]]:
    """Count the milliseconds of a revision's statements by line during the block."""
    spent: Counter[int] = Counter()
    started = 0.0

    def begin(*_: Any) -> None:
        nonlocal started
        started = time.perf_counter()

    def end(_connection: Connection, *_: Any) -> None:
        if line := line_in(node.script.path):
            spent[line] += (time.perf_counter() - started) * 1000  # type: ignore[assignment]

    event.listen(Engine, "before_cursor_execute", begin)
    event.listen(Engine, "after_cursor_execute", end)
    try:
        yield spent
    finally:
        event.remove(Engine, "before_cursor_execute", begin)
        event.remove(Engine, "after_cursor_execute", end)
