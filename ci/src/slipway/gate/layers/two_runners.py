"""Two runners at once: the second one starts the same revision while the first is inside it.

Within one transaction alembic's own table decides: one runner fails and leaves nothing. So the first is paused after each statement outside a
transaction until the second has run the whole revision, or waits for the first, as for a lock that env.py acquires.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.gate.baseline import Replica, upgrade, walk
from slipway.gate.forks import Fork
from slipway.gate.history import History, Node
from slipway.gate.layers.interruption_points import DatabaseState, at, committing_statements
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.steps import UP, step_of
from slipway.migration.database import elsewhere, with_connection
from slipway.migration.environment import Environment

_MOST_PER_REVISION = 6
_PATIENCE_SECONDS = 5.0  # for a second runner that neither ends nor waits for a lock
_POLL_SECONDS = 0.01
_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


@dataclass(frozen=True)
class Encounter:
    """A second runner that started after a statement of the first."""

    line: int  # of that statement
    otherwise: str  # the difference to the result of one runner, in words
    first: str | None  # the error of the first runner, or None
    second: str | None


def encounters(
    environment: Environment, history: History, stairway: StairwayResult, node: Node, source: Replica
) -> Iterator[Encounter]:
    """Yield the result of a second runner at each interruption point."""
    points = range(len(committing_statements(stairway, node)))[:_MOST_PER_REVISION]
    if not points:
        return
    with source.before(node) as database:
        upgrade(environment, database, [node])
        expected = with_connection(database, DatabaseState.of)
    for number in points:
        with source.before(node) as database:
            met, first, second = _meet(environment, history, node, number, database)
            if not met:
                continue
            state = with_connection(database, DatabaseState.of)
            unrecorded = "" if _is_recorded(environment, history, node, database) else "the revision is not recorded"
            yield Encounter(met[0], state.difference(expected) or unrecorded, first, second)


def _meet(
    environment: Environment, history: History, node: Node, number: int, database: URL
) -> tuple[Sequence[int], str | None, str | None]:
    """Run a revision twice at once, the first paused at a point; return the line of the point and both errors."""
    met: list[int] = []
    go = multiprocessing.get_context("fork").Event()

    def run_second() -> str | None:
        go.wait()
        return _run(environment, history, node, database)

    second = Fork(run_second, "a second runner")

    def pause(_connection: Connection, line: int) -> None:
        met.append(line)
        go.set()
        for _ in range(int(_PATIENCE_SECONDS / _POLL_SECONDS)):
            if second.is_done(_POLL_SECONDS) or elsewhere(database, lambda connection: connection.scalar(_WAITS)):
                break

    try:
        with at(node, number, after=pause):
            first = _run(environment, history, node, database)
        return met, first, second.result() if met else None
    finally:
        second.stop()


def _run(environment: Environment, history: History, node: Node, database: URL) -> str | None:
    """Run a revision unless it is recorded, as alembic's own upgrade does; return the error, or None."""

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        if node.id not in history.upto(heads):
            yield step_of(environment, node, UP)

    return walk(environment, database, steps)


def _is_recorded(environment: Environment, history: History, node: Node, database: URL) -> bool:
    recorded: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        recorded.extend(heads)
        yield from ()

    walk(environment, database, steps)
    return node.id in history.upto(recorded)
