"""The change of a service: first the database, then, with the deploy lock, the only changing request to the platform."""

from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from slipway.errors import SlipwayError, UnknownOutcomeError
from slipway.records.migration import MigrationFailedError
from slipway.records.outcome import Outcome, Status
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Phase
from slipway.release.engine.engine import RESUME, Run
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.outcome import end, unchanged
from slipway.release.engine.target import Operation
from slipway.release.errors import BusyError, LostAnswerError, PlatformRefusedError, or_unknown, refusal

T = TypeVar("T")
_READS = 3
_LOOK_SECONDS = 5.0


async def migrate(run: Run, observed: Observed) -> None:
    """Migrate the database, once per run.

    This happens without the deploy lock: it takes longer than that lock lasts, and has a lock of its own.
    """
    if run.engine.migrate is None or run.migration:
        return
    if (await or_unknown(run.ledger.contents())).newest > run.number:  # the newer deployment decides about the schema
        raise BusyError("a newer deployment has begun", RESUME)
    run.enter(Phase.MIGRATE)
    try:
        run.migration = await run.engine.migrate(run.number, run.engine.tell)
    # recorded with the end of the run; a run that resumes this one may migrate further
    except MigrationFailedError as error:
        run.migration = error.migration
        raise
    except PlatformRefusedError as error:
        raise refusal(error, f"the database was not migrated: {error.what}") from error
    try:
        await run.ledger.migrated(run.number, run.migration)
    except SlipwayError as error:
        run.say(f"the ledger lacks this deployment's migration: {error}")
    if run.migration.applied:
        with suppress(SlipwayError):
            run.broken = await run.engine.problem(observed)
    if run.broken:
        run.say(f"on the migrated database the release before fails: {run.broken}; it is replaced now")


async def recall_migration(run: Run) -> None:
    """Read the record of a migration by an earlier, killed run of this deployment."""
    if run.engine.migrate is not None and run.migration is None:
        with suppress(SlipwayError):
            run.migration = await run.ledger.migration(run.number)


async def change(run: Run, lock: DeployLock) -> Operation | Outcome:
    """Read the service again with the lock, because another run may have changed it. Then start the change and record it."""
    contents = await or_unknown(run.ledger.contents())
    if contents.newest > run.number or run.number in contents.accepted:
        raise BusyError("another run has taken over this deployment", RESUME)
    observed = await run.observe()
    plan = run.goal.plan(observed)
    if observed.state is State.BUSY or await lock.started():
        raise BusyError(plan.reason or "the service has just been changed by another client", RESUME)
    run.check_possible(plan)
    run.check_approved(plan, observed)
    if plan.action is Action.NOOP:
        return await end(run, await unchanged(run, observed))
    await run.permit(observed)
    run.changes = plan.differences
    operation = await _started(run, lock, plan, observed)
    if operation is None:
        live = await run.observe()
        was_all = run.goal.plan(live).action is Action.NOOP
        return await end(run, await unchanged(run, live, Status.SUCCEEDED if was_all else Status.NOOP))
    try:
        await run.ledger.accept(run.number, operation)
    except SlipwayError as error:
        run.say(f"the ledger lacks this deployment's operation: {error}")
        lock.keep()
    return operation


async def _started(run: Run, lock: DeployLock, plan: Plan, observed: Observed) -> Operation | None:
    """Send the change. A lost answer, or one without an operation, does not mean that no operation has started."""
    await lock.check()
    try:
        operation = await run.engine.target.apply(plan, observed, run.goal.spec)
    except LostAnswerError as error:
        run.say(f"whether the change has started is unknown ({error.what}); asking the platform")
        return await _or_keep(run, lock, _found_or_sent_again(run, lock, plan, observed))
    except PlatformRefusedError as error:
        raise refusal(error, error.what) from error
    return operation or await _or_keep(run, lock, lock.started())


async def _found_or_sent_again(run: Run, lock: DeployLock, plan: Plan, observed: Observed) -> Operation | None:
    for _ in range(_READS):
        if operation := await lock.started():
            return operation
        await run.engine.time.sleep(_LOOK_SECONDS)
    await lock.check()
    return await run.engine.target.apply(plan, observed, run.goal.spec) or await lock.started()


async def _or_keep(run: Run, lock: DeployLock, read: Awaitable[T]) -> T:
    """Return the result of a read. If it fails, keep the lock, so that the next run checks for an operation."""
    try:
        return await read
    except SlipwayError as error:
        lock.keep()
        what = f"could not determine whether the change of {run.goal.service} has started: {error.what}"
        raise UnknownOutcomeError(what, RESUME) from error
