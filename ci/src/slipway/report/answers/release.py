"""Results of deployments and of the rehearsal, and errors."""

from slipway.records.checks import Preflight
from slipway.records.joint import JointOutcome, JointPlan, JointSituation
from slipway.records.migration import Migration, Standing
from slipway.records.outcome import Outcome
from slipway.records.plan import Action, Plan
from slipway.records.refusal import Refusal
from slipway.records.rehearsal import Rehearsal
from slipway.report import checks, joint, rehearsal, release, release_markdown
from slipway.report import text as plain
from slipway.report.answers.result import CommandResult, fenced_result


def of_preflight(record: Preflight) -> CommandResult:
    refusal = record.refusals[0].found if record.refusals else ""
    return fenced_result(record, checks.of_preflight(record), 1 if refusal else 0, image=record.image, refusal=refusal)


def of_plan(plan: Plan) -> CommandResult:
    return CommandResult(
        record=plan,
        text=release.of_plan(plan),
        code=1 if plan.action is Action.BLOCKED else 0,
        markdown=release_markdown.of_plan(plan),
        outputs={"action": plan.action.value, "image": plan.image, "reason": plan.reason},
    )


def of_outcome(outcome: Outcome) -> CommandResult:
    """Return the result of a deployment. Only the text for the terminal contains lines of the log."""
    kept = outcome.kept
    return CommandResult(
        record=kept,
        text=release.of_outcome(outcome),
        code=outcome.status.exit_code,
        markdown=release_markdown.of_outcome(kept),
        outputs={
            "status": outcome.status.value,
            "number": str(outcome.number or ""),
            "requested": outcome.requested,
            "live": outcome.live or "",
            "url": outcome.url or "",
            "operation": outcome.operation or "",
            "cause": kept.diagnosis.cause if kept.diagnosis else "",
        },
    )


def of_migration(record: Migration, environment: str) -> CommandResult:
    text = plain.of_migration(record, environment)
    return fenced_result(record, text, applied=str(len(record.applied)), head=",".join(record.after))


def of_standing(standing: Standing, environment: str) -> CommandResult:
    """Return the revisions of database and release.

    Exit 1 when the database is ahead, because no upgrade leads to the release's heads.
    """
    text, code = plain.of_standing(standing, environment), 1 if standing.unknown else 0
    return fenced_result(standing, text, code, head=",".join(standing.database), missing=str(len(standing.missing)))


def of_rehearsal(record: Rehearsal) -> CommandResult:
    return fenced_result(record, rehearsal.text(record), 0 if record.passed else 1)


def of_refusal(refusal: Refusal) -> CommandResult:
    """Return an error as a result. Its text is empty because the sentence is printed to standard error."""
    markdown = release_markdown.of_refusal(refusal)
    outputs = {"error": f"{refusal.what}: {refusal.next_step}"}
    return CommandResult(record=refusal, text="", code=refusal.exit_code, markdown=markdown, outputs=outputs)


def of_joint_plan(plan: JointPlan) -> CommandResult:
    return fenced_result(
        plan, joint.of_joint_plan(plan), 1 if plan.is_blocked else 0, release=plan.id, order=" ".join(plan.order)
    )


def of_joint_outcome(outcome: JointOutcome) -> CommandResult:
    """Return the result of a joint release. Only the text for the terminal contains lines of the log."""
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
