"""Plans, states, outcomes and histories for the summary of a job: the verdict first, then what it rests on."""

from collections.abc import Iterable, Iterator

from slipway.records.ledger import History, Release, Situation
from slipway.records.outcome import Diagnosis, Examination, Outcome, Status
from slipway.records.plan import Action, Plan
from slipway.records.refusal import Refusal
from slipway.report.markdown import escaped, fenced
from slipway.report.rehearsal_text import duration
from slipway.report.release_text import done, facts, migrated, moment, state
from slipway.untrusted import one_line

_SIGNS = {0: "✅", 1: "❌", 2: "❌", 3: "❓"}
_SAID = {
    Status.SUCCEEDED: "What was asked for is so.",
    Status.NOOP: "What was asked for was so already, and nothing has been changed.",
    Status.ROLLED_BACK: "The platform took it back: what was asked for is not live.",
    Status.CREATE_FAILED: "The service could not be created.",
    Status.ROLLBACK_FAILED: "It did not become healthy, and the platform could not go back either.",
    Status.FAILED: "The platform did not do what was asked for.",
    Status.SUPERSEDED: "A newer deployment came before it was this one's turn, and this one has changed nothing.",
    Status.REFUSED: "The service has not been changed.",
    Status.UNKNOWN: "Nobody can say how it ended.",
}
_ERRORS = {1: "Refused", 2: "Cannot be tried", 3: "Unknown"}


def of_plan(plan: Plan) -> str:
    """What a deployment would do, field by field, for whoever approves it."""
    sign = "⛔ " if plan.action is Action.BLOCKED else ""
    rows = [(change.name, change.before or "none", change.after or "none") for change in plan.changes]
    return _page(
        f"## {sign}Plan: {plan.action.value} {escaped(plan.service)} in {escaped(plan.environment)}",
        escaped(plan.reason, 600),
        _table(("field", "now", "then"), rows) if rows else "Nothing would change.",
        f"Image: {escaped(plan.image)}" if plan.image else "",
        *(f"**Note:** {escaped(note, 600)}" for note in plan.notes),
    )


def of_outcome(outcome: Outcome) -> str:
    """The truth, and why."""
    status = outcome.status
    what = done(outcome.verb)
    facts = [
        ("requested", outcome.requested),
        ("live", outcome.live or "nothing"),
        ("address", outcome.url or "none"),
        ("deployment", str(outcome.number or "")),
        ("operation", outcome.operation or ""),
        ("database", migrated(outcome.migration) if outcome.migration else ""),
    ]
    return _page(
        f"## {_SIGNS[status.exit_code]} {escaped(status.value)}: {what}{escaped(outcome.service)} in {escaped(outcome.environment)}",
        f"{_SAID[status]} It took {duration(outcome.seconds)}.",
        _table(("", ""), [(name, value) for name, value in facts if value]),
        *(_diagnosis(outcome.diagnosis) if outcome.diagnosis else ()),
    )


def of_examination(examination: Examination) -> str:
    """What became of the newest change, and why."""
    what = f"the operation {escaped(examination.operation)} " if examination.operation else ""
    heading = (
        f"## {_SIGNS[examination.exit_code]} {escaped(examination.environment)}: {what}{escaped(examination.ending)}"
    )
    return _page(heading, *(_diagnosis(examination.diagnosis) if examination.diagnosis else ()))


def of_situation(situation: Situation) -> str:
    """What is live, and how it came there."""
    known = list(facts(situation))
    return _page(
        f"## {escaped(situation.environment)}: {escaped(state(situation.observed))}",
        _table(("", ""), known) if known else "",
    )


def of_history(history: History) -> str:
    """One row for each deployment, newest first."""
    going_on = [(str(number), "", "", "has not ended", "", "") for number in history.unfinished]
    rows = [*going_on, *map(_release, history.releases)]
    return _page(
        f"## Deployments of {escaped(history.environment)}",
        _table(("", "ended", "verb", "status", "image", "cause"), rows) if rows else "Nothing has been deployed yet.",
    )


def of_refusal(refusal: Refusal) -> str:
    """What an error says, and what to do next."""
    said = _ERRORS.get(refusal.exit_code, _ERRORS[3])
    return _page(
        f"## {_SIGNS.get(refusal.exit_code, _SIGNS[3])} {said}",
        escaped(refusal.what, 1000),
        escaped(refusal.next_step, 1000),
    )


def _diagnosis(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"**Cause:** {escaped(diagnosis.cause, 600)}"
    if diagnosis.lines:
        yield fenced("\n".join(one_line(line, 600) for line in diagnosis.lines))
    yield f"**Remedy:** {escaped(diagnosis.remedy, 600)}"


def _release(release: Release) -> tuple[str, ...]:
    digest = release.image.partition("@")[2]
    why = [release.cause, f"without proof: {release.risk}" if release.risk else ""]
    return (
        str(release.number),
        moment(release.ended),
        release.verb.value,
        release.status.value,
        digest or "none",
        "; ".join(filter(None, why)),
    )


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *(tuple(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
