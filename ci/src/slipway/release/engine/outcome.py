"""The outcome of a run, and its record in the ledger."""

from slipway.errors import SlipwayError
from slipway.records.ledger import Release
from slipway.records.migration import Readiness
from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.records.plan import Observed
from slipway.release.engine.context import Run


def outcome_of(
    run: Run, status: Status, live: Observed, *, operation: str | None = None, why: Diagnosis | None = None
) -> Outcome:
    return Outcome(
        environment=run.goal.environment,
        service=run.goal.service,
        status=status,
        requested=run.goal.spec.image.digest if run.goal.spec else "",
        live=live.digest,
        url=live.url,
        seconds=run.seconds,
        operation=operation,
        diagnosis=why,
        verb=run.goal.verb,
        number=run.number or None,
        migration=run.migration,
    )


def unchanged(run: Run, live: Observed) -> Outcome:
    """Return the outcome of a run that found nothing to change."""
    return outcome_of(run, Status.NOOP if run.goal.is_true(live) else Status.UNKNOWN, live)


async def end(run: Run, outcome: Outcome, live: Observed | None = None) -> Outcome:
    """Record the outcome, with what the live release reports of itself; an unknown outcome has not ended and is not recorded."""
    if outcome.status is Status.UNKNOWN:
        return outcome
    reported = await run.engine.ask(live) if live and outcome.live == outcome.requested else None
    after = run.migration.after if run.migration and not run.migration.unseen else None
    readiness = reported or Readiness(after, after)
    release = Release(
        environment=outcome.environment,
        number=run.number,
        image=run.image,
        status=outcome.status,
        live=outcome.live,
        operation=outcome.operation,
        ended=int(run.engine.time.now().timestamp()),
        seconds=outcome.seconds,
        cause=outcome.diagnosis.cause if outcome.diagnosis else "",
        verb=outcome.verb,
        holder=run.engine.holder,
        heads=readiness.image,
        database=readiness.database,
        commit=readiness.commit,
        risk=run.engine.risk,
    )
    try:
        if run.engine.certificate:
            await run.ledger.certify(run.number, run.engine.certificate)
        await run.ledger.end(release)
    except SlipwayError as error:  # a ledger that cannot be written does not alter the outcome
        run.say(f"the ledger lacks this deployment's end: {error}")
    return outcome
