"""How a revision's time grows with rows: it is run with two counts of them in the tables that it works through.

A forecast and never a verdict: milliseconds of this machine, each beside the rows that it was measured at.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.base import Base, upgrade
from slipway.gate.history import Node
from slipway.gate.layers import crowds
from slipway.gate.measure.trace import line_in
from slipway.migration.database import with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Growth, Statement

ROWS = (1_000, 20_000)


def worked_through(statements: Sequence[Statement]) -> dict[int, tuple[str, ...]]:
    """The tables that a revision reads or writes whole, by line."""
    by_line: dict[int, dict[str, None]] = {}
    for each in statements:
        if each.line and (tables := (*each.rewrites, *each.builds, *each.scans)):
            by_line.setdefault(each.line, {}).update(dict.fromkeys(tables))
    return {line: tuple(tables) for line, tables in by_line.items()}


def grow(
    environment: Environment, node: Node, statements: Sequence[Statement], below: Base
) -> tuple[Growth, ...] | str:
    """The growth by line, or why there is none."""
    wanted = worked_through(statements)
    names = list(dict.fromkeys(name for tables in wanted.values() for name in tables))
    measured = []
    for rows in ROWS:
        with below.before(node) as database:
            refused = with_connection(database, lambda there, rows=rows: crowds.fill(there.connection, names, rows))  # type: ignore[misc]
            if refused:
                return refused
            with _clock(node) as spent:
                failure = upgrade(environment, database, [node])
            if failure:
                return failure
            measured.append(spent)
    return tuple(
        Growth(line, tables, ROWS, tuple(round(spent[line], 3) for spent in measured))
        for line, tables in wanted.items()
    )


@contextmanager
def _clock(node: Node) -> Iterator[Counter[int]]:
    """The milliseconds that the statements of a revision take, by line."""
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
