"""The end of a run: follow the accepted operation, determine the outcome, and record it in the ledger."""

from contextlib import suppress
from dataclasses import replace

from slipway.errors import SlipwayError, UnknownOutcomeError
from slipway.records.ledger import History, Release
from slipway.records.migration import Readiness
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Observed, State
from slipway.records.progress import Phase
from slipway.release.engine.archive import pack
from slipway.release.engine.compatibility import broken_by_migration, way_out
from slipway.release.engine.engine import Run
from slipway.release.engine.overtaken import ends_of
from slipway.release.engine.plan import NOT_MIGRATED, NOT_MIGRATED_REMEDY, naming_values, values_of
from slipway.release.engine.recorded import RELEASES, expected_seconds, way_back, way_back_again
from slipway.release.engine.target import Operation

_REMEMBERED = 20  # earlier deployments that a run reads
_PACKED_EVERY = 10  # every so many deployments, a run packs old records
# a service in these states may serve even when its digest is unknown
_SERVING = (State.LIVE, State.BUSY, State.UNKNOWN)
_ANSWERING = (*RELEASES, Verb.RESUME)  # after these commands the service must answer
_LIVE = (Status.SUCCEEDED, Status.NOOP)
# rules for an alarm of a platform that counts the errors of both releases
_ALARM_RULES = ("alarm", "alarm-5xx", "alarm-4xx")
_SCHEMA_RULES = ("schema",)  # rules for a database that lacks the release's schema
_AHEAD = (
    "the database is ahead of this release, and a rollback does not migrate it: deploy a fix that works on its schema"
)
_HAVE_RUN = "the release's migrations have run: add a revision that makes what is missing, or correct the release"


def outcome_of(
    run: Run, status: Status, observed: Observed | None, *, operation: str | None = None, why: Diagnosis | None = None
) -> Outcome:
    """Return the outcome of a run. `observed` is None when the live state could not be read."""
    live = observed or Observed(state=State.UNKNOWN)
    failed = run.answer if status not in (Status.UNANSWERED, *_LIVE) else None
    out = way_out(run.goal.environment, failed, way_back_again(run.goal.environment)) if failed else ""
    return Outcome(
        environment=run.goal.environment,
        service=run.goal.service,
        status=status,
        requested=run.goal.spec.image.digest if run.goal.spec else "",
        live=live.digest,
        url=live.url,
        seconds=run.seconds,
        unseen=live.digest is None and live.state in _SERVING,
        operation=operation,
        diagnosis=why,
        verb=run.goal.verb,
        number=run.number or None,
        migration=run.migration,
        answer=run.answer,
        way_out="" if why and why.remedy == out else out,
        note=f"between the migration and the new release users got errors: {run.broken}"
        if run.broken and status in _LIVE
        else "",
    )


async def unchanged(run: Run, live: Observed, status: Status = Status.NOOP) -> Outcome:
    """Return the outcome of a run without an operation: NOOP, or SUCCEEDED after a change that was complete with its request."""
    status = status if run.goal.is_true(live) else Status.UNKNOWN
    status, why = await _answered(run, status, live)
    return outcome_of(run, status, live, why=why)


async def _answered(run: Run, status: Status, live: Observed) -> tuple[Status, Diagnosis | None]:
    """Request the live release.

    Return UNANSWERED and the reason for a success that does not answer, otherwise the status itself.
    """
    if run.goal.verb not in _ANSWERING or status is Status.UNKNOWN:
        return status, None
    if live.private and not status.exit_code:
        run.say("its address was not requested: the service is private; the platform's health check is the evidence")
    run.answer = await run.engine.answer(live, run.goal.spec.image.digest if run.goal.spec else "")
    if status.exit_code or not run.answer.problem:
        return status, None
    migrated = bool(run.migration and run.migration.applied)
    environment = run.goal.environment
    if run.goal.verb is Verb.ROLLBACK:
        back = way_back_again(environment)
    else:
        back = way_back(environment, (await _past(run)).releases, live.digest)
    remedy = way_out(environment, run.answer, back, migrated=migrated)
    return Status.UNANSWERED, Diagnosis(rule="unanswered", cause=run.answer.problem, lines=(), remedy=remedy)


async def ended_badly(run: Run, status: Status, live: Observed, why: Diagnosis | None) -> Outcome:
    """Record a failed run, and whether the live release answers: the migration may have broken it."""
    await _answered(run, status, live)
    return await end(run, outcome_of(run, status, live, why=why))


async def end(run: Run, outcome: Outcome) -> Outcome:
    """Record the outcome, with the live release's own statement.

    An unknown outcome is not recorded, because the run has not ended.
    """
    if outcome.status is Status.UNKNOWN:
        return outcome
    reported = run.answer.readiness if run.answer and outcome.live == outcome.requested else None
    after = run.migration.known_after if run.migration else None
    readiness = reported or Readiness(None if run.migration and run.migration.failed else after, after)
    without = run.engine.without_ledger
    release = Release(
        environment=outcome.environment,
        number=run.number,
        image=run.image,
        status=outcome.status,
        live=outcome.live,
        operation=outcome.operation,
        ended=int(run.engine.time.now().timestamp()),
        seconds=outcome.seconds,
        cause=outcome.diagnosis.kept.cause if outcome.diagnosis else "",
        remedy=outcome.diagnosis.kept.remedy if outcome.diagnosis else "",
        verb=outcome.verb,
        holder=run.engine.holder,
        heads=readiness.image,
        database=readiness.database,
        commit=readiness.commit,
        risk="; ".join(filter(None, [run.risk, without and f"without the ledger: {without}"])),
        wanted=run.goal.hash,
        joint=run.engine.joint.id if run.engine.joint else "",
        url=outcome.url if run.answer and run.answer.paths else None,
        changes=run.changes,
    )
    try:
        if run.engine.certificate:
            await run.ledger.certify(run.number, run.engine.certificate)
        await run.ledger.end(release)
    except SlipwayError as error:  # a ledger that cannot be written does not change the outcome
        run.say(f"the ledger lacks this deployment's end: {error}")
    return outcome


async def follow(run: Run, operation: Operation) -> Outcome:
    """Follow an operation, determine the outcome, and record it. Raise UnknownOutcomeError when the outcome is unknown."""
    target, past = run.engine.target, await _past(run)
    run.enter(Phase.CHANGE, _expected(run, past))
    try:
        async for event in target.follow(operation):
            if not event.is_shared:
                run.engine.tell(event)
            elif run.goal.verb in RELEASES and (line := await run.engine.sample()):
                run.say(line)
        ending = await target.ending(operation)
        live = await run.observe()
    except SlipwayError as error:
        what = f"the operation may still be in progress, but cannot be followed: {error.what}"
        raise UnknownOutcomeError(what, error.next_step) from error
    status = run.goal.truth(ending, operation, live)
    why = await _evidence(run, operation) if status.exit_code else None
    if why and not why.place.startswith("platform"):
        why = replace(why, remedy=why.remedy + _values(run, status, live))
    status, unanswered = await _answered(run, status, live)
    why = why and _or_live(run, why)
    outcome = await end(run, outcome_of(run, status, live, operation=operation.id, why=why or unanswered))
    await _end_older(run, past)
    if run.number % _PACKED_EVERY == 0:
        with suppress(SlipwayError):  # a later run will pack the records
            await pack(run.ledger)
    return outcome


def _or_live(run: Run, why: Diagnosis) -> Diagnosis:
    """Return the diagnosis.

    If the live release fails on the migrated schema, return this as the cause, because it triggered the alarm.
    """
    if why.rule not in _ALARM_RULES or not run.answer or not (cause := broken_by_migration(run.answer)):
        return why
    environment = run.goal.environment
    return replace(why, cause=cause, remedy=way_out(environment, run.answer, way_back_again(environment)), quotes=())


def _values(run: Run, status: Status, live: Observed) -> str:
    """Return words about the variables and secrets that a failed release changes, or that a first release sets."""
    if status is Status.ROLLED_BACK:
        return naming_values(change.name for change in run.goal.plan(live).changes)
    if status is Status.CREATE_FAILED and run.goal.spec:
        return naming_values(values_of(run.goal.spec.variables, run.goal.spec.secrets), "sets")
    return ""


async def _past(run: Run) -> History:
    """Return the newest deployments; none when the ledger cannot be read."""
    try:
        return await run.ledger.history(_REMEMBERED)
    except SlipwayError:
        return History(environment=run.goal.environment, releases=())


async def _end_older(run: Run, past: History) -> None:
    """Record the end of older deployments whose runs did not.

    They have ended, because this run's operation came after theirs.
    """
    older = [number for number in past.unfinished if number < run.number]
    with suppress(SlipwayError):  # the next run, or `status`, finds these deployments again
        for release in await ends_of(older, run.number, run.ledger, run.engine.target, run.engine.time.now()):
            await run.ledger.end(release)


def _expected(run: Run, past: History) -> float | None:
    """Return how many seconds earlier deployments of the same kind took; None when the ledger has too few."""
    is_release = run.goal.verb in RELEASES
    return expected_seconds([release for release in past.releases if (release.verb in RELEASES) == is_release])


async def _evidence(run: Run, operation: Operation) -> Diagnosis | None:
    """Return why the operation failed. Unreadable logs become part of the diagnosis."""
    if run.goal.spec is None:
        return None
    try:
        why = await run.engine.target.evidence(operation, run.goal.spec)
    except SlipwayError as error:
        cause = f"the logs could not be read: {error.what}"
        return Diagnosis(rule="unknown", cause=cause, lines=(), remedy=error.next_step)
    if why.rule in _SCHEMA_RULES and run.goal.verb is Verb.ROLLBACK:
        return replace(why, remedy=_AHEAD)
    if why.rule in _SCHEMA_RULES and run.goal.verb is not Verb.MOVE and run.engine.migrate is None:
        return replace(why, cause=f"{why.cause}; {NOT_MIGRATED}", remedy=NOT_MIGRATED_REMEDY)
    if why.rule in _SCHEMA_RULES and run.migration:
        return replace(why, remedy=_HAVE_RUN)
    return why
