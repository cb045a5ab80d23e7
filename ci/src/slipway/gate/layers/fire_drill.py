"""What a new revision does to those who work meanwhile: who waits behind it, what a second runner makes of it, how long it takes on many rows.

Each is tried on a copy of the database as it is before the revision. It is for a change, not for a history: with many new revisions it is not held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from slipway.errors import RefusedError
from slipway.gate import forks
from slipway.gate.base import Base, base
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.layers.compatibility import Phrase
from slipway.gate.layers.growth import grow, worked_through
from slipway.gate.layers.places import alone
from slipway.gate.layers.queueing import locked, queue
from slipway.gate.layers.stairway import Climb
from slipway.gate.layers.two_runners import Encounter, encounters
from slipway.gate.steps import UP
from slipway.migration.environment import Environment
from slipway.records.proof import Growth, Queue

_MOST_REVISIONS = 12


@dataclass
class Drill:
    """What came of one revision's drill."""

    queue: Queue | None = None
    encounters: tuple[Encounter, ...] = ()
    growth: tuple[Growth, ...] = ()


@dataclass
class Drilled:
    """The drills by revision; `gaps` are sentences."""

    revisions: dict[str, Drill] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


class FireDrill:
    """The drills of a history that was climbed before; `said` is what the previous release says."""

    def __init__(self, history: History, environment: Environment, climb: Climb, said: Sequence[Phrase]) -> None:
        self._history = history
        self._environment = environment
        self._climb = climb
        self._said = said

    def hold(self, ground: Ground) -> Drilled:
        """Hold the drill of every new revision that somebody could wait for, or meet."""
        drilled = Drilled()
        new = [node for node in self._history.nodes if node.new and UP in self._climb.steps[node.id].changes]
        concerned = [node for node in new if self._concerns_others(node)]
        if len(new) > _MOST_REVISIONS and concerned:
            drilled.gaps.append(
                f"the fire drill was not held: {len(new)} revisions are new, and it is for at most {_MOST_REVISIONS}; say what is released (start-after, or --since)"
            )
        elif concerned:
            with base(self._environment, self._history.nodes, ground) as below:
                self._hold_each(concerned, below, drilled)
        return drilled

    def _concerns_others(self, node: Node) -> bool:
        statements = self._climb.steps[node.id].statements
        return bool(locked(statements) or worked_through(statements) or alone(self._climb, node))

    def _hold_each(self, nodes: Sequence[Node], below: Base, drilled: Drilled) -> None:
        for node in nodes:
            try:
                drilled.revisions[node.id] = self._drill(node, below, drilled.gaps)
            except RefusedError as error:
                drilled.gaps.append(f"the fire drill ended at {node.id}: {error}")
                return

    def _drill(self, node: Node, below: Base, gaps: list[str]) -> Drill:
        environment, statements = self._environment, self._climb.steps[node.id].statements
        drill = Drill()
        if tables := locked(statements):
            with below.before(node) as database:
                drill.queue = queue(environment, node, tables, self._said, database)
        if forks.can_fork():
            drill.encounters = tuple(encounters(environment, self._history, self._climb, node, below))
        elif alone(self._climb, node):
            gaps.append(f"two runners of {node.id} at once were not tried on this system")
        if worked_through(statements):
            growth = grow(environment, node, statements, below)
            if isinstance(growth, str):
                gaps.append(f"how the time of {node.id} grows with rows is not known: {growth}")
            else:
                drill.growth = growth
        return drill
