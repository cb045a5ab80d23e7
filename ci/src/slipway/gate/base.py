"""A database that is only ever upgraded, revision by revision; whoever must begin in the middle of a history begins with a copy of it.

So a history of which many revisions fail costs no more than one more way through it, and not one for each failure.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL

from slipway.errors import RefusedError
from slipway.gate.databases import copy
from slipway.gate.ground import Ground
from slipway.gate.history import Node
from slipway.gate.measure.session import SESSION
from slipway.gate.steps import UP, run, step_of
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, Steps, sentence


class Stopped(BaseException):
    """An interruption of a revision; none catches it, as none catches the loss of power."""


class Base:
    """The database `url`, in which `done` of the revisions `nodes` have been run."""

    def __init__(self, environment: Environment, nodes: Sequence[Node], server: URL, url: URL, done: int) -> None:
        self._environment = environment
        self._nodes = nodes
        self._server = server
        self._url = url
        self._done = done

    @contextmanager
    def before(self, node: Node) -> Iterator[URL]:
        """A copy in which all revisions before this one have been run; raises RefusedError when one of them fails."""
        place = next(number for number, each in enumerate(self._nodes) if each.id == node.id)
        error = upgrade(self._environment, self._url, self._nodes[self._done : place])
        if error:
            raise RefusedError(f"what comes before {node.id} does not run", error)
        self._done = place
        with copy(self._server, self._url) as database:
            yield database


@contextmanager
def base(environment: Environment, nodes: Sequence[Node], ground: Ground) -> Iterator[Base]:
    """A base for a history, dropped at the end."""
    with ground.database() as url:
        yield Base(environment, nodes, ground.server, url, ground.old)


def upgrade(environment: Environment, database: URL, nodes: Sequence[Node]) -> str | None:
    """Run some revisions in a database; answers why that failed."""

    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        for node in nodes:
            yield step_of(environment, node, UP)

    return walk(environment, database, steps)


def walk(environment: Environment, database: URL, steps: Steps) -> str | None:
    """Run env.py in a database with these steps; answers why that failed."""
    with every_connection_to(database, SESSION):
        try:
            run(environment, steps, transaction_per_migration=True)
        except (Exception, SystemExit, Stopped) as error:  # noqa: BLE001 -- whatever a revision raises is an answer
            return sentence(error)
    return None
