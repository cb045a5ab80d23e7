"""How long it would take on many rows, said beside what was measured; never a rule, for time depends on the machine."""

from collections.abc import Sequence

from slipway.records.proof import Growth, Statement


def with_growth(measured: str, statement: Statement, growth: Sequence[Growth]) -> str:
    """What was measured of a statement, and how its time grew with rows, where that is known."""
    known = [each.words for each in growth if each.line == statement.line]
    return "; ".join([measured, *known])
