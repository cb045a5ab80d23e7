"""New revisions beside concurrent sessions: the lock queue; a second runner and the time on many rows.

Each is executed on a copy of the database before the revision. The layer is for a change, not a history: with many new revisions it is skipped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from slipway.errors import RefusedError
from slipway.gate.forks import can_fork
from slipway.gate.history import Node
from slipway.gate.layers.growth import grow, processed_tables
from slipway.gate.layers.queries import Query
from slipway.gate.layers.rows import fails_on_rows
from slipway.gate.layers.sessions import Encounter, encounters, locked_tables, queue
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.steps import UP, Baseline, Replica, report
from slipway.migration.environment import sentence
from slipway.records.proof import Growth, Layer, Queue

_MOST_REVISIONS = 12
_FEWEST_RUNS = 3  # one run and two at once, or two runs with different numbers of rows


@dataclass
class Contention:
    """The behaviour of one revision beside concurrent sessions."""

    queue: Queue | None = None
    encounters: tuple[Encounter, ...] = ()
    growth: tuple[Growth, ...] = ()
    failure: Failure | None = None  # the failure of the upgrade on many rows


@dataclass
class ConcurrencyResult:
    """The contention of each revision.

    `gaps` say what was not examined; `unreached` is whether whole revisions were not.
    """

    revisions: dict[str, Contention] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    unreached: bool = False

    def and_queues_of(self, other: "ConcurrencyResult") -> "ConcurrencyResult":
        """Add the lock queues of another result. Each of the two may have ended early."""
        queues = {revision: contention.queue for revision, contention in other.revisions.items()}
        return ConcurrencyResult(
            {
                revision: replace(self.revisions.get(revision, Contention()), queue=queues.get(revision))
                for revision in {**self.revisions, **queues}
            },
            list(dict.fromkeys([*other.gaps, *self.gaps])),
            self.unreached or other.unreached,
        )


def examine_queues(baseline: Baseline, steps: Mapping[str, Steps], queries: Sequence[Query]) -> ConcurrencyResult:
    """Execute every new revision that other sessions could wait for; `queries` are the previous release's."""

    def queues(node: Node, of_node: Steps, source: Replica, _gaps: list[str]) -> Contention:
        tables = locked_tables(of_node.statements)
        with source.before(node) as database:
            return Contention(queue=queue(source.environment, node, tables, queries, database))

    return _examine(baseline, steps, queues, lambda of_node: bool(locked_tables(of_node.statements)))


def examine_runners(baseline: Baseline, steps: Mapping[str, Steps]) -> ConcurrencyResult:
    """Execute every new revision that other sessions could repeat, and those that process tables on many rows."""
    return _examine(baseline, steps, _runners, _concerns_runners)


def _examine(
    baseline: Baseline,
    steps: Mapping[str, Steps],
    contention: Callable[[Node, Steps, Replica, list[str]], Contention],
    concerns: Callable[[Steps], bool],
) -> ConcurrencyResult:
    result = ConcurrencyResult()
    new = [node for node in baseline.history.nodes if node.new and UP in steps[node.id].changes]
    concerned = [node for node in new if concerns(steps[node.id])]
    if len(new) > _MOST_REVISIONS and concerned:
        result.unreached = True
        result.gaps.append(
            f"lock queues and concurrent runners were not examined: {len(new)} revisions are new, and the limit is {_MOST_REVISIONS}; test fewer, with start-after in the settings, or --since instead of --all-revisions"
        )
    elif concerned:
        with baseline.replica() as source:
            for node in concerned:
                report(Layer.CONCURRENCY, node.id, len(concerned))
                try:
                    result.revisions[node.id] = contention(node, steps[node.id], source, result.gaps)
                except RefusedError as error:
                    result.gaps.append(f"lock queues and concurrent runners were not examined from {node.id}: {error}")
                    result.unreached = True
                    break
    return result


def _concerns_runners(steps: Steps) -> bool:
    return bool(locked_tables(steps.statements) or processed_tables(steps.statements) or steps.committing)


def _runners(node: Node, steps: Steps, source: Replica, gaps: list[str]) -> Contention:
    contention = Contention()
    if can_fork():
        contention.encounters = tuple(encounters(node, steps, source))
    elif steps.committing:
        gaps.append(f"two runners of {node.id} at once were not executed on this system")
    if steps.runs(_FEWEST_RUNS) < _FEWEST_RUNS:
        gaps.append(f"two runners of {node.id} at once, and its time with rows, were not executed: {steps.slowly}")
    elif processed := processed_tables(steps.statements):
        result = grow(node, processed, source)
        contention.growth = result.growth
        if result.error and fails_on_rows(result.error):
            contention.failure = Failure.of(result.error, source.environment)
        elif gap := sentence(result.error) if result.error else result.gap:
            gaps.append(f"the growth of the time of {node.id} with rows is unknown: {gap}")
    return contention
