"""Results about releases of several services."""

from slipway.records.joint import JointOutcome, JointPlan, JointSituation
from slipway.report import joint
from slipway.report.answers.result import CommandResult, fenced_result


def of_joint_plan(plan: JointPlan) -> CommandResult:
    return fenced_result(
        plan, joint.of_joint_plan(plan), 1 if plan.is_blocked else 0, release=plan.id, order=" ".join(plan.order)
    )


def of_joint_outcome(outcome: JointOutcome) -> CommandResult:
    """Answer a release; lines of the log are in the text for the terminal only, and in no record, Markdown or output."""
    kept = outcome.kept
    fates = {part.service: part.fate.value for part in outcome.parts}
    return CommandResult(
        record=kept,
        text=joint.of_joint_outcome(outcome),
        code=outcome.exit_code,
        markdown=fenced_result(kept, joint.of_joint_outcome(kept)).markdown,
        outputs={"release": outcome.id, "services": ", ".join(f"{name}: {fate}" for name, fate in fates.items())},
    )


def of_joint_situation(situation: JointSituation) -> CommandResult:
    return fenced_result(situation, joint.of_joint_situation(situation), situation.exit_code)
