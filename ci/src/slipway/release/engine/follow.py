"""An accepted operation, followed to its end, and the truth about it."""

from dataclasses import replace

from slipway.errors import SlipwayError, UnknownOutcomeError
from slipway.records.outcome import Diagnosis, Outcome
from slipway.records.progress import Phase
from slipway.release.engine.context import Run
from slipway.release.engine.outcome import end, outcome_of
from slipway.release.engine.plan import NOT_MIGRATED, NOT_MIGRATED_REMEDY
from slipway.release.engine.recorded import RELEASES, expected_seconds
from slipway.release.engine.target import Operation

_REMEMBERED = 20  # deployments
_SCHEMA_RULES = ("schema",)  # the rules of a diagnosis that point at a database without the release's schema


async def follow(run: Run, operation: Operation) -> Outcome:
    """Follow an operation, settle what it came to, and record that; raises UnknownOutcomeError."""
    target = run.engine.target
    run.enter(Phase.CHANGE, await _expected(run))
    try:
        async for event in target.follow(operation):
            run.engine.tell(event)
        ending = await target.ending(operation)
        live = await run.look()
    except SlipwayError as error:
        what = f"the operation may still be in progress, but cannot be followed: {error.what}"
        raise UnknownOutcomeError(what, error.next_step) from error
    status = run.goal.truth(ending, operation, live)
    why = await _evidence(run, operation) if status.exit_code else None
    return await end(run, outcome_of(run, status, live, operation=operation.id, why=why), live)


async def _expected(run: Run) -> float | None:
    """Return how many seconds earlier deployments of the kind took; None when the ledger does not say."""
    try:
        newest = sorted((await run.ledger.contents()).releases)[-_REMEMBERED:]
        past = await run.ledger.releases(newest)
    except SlipwayError:
        return None
    is_release = run.goal.verb in RELEASES
    return expected_seconds([release for release in past if (release.verb in RELEASES) == is_release])


async def _evidence(run: Run, operation: Operation) -> Diagnosis | None:
    """Return why it failed. Logs that cannot be read do not hide that it failed."""
    if run.goal.spec is None:
        return None
    try:
        why = await run.engine.target.evidence(operation, run.goal.spec)
    except SlipwayError as error:
        return Diagnosis("unknown", f"the logs could not be read: {error.what}", (), error.next_step)
    if operation.creating and run.engine.migrate is None and why.rule in _SCHEMA_RULES:
        return replace(why, cause=f"{why.cause}; {NOT_MIGRATED}", remedy=NOT_MIGRATED_REMEDY)
    return why
