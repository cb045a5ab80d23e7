"""New revisions beside concurrent sessions: the lock queue, a second runner, the time on many rows.

Each is executed on a copy of the database before the revision. The layer is for a change, not a history: with many new revisions it is skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from slipway.errors import RefusedError
from slipway.gate import forks, progress
from slipway.gate.baseline import Baseline, Replica, replica
from slipway.gate.history import History, Node
from slipway.gate.layers.compatibility import Phrase
from slipway.gate.layers.growth import grow, processed_tables
from slipway.gate.layers.interruption_points import committing_statements
from slipway.gate.layers.lock_queue import locked_tables, queue
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.layers.two_runners import Encounter, encounters
from slipway.gate.steps import UP
from slipway.migration.environment import Environment
from slipway.records.proof import Growth, Layer, Queue

_MOST_REVISIONS = 12


@dataclass
class Contention:
    """One revision beside concurrent sessions."""

    queue: Queue | None = None
    encounters: tuple[Encounter, ...] = ()
    growth: tuple[Growth, ...] = ()


@dataclass
class ConcurrencyResult:
    """The contention of each revision; `gaps` are sentences."""

    revisions: dict[str, Contention] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)


def examine(
    history: History, environment: Environment, stairway: StairwayResult, phrases: Sequence[Phrase], baseline: Baseline
) -> ConcurrencyResult:
    """Execute every new revision that other sessions could wait for or repeat; `phrases` are the previous release's."""
    result = ConcurrencyResult()
    new = [node for node in history.nodes if node.new and UP in stairway.steps[node.id].changes]
    concerned = [node for node in new if _concerns_others(stairway, node)]
    if len(new) > _MOST_REVISIONS and concerned:
        result.gaps.append(
            f"lock queues and concurrent runners were not examined: {len(new)} revisions are new, and the limit is {_MOST_REVISIONS}; name the released ones (start-after, or --since)"
        )
    elif concerned:
        with replica(environment, history.nodes, baseline) as source:
            examination = _Examination(
                history=history, environment=environment, stairway=stairway, phrases=phrases, source=source
            )
            for node in concerned:
                progress.report(Layer.CONCURRENCY, node.id, len(concerned))
                try:
                    result.revisions[node.id] = examination.of(node, result.gaps)
                except RefusedError as error:
                    result.gaps.append(f"lock queues and concurrent runners were not examined from {node.id}: {error}")
                    break
    return result


def _concerns_others(stairway: StairwayResult, node: Node) -> bool:
    statements = stairway.steps[node.id].statements
    return bool(locked_tables(statements) or processed_tables(statements) or committing_statements(stairway, node))


@dataclass(frozen=True, kw_only=True)
class _Examination:
    history: History
    environment: Environment
    stairway: StairwayResult
    phrases: Sequence[Phrase]
    source: Replica

    def of(self, node: Node, gaps: list[str]) -> Contention:
        statements = self.stairway.steps[node.id].statements
        contention = Contention()
        if tables := locked_tables(statements):
            with self.source.before(node) as database:
                contention.queue = queue(self.environment, node, tables, self.phrases, database)
        if forks.can_fork():
            met = encounters(self.environment, self.history, self.stairway, node, self.source)
            contention.encounters = tuple(met)
        elif committing_statements(self.stairway, node):
            gaps.append(f"two runners of {node.id} at once were not executed on this system")
        if processed_tables(statements):
            growth = grow(self.environment, node, statements, self.source)
            if isinstance(growth, str):
                gaps.append(f"the growth of the time of {node.id} with rows is unknown: {growth}")
            else:
                contention.growth = growth
        return contention
