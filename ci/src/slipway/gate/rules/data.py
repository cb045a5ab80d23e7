"""D: what happens to rows? Told by what the steps did to tables that were filled before."""

from collections.abc import Iterator

from slipway.gate.history import Node
from slipway.gate.rows import Rows
from slipway.gate.rules.rule import Rule
from slipway.gate.stairway import AGAIN, DOWN, UP
from slipway.records.proof import Finding, Level

FAILS = Rule(
    "D01",
    Level.ERROR,
    "The upgrade passes on empty tables and fails on rows.",
    "Bring the rows into shape first, in this revision or in one before it: fill what is NULL, remove what is there twice.",
)
LOSES = Rule(
    "D02",
    Level.ERROR,
    "The downgrade loses or changes rows that the upgrade had kept, or cannot be run on them.",
    "Write back in downgrade() what upgrade() changed, or raise NotImplementedError to say that there is no way back.",
)
DROPS = Rule(
    "D03",
    Level.WARNING,
    "The upgrade drops what holds rows; no downgrade brings them back.",
    "Drop it in a release of its own, when nothing reads it any more and a backup is at hand.",
)


def check(node: Node, rows: Rows) -> Iterator[Finding]:
    """Findings on what one revision did to rows."""
    if failure := rows.failures.get(UP):
        yield FAILS.finding(node, failure.said, failure.line_in(node, node.upgrade_line))
    for phrase in rows.dropped:
        yield DROPS.finding(node, phrase)
    for phrase in rows.changed:
        yield LOSES.finding(node, f"after the downgrade {phrase}", node.downgrade_line)
    for step, line in ((DOWN, node.downgrade_line), (AGAIN, node.upgrade_line)):
        if (failure := rows.failures.get(step)) and not failure.declared:
            yield LOSES.finding(node, failure.said, failure.line_in(node, line))
