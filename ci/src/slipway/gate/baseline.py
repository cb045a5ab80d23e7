"""Starting points for layers: the state before the first new revision, or before any one of them.

A replica is only ever upgraded, and layers that start in the middle of a history copy it. So a history with many failing revisions costs one
more pass, not one for each failure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL

from slipway.errors import RefusedError
from slipway.gate.databases import copy, fresh
from slipway.gate.history import Node
from slipway.gate.measure.dbapi import SESSION
from slipway.gate.steps import UP, run, step_of
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, Steps, sentence


class Interrupted(BaseException):
    """An interruption of a revision; like a power failure, no revision catches it."""


@dataclass(frozen=True)
class Baseline:
    """A server, the extensions that revisions need, and a template database after the first `old` revisions, if any."""

    server: URL
    extensions: tuple[str, ...]
    template: URL | None = None
    old: int = 0

    @contextmanager
    def database(self) -> Iterator[URL]:
        """Create a database in this state for the block; raises BadInputError."""
        with copy(self.server, self.template) if self.template else fresh(self.server, self.extensions) as url:
            yield url


class Replica:
    """The database `url`, in which the first `done` of the revisions `nodes` were run."""

    def __init__(self, environment: Environment, nodes: Sequence[Node], baseline: Baseline, url: URL) -> None:
        self._environment = environment
        self._nodes = nodes
        self._server = baseline.server
        self._url = url
        self._done = baseline.old

    @contextmanager
    def before(self, node: Node) -> Iterator[URL]:
        """Copy the state before a revision for the block; raises RefusedError when an earlier one fails."""
        place = next(number for number, each in enumerate(self._nodes) if each.id == node.id)
        error = upgrade(self._environment, self._url, self._nodes[self._done : place])
        if error:
            raise RefusedError(f"the revisions before {node.id} do not run", error)
        self._done = place
        with copy(self._server, self._url) as database:
            yield database


@contextmanager
def replica(environment: Environment, nodes: Sequence[Node], baseline: Baseline) -> Iterator[Replica]:
    """Create a replica of a history for the block."""
    with baseline.database() as url:
        yield Replica(environment, nodes, baseline, url)


def upgrade(environment: Environment, database: URL, nodes: Sequence[Node]) -> str | None:
    """Run some revisions in a database; return the error in one line, or None."""

    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        for node in nodes:
            yield step_of(environment, node, UP)

    return walk(environment, database, steps)


def walk(environment: Environment, database: URL, steps: Steps) -> str | None:
    """Run env.py with these steps in a database; return the error in one line, or None."""
    with every_connection_to(database, SESSION):
        try:
            run(environment, steps, transaction_per_migration=True)
        except (Exception, SystemExit, Interrupted) as error:  # noqa: BLE001 -- any error of a revision is a result
            return sentence(error)
    return None
