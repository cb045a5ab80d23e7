"""Two runners at once: a second one meets the same revision while the first is on its way.

What is one transaction, alembic's own table settles: one of them fails and leaves nothing. So the first is held up after each statement outside a
transaction until the second has run the whole revision, or waits for it, as for a lock that env.py takes.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.gate.base import Base, upgrade, walk
from slipway.gate.forks import Fork
from slipway.gate.history import History, Node
from slipway.gate.layers.looks import look
from slipway.gate.layers.places import alone, at
from slipway.gate.layers.stairway import Climb
from slipway.gate.steps import UP, step_of
from slipway.migration.database import elsewhere, with_connection
from slipway.migration.environment import Environment

_MOST_PER_REVISION = 6
_PATIENCE_SECONDS = 5.0  # with a second runner that neither ends nor waits for a lock
_GLANCE_SECONDS = 0.01
_WAITS = text(
    "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"
)


@dataclass(frozen=True)
class Encounter:
    """Two runners who met after the statement on a line.

    - otherwise: in what the database is other than after one runner, in words. first, second: why each failed, or None.
    """

    line: int
    otherwise: str
    first: str | None
    second: str | None


def encounters(
    environment: Environment, history: History, climb: Climb, node: Node, below: Base
) -> Iterator[Encounter]:
    """What came of each meeting of two runners."""
    places = range(len(alone(climb, node)))[:_MOST_PER_REVISION]
    if not places:
        return
    with below.before(node) as database:
        upgrade(environment, database, [node])
        wanted = with_connection(database, look)
    for number in places:
        with below.before(node) as database:
            met, first, second = _meet(environment, history, node, number, database)
            if not met:
                continue
            left = with_connection(database, look)
            unrecorded = "" if _is_recorded(environment, history, node, database) else "the revision is not recorded"
            yield Encounter(met[0], left.otherwise(wanted) or unrecorded, first, second)


def _meet(
    environment: Environment, history: History, node: Node, number: int, database: URL
) -> tuple[Sequence[int], str | None, str | None]:
    """Run a revision, and run it a second time while the first is held up; answers where that was, and why each failed."""
    met: list[int] = []
    go = multiprocessing.get_context("fork").Event()

    def run_when_told() -> str | None:
        go.wait()
        return _run(environment, history, node, database)

    second = Fork(run_when_told, "a second runner")

    def let_it_pass(_connection: Connection, line: int) -> None:
        met.append(line)
        go.set()
        for _ in range(int(_PATIENCE_SECONDS / _GLANCE_SECONDS)):
            if second.is_done(_GLANCE_SECONDS) or elsewhere(database, lambda there: there.scalar(_WAITS)):
                break

    try:
        with at(node, number, after=let_it_pass):
            first = _run(environment, history, node, database)
        return met, first, second.result() if met else None
    finally:
        second.stop()


def _run(environment: Environment, history: History, node: Node, database: URL) -> str | None:
    """Run a revision where it has not been run, as alembic's own upgrade does; answers why that failed."""

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
