"""Plans, states and outcomes for a terminal."""

from collections.abc import Iterator

from slipway.records.outcome import Outcome
from slipway.records.plan import Observed, Plan
from slipway.report.rehearsal_text import duration
from slipway.untrusted import one_line


def of_plan(plan: Plan) -> str:
    """What a deployment would do, field by field."""
    heading = f"{plan.action.value} {plan.service} in {plan.environment}" + (f": {plan.reason}" if plan.reason else "")
    changes = (f"  {change.name}: {one_line(change.before or '-')} -> {one_line(change.after or '-')}" for change in plan.changes)
    return "\n".join([heading, *changes]) + "\n"


def of_observed(observed: Observed, environment: str) -> str:
    """What is live."""
    if observed.status is None:
        return f"{environment}: nothing is there yet\n"
    lines = [f"{environment}: {observed.status}", f"  digest: {observed.digest or 'none is live'}", f"  address: {observed.url or 'none'}"]
    return "\n".join([*lines, *([f"  in flight: {observed.operation}"] if observed.operation else [])]) + "\n"


def of_outcome(outcome: Outcome) -> str:
    """The truth, and why."""
    return "\n".join(_lines(outcome)) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.status.value} {outcome.service} in {outcome.environment} after {duration(outcome.seconds)}"
    yield f"  requested: {outcome.requested}"
    yield f"  live:      {outcome.live or 'nothing'}"
    if outcome.diagnosis:
        yield f"  cause:     {one_line(outcome.diagnosis.cause)}"
        yield from (f"  log:       {one_line(line)}" for line in outcome.diagnosis.lines)
        yield f"  remedy:    {one_line(outcome.diagnosis.remedy)}"
