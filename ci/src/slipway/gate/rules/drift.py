"""Drift: migrations and models must build the same schema."""

from collections.abc import Iterable, Iterator, Mapping

from slipway.gate.history import History, Node
from slipway.gate.layers.drift import Difference
from slipway.gate.layers.stairway import Steps
from slipway.gate.rules.rule import Rule
from slipway.gate.steps import UP
from slipway.records.proof import Finding, Level

DRIFT = Rule(
    id="drift",
    name="drift",
    level=Level.ERROR,
    effect="The models and the migrations build different schemas; the application runs on the one and is tested on the other.",
    remedy="Write a revision that brings the schema to the models (alembic revision --autogenerate is a start), or correct the models.",
)
NAMED_APART = Rule(
    id="drift-name",
    name="named apart",
    level=Level.WARNING,
    effect="The models and the migrations name the same thing differently; a later drop by name will fail.",
    remedy="Give the thing the same name in both, best by a naming_convention on the metadata.",
)


def check(history: History, steps: Mapping[str, Steps], differences: Iterable[Difference]) -> Iterator[Finding]:
    """One finding a difference, at the revision that last touched the table."""
    for difference in differences:
        rule = NAMED_APART if difference.named_apart else DRIFT
        yield rule.finding(_last_touched(difference.table, history, steps), str(difference))


def _last_touched(table: str, history: History, steps: Mapping[str, Steps]) -> Node:
    for node in reversed(history.nodes):
        change = steps[node.id].changes.get(UP)
        if change and any(
            line.name == table or line.name.startswith(f"{table}.") for line in (*change.added, *change.removed)
        ):
            return node
    return history.nodes[-1]
