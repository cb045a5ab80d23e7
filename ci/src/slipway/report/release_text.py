"""Plans, states and outcomes for a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime

from slipway.records.examination import Examination
from slipway.records.migration import Migration
from slipway.records.outcome import Diagnosis, Outcome, Verb
from slipway.records.plan import Observed, Plan
from slipway.records.release import History, Release
from slipway.report.rehearsal_text import duration
from slipway.untrusted import one_line


def of_plan(plan: Plan) -> str:
    """What a deployment would do, field by field."""
    heading = one_line(
        f"{plan.action.value} {plan.service} in {plan.environment}" + (f": {plan.reason}" if plan.reason else "")
    )
    changes = (
        f"  {one_line(change.name)}: {one_line(change.before or '-')} -> {one_line(change.after or '-')}"
        for change in plan.changes
    )
    return "\n".join([heading, *changes]) + "\n"


def of_observed(observed: Observed, environment: str) -> str:
    """What is live."""
    if observed.status is None:
        return f"{one_line(environment)}: nothing is there yet\n"
    lines = [
        f"{one_line(environment)}: {one_line(observed.status)}",
        f"  digest: {one_line(observed.digest or 'none is live')}",
        f"  address: {one_line(observed.url or 'none')}",
        *([f"  in flight: {one_line(observed.operation)}"] if observed.operation else []),
    ]
    return "\n".join(lines) + "\n"


def of_history(history: History) -> str:
    """One line for each deployment, newest first."""
    going_on = [f"{number:>4}  has not ended" for number in history.unfinished]
    lines = [*going_on, *map(_release_line, history.releases)]
    return (
        "\n".join([f"{one_line(history.environment)}:", *(lines or ["nothing has been deployed by slipway yet"])])
        + "\n"
    )


def _release_line(release: Release) -> str:
    ended = datetime.fromtimestamp(release.ended, UTC)
    digest = one_line(release.image).partition("@")[2] or "-"
    cause = f"  {one_line(release.cause)}" if release.cause else ""
    risk = f"  without proof: {one_line(release.risk)}" if release.risk else ""
    return f"{release.number:>4}  {ended:%Y-%m-%d %H:%M:%SZ}  {release.verb.value:<8}  {release.status.value:<15}  {digest}{cause}{risk}"


def of_outcome(outcome: Outcome) -> str:
    """The truth, and why."""
    return "\n".join(_lines(outcome)) + "\n"


def of_examination(examination: Examination) -> str:
    """What became of the newest change, and why."""
    what = f"the operation {one_line(examination.operation)} " if examination.operation else ""
    lines = [f"{one_line(examination.environment)}: {what}{one_line(examination.ending)}", *_why(examination.diagnosis)]
    return "\n".join(lines) + "\n"


def _lines(outcome: Outcome) -> Iterator[str]:
    service, environment = one_line(outcome.service), one_line(outcome.environment)
    number = f", deployment {outcome.number}" if outcome.number else ""
    what = "" if outcome.verb is Verb.DEPLOY else f"{outcome.verb.value} of "
    yield f"{outcome.status.value} {what}{service} in {environment} after {duration(outcome.seconds)}{number}"
    if outcome.requested:
        yield f"  requested: {one_line(outcome.requested)}"
    yield f"  live:      {one_line(outcome.live or 'nothing')}"
    if outcome.migration:
        yield f"  database:  {migrated(outcome.migration)}"
    yield from _why(outcome.diagnosis)


def migrated(migration: Migration) -> str:
    """From where to where, in a few words."""
    if migration.unseen:
        return f"migrated, and what ran is not known: {one_line(migration.unseen)}"
    before, after = (one_line(", ".join(heads) or "no revision") for heads in (migration.before, migration.after))
    return f"{before} -> {after}" if migration.applied else f"at {after} already"


def _why(diagnosis: Diagnosis | None) -> Iterator[str]:
    if diagnosis:
        yield f"  cause:     {one_line(diagnosis.cause)}"
        yield from (f"  log:       {one_line(line)}" for line in diagnosis.lines)
        yield f"  remedy:    {one_line(diagnosis.remedy)}"
