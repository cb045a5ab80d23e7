"""Releases of several services for a terminal: their plan, their end, and the situation of all."""

from collections.abc import Iterator

from slipway.records.joint import Fate, JointOutcome, JointPart, JointPlan, JointSituation
from slipway.report.format import duration
from slipway.report.release import of_outcome, of_plan, of_situation
from slipway.untrusted import one_line

_VERDICTS = {0: "SUCCEEDED", 3: "UNKNOWN"}
_AGAIN = "the release is in an unknown state: run the same command again, which finishes it"


def of_joint_plan(plan: JointPlan) -> str:
    """Render the order of the release, the way back, and the plan of each service."""
    order = ", then ".join(map(one_line, plan.order)) or "nothing"
    back = ", then ".join(map(one_line, plan.back)) or "none of them"
    head = f"release {one_line(plan.id)} in {one_line(plan.environment)}: {order}\n  if one fails, the others go back: {back}\n"
    return head + "".join(map(of_plan, plan.plans))


def of_joint_outcome(outcome: JointOutcome) -> str:
    """Render the verdict, the fate of each service with what is live, and the whole outcome of one that failed."""
    return "\n".join(_lines(outcome)) + "\n" + "".join(map(_details, outcome.parts))


def _lines(outcome: JointOutcome) -> Iterator[str]:
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


def _details(part: JointPart) -> str:
    shown = part.outcome if part.fate in (Fate.FAILED, Fate.UNKNOWN, Fate.STAYS) else None
    return of_outcome(shown) if shown else ""


def of_joint_situation(situation: JointSituation) -> str:
    """Render the situation of each service below its name."""
    lines = []
    for each in situation.services:
        lines.append(f"=== {one_line(each.service)}\n")
        lines += [of_situation(each.situation)] if each.situation else []
        lines += [f"cannot be read: {one_line(refusal.what, 600)}\n" for refusal in each.refusals]
    return "".join(lines)
