"""The places where a revision commits on its way: the statements that it runs outside a transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.history import Node
from slipway.gate.layers.stairway import Climb
from slipway.gate.measure.trace import is_alone, line_in
from slipway.records.proof import Statement

# Called with the connection and the line of the statement.
Call = Callable[[Connection, int], None]


def alone(climb: Climb, node: Node) -> list[Statement]:
    """The statements of a revision outside a transaction."""
    return [statement for statement in climb.steps[node.id].statements if not statement.transaction]


@contextmanager
def at(node: Node, number: int, *, before: Call | None = None, after: Call | None = None) -> Iterator[None]:
    """Within this block, call these before and after the statement number `number`, from 0, that the revision runs outside a transaction."""
    done, stands_alone = 0, False

    def about_to_run(connection: Connection, *_: Any) -> None:
        nonlocal stands_alone
        line = line_in(node.script.path)
        stands_alone = line is not None and is_alone(connection)
        if before and line is not None and stands_alone and done == number:
            before(connection, line)

    def has_run(connection: Connection, *_: Any) -> None:
        nonlocal done
        line = line_in(node.script.path)
        if line is None or not stands_alone:
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
