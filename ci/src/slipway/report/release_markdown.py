"""Plans, situations, outcomes and histories for a job summary: first the verdict, then the facts."""

from collections.abc import Iterable, Iterator

from slipway.records.ledger import History, OpenDeployment, Release, Situation
from slipway.records.outcome import Diagnosis, Examination, Outcome, Status
from slipway.records.plan import Action, Plan
from slipway.records.refusal import Refusal
from slipway.report.format import duration, escaped, moment, sign
from slipway.report.release import action, answered, examined, facts, migrated, older, standing

_SENTENCES = {
    Status.SUCCEEDED: "The requested change is live.",
    Status.NOOP: "The requested state was live already; nothing was changed.",
    Status.UNANSWERED: "The release is live, but its address does not answer as it should.",
    Status.ROLLED_BACK: "The platform rolled it back: the requested change is not live.",
    Status.ABORTED: "A person rolled it back: the requested change is not live.",
    Status.CREATE_FAILED: "The service could not be created.",
    Status.ROLLBACK_FAILED: "It did not become healthy, and the platform could not roll it back.",
    Status.FAILED: "The platform did not make the requested change.",
    Status.SUPERSEDED: "A newer deployment, or another client's change, took the place of this one.",
    Status.REFUSED: "The service was not changed.",
    Status.UNKNOWN: "The outcome is unknown: run the same command again to find out.",
}
_HISTORY = ("", "ended", "command", "status", "took", "commit", "by", "image", "cause")
_ERRORS = {1: "Refused", 2: "Unusable input"}


def of_plan(plan: Plan) -> str:
    """Render the changes of a plan for the person who approves it."""
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
    """Render the outcome, the facts, and the diagnosis of a failure."""
    status = outcome.status
    what = action(outcome.verb)
    facts = [
        ("requested", outcome.requested),
        ("live", outcome.serving),
        ("url", outcome.url or "none"),
        ("deployment", str(outcome.number or "")),
        ("operation", outcome.operation or ""),
        ("database", migrated(outcome.migration) if outcome.migration else ""),
        *(answered(outcome.answer, outcome.way_out) if status is not Status.UNANSWERED else ()),
        ("note", outcome.note),
    ]
    return _page(
        f"## {sign(status.exit_code)} {escaped(status.value)}: {what}{escaped(outcome.service)} in {escaped(outcome.environment)}",
        f"{_SENTENCES[status]} It took {duration(outcome.seconds)}.",
        _table(("", ""), [(name, value) for name, value in facts if value]),
        *(_diagnosis(outcome.diagnosis) if outcome.diagnosis else ()),
    )


def of_examination(examination: Examination) -> str:
    """Render how and why the newest operation ended."""
    heading = f"## {sign(examination.exit_code)} {escaped(examined(examination), 600)}"
    rows = list(answered(examination.answer, examination.way_out))
    why = _diagnosis(examination.diagnosis) if examination.diagnosis else ()
    return _page(heading, *why, _table(("", ""), rows) if rows else "")


def of_situation(situation: Situation) -> str:
    """Render the live release and the deployment that released it."""
    known = list(facts(situation))
    bad = f"{sign(situation.exit_code)} " if situation.exit_code else ""
    return _page(
        f"## {bad}{escaped(situation.environment)}: {escaped(standing(situation))}",
        _table(("", ""), known) if known else "",
    )


def of_history(history: History) -> str:
    """Render a row for each deployment, the newest first."""
    rows = {number: (str(number), "", "", "no end is recorded", *[""] * 5) for number in history.unfinished}
    rows |= {each.number: _unfinished(each) for each in history.open}
    rows |= {release.number: _release(release) for release in history.releases}
    return _page(
        f"## Deployments of {escaped(history.environment)}",
        _table(_HISTORY, [rows[number] for number in sorted(rows, reverse=True)])
        if rows
        else "Nothing has been deployed yet.",
        *older(history),
    )


def of_refusal(refusal: Refusal) -> str:
    """Render an error and its next step."""
    heading = _ERRORS.get(refusal.exit_code, "Unknown")
    return _page(
        f"## {sign(refusal.exit_code)} {heading}",
        escaped(refusal.what, 1000),
        escaped(refusal.next_step, 1000),
    )


def _diagnosis(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"**Cause:** {escaped(diagnosis.cause, 600)}"
    if diagnosis.place:
        yield f"**Evidence:** {escaped(diagnosis.place)}, rule {escaped(diagnosis.rule)}; `slipway diagnose` shows it."
    yield f"**Remedy:** {escaped(diagnosis.remedy, 600)}"


def _unfinished(deployment: OpenDeployment) -> tuple[str, ...]:
    commit, digest = (deployment.commit or "")[:7], deployment.image.partition("@")[2]
    number, verb = str(deployment.number), deployment.verb.value
    return (number, "", verb, "no end is recorded", "", commit, deployment.holder, digest or "none", "")


def _release(release: Release) -> tuple[str, ...]:
    digest = release.image.partition("@")[2]
    changes = f"changed {', '.join(release.changes)}" if release.changes else ""
    reasons = [changes, release.cause, f"without certificate: {release.risk}" if release.risk else ""]
    return (
        str(release.number),
        moment(release.ended),
        release.verb.value,
        release.status.value,
        duration(release.seconds),
        (release.commit or "")[:7],
        release.holder,
        digest or "none",
        "; ".join(filter(None, reasons)),
    )


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *(tuple(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
