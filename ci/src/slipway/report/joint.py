"""Joint releases for a terminal: the plan, the outcome, and the situation of all services."""

from collections.abc import Iterator

from slipway.records.joint import Fate, JointOutcome, JointPlan, JointSituation
from slipway.report.format import duration, in_lines
from slipway.report.release import of_outcome, of_plan, of_situation
from slipway.untrusted import one_line

_VERDICTS = {0: "SUCCEEDED", 3: "UNKNOWN"}
_AGAIN = "the release is in an unknown state: run the same command again, which finishes it"


def of_joint_plan(plan: JointPlan) -> str:
    """Render the order of deployment, the order of return after a failure, and the plan of each service."""
    order = ", then ".join(map(one_line, plan.order)) or "nothing"
    back = ", then ".join(map(one_line, plan.back)) or "none of them"
    head = f"release {one_line(plan.id)} in {one_line(plan.environment)}: {order}\n  if one fails, the others go back: {back}\n"
    return head + "".join(map(of_plan, plan.plans))


@in_lines
def of_joint_outcome(outcome: JointOutcome) -> Iterator[str]:
    """Render the verdict, the fate of each service with what is live, and the whole outcome of one that failed."""
    verdict = _VERDICTS.get(outcome.exit_code, "FAILED")
    environment = one_line(outcome.environment)
    yield f"{verdict} release {one_line(outcome.id)} in {environment} after {duration(outcome.seconds)}"
    width = max((len(part.service) for part in outcome.parts), default=0)
    for part in outcome.parts:
        yield f"  {one_line(part.service):<{width}}  {part.fate.value:<9}  live: {one_line(part.live or 'nothing known')}"
        if part.why and part.outcome is None:
            yield f"    cause:  {one_line(part.why, 600)}"
            yield f"    remedy: {one_line(part.remedy, 600)}"
    if outcome.exit_code == 3:
        yield f"  {_AGAIN}"
    for part in outcome.parts:
        if part.outcome and part.fate in (Fate.FAILED, Fate.UNKNOWN, Fate.STAYS):
            yield of_outcome(part.outcome).removesuffix("\n")


@in_lines
def of_joint_situation(situation: JointSituation) -> Iterator[str]:
    """Render the situation of each service below its name."""
    for each in situation.services:
        yield f"=== {one_line(each.service)}"
        if each.situation:
            yield of_situation(each.situation).removesuffix("\n")
        yield from (f"cannot be read: {one_line(refusal.what, 600)}" for refusal in each.refusals)
