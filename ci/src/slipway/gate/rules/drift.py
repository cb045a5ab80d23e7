"""Drift: migrations and models must build the same schema."""

from collections.abc import Iterable, Iterator, Mapping

from slipway.gate.history import History, Node
from slipway.gate.layers.drift import Difference
from slipway.gate.layers.stairway import Steps
from slipway.gate.rulebook.drift import DRIFT, NAMED_APART
from slipway.gate.steps import UP
from slipway.records.proof import Finding


def check(history: History, steps: Mapping[str, Steps], differences: Iterable[Difference]) -> Iterator[Finding]:
    """Yield one finding per difference, at the revision that last changed the table."""
    for difference in differences:
        rule = NAMED_APART if difference.named_apart else DRIFT
        yield rule.finding(_last_changed(difference.table, history, steps), str(difference))


def _last_changed(table: str, history: History, steps: Mapping[str, Steps]) -> Node:
    for node in reversed(history.nodes):
        change = steps[node.id].changes.get(UP)
        lines = (*change.added, *change.removed) if change else ()
        if any(line.name == table or line.name.startswith(f"{table}.") for line in lines):
            return node
    return history.nodes[-1]
