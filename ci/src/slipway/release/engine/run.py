"""A run, from a goal to its outcome: observe, plan, claim a number, wait for the lock, migrate, change, follow, record.

The ledger has everything that another run must know before it happens, so a run can resume an unfinished one with the
same goal. The lock is held from the last reading of the service to the platform's answer. After that, every run can see
that the service is busy.
"""

from contextlib import suppress
from dataclasses import replace

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.ledger import Intent
from slipway.records.migration import MigrationFailedError
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Phase
from slipway.release.engine.change import change, migrate, recall_migration
from slipway.release.engine.engine import RESUME, Engine, Run
from slipway.release.engine.goal import Goal, Live, check_sensible
from slipway.release.engine.ledger import Contents, nonce
from slipway.release.engine.outcome import end, ended_badly, follow, outcome_of, unchanged
from slipway.release.engine.recorded import newer_than
from slipway.release.engine.target import Operation
from slipway.release.errors import BusyError, NotReadyError, PlatformRefusedError, or_unknown

_OTHERS_SECONDS = 30 * 60.0  # until other runs and operations have ended and the deploy lock is free
_NOT_READY_SECONDS = 3 * 60.0  # a new role is usable everywhere after a minute and a half, as users report
_WAIT_SECONDS = 5.0
_REMEMBERED = 100  # deployments that ECR returns in one call


async def reach(engine: Engine, goal: Goal, approved: Plan | None = None) -> Outcome:
    """Reach `goal` and return the outcome.

    Raise SlipwayError when nothing could be tried, or when the plan is no longer the `approved` one.
    """
    check_sensible(goal, engine.target)
    run = Run(engine=engine, goal=goal, approved=approved, began=engine.time.seconds())
    run.enter(Phase.LOOK)
    observed = await run.observe()
    plan = goal.plan(observed)
    if observed.state is State.BUSY:
        run.say(f"in flight: {observed.operation or 'an operation that the platform does not name'}")
    else:
        run.say_plan(plan)
        run.check_possible(plan)
        if plan.action is Action.NOOP:
            return await _already_true(run, plan, observed)
    await _claim(run, plan, observed)
    return await _finished(run)


async def _already_true(run: Run, plan: Plan, observed: Observed) -> Outcome:
    """End this goal's own unfinished deployment, if any, and change nothing.

    An unreadable ledger does not change the outcome.
    """
    run.check_approved(plan, observed)
    with suppress(SlipwayError):
        if not await run.ledger.is_settled():
            await _resumed(run, await run.ledger.contents())
    return await _finished(run) if run.number else await unchanged(run, observed)


async def _claim(run: Run, plan: Plan, observed: Observed) -> None:
    """Resume this goal's unfinished deployment, or claim the next number. Nothing is written before that."""
    contents = await run.ledger.contents()
    if unfinished := await _resumed(run, contents):
        run.say(f"resuming deployment {unfinished.number}, which {unfinished.holder} started")
        return
    run.check_approved(plan, observed)
    run.enter(Phase.CHECK)
    # The live image with other settings is not an older release.
    if observed.digest is None or observed.digest not in run.image:
        await _check_newer(run, contents)
    if observed.state is not State.BUSY:  # while another operation runs, the next live release is unknown
        await run.permit(observed)
    versions = await run.engine.prepare(observed)
    specification = run.goal.specification if isinstance(run.goal, Live) else None
    intent = Intent(
        environment=run.goal.environment,
        number=0,
        image=run.image,
        wanted=run.goal.hash,
        fingerprint=plan.fingerprint,
        holder=run.engine.holder,
        nonce=nonce(),
        verb=run.goal.verb,
        joint=run.engine.joint,
        specification=specification and replace(specification, versions=versions or {}),
        changes=plan.differences,
    )
    run.number = (await run.ledger.claim(intent, contents.newest)).number


async def _check_newer(run: Run, contents: Contents) -> None:
    """Raise RefusedError for a release that is older than the current one, as when the job of an old commit runs again."""
    goal = run.goal
    if not isinstance(goal, Live) or goal.verb is not Verb.DEPLOY or goal.may_be_older or run.approved:
        return
    if older := newer_than(run.image, await run.ledger.newest_records(contents, _REMEMBERED)):
        raise RefusedError(f"this release is not the newest: {older.found}", older.remedy(goal.environment))


async def _resumed(run: Run, contents: Contents) -> Intent | None:
    """Resume the newest intent if it has no end, has the same goal, and started from the approved state.

    Otherwise return None.
    """
    newest = contents.newest
    intent = await run.ledger.intent(newest) if newest and newest not in contents.releases else None
    if intent is None or not _is_same(run, intent):
        return None
    run.number, run.risk, run.changes = newest, run.engine.risk, intent.changes
    return intent


def _is_same(run: Run, intent: Intent) -> bool:
    """Return whether an intent has this run's goal, and started from the approved state."""
    is_approved = run.approved is None or run.approved.fingerprint == intent.fingerprint
    return intent.wanted == run.goal.hash and is_approved


async def _adopted(run: Run, contents: Contents) -> bool:
    """Continue as the newest deployment if that has the same goal, for example from another job of the same commit."""
    newest = contents.newest
    if newest in contents.releases and newest not in contents.accepted:  # this deployment ended without a change
        return False
    intent = await or_unknown(run.ledger.intent(newest))
    if intent is None or not _is_same(run, intent):
        return False
    run.say(f"following deployment {newest} of {intent.holder}, which does the same")
    run.number = newest
    return True


async def _finished(run: Run) -> Outcome:
    """Bring a numbered run to an outcome. Record the outcome unless it is unknown."""
    try:
        operation = await _operation(run)
        return operation if isinstance(operation, Outcome) else await follow(run, operation)
    except (UnknownOutcomeError, PlatformRefusedError) as error:  # after a refused read it is unknown what has started
        return _unknown(run, error)
    except SlipwayError as error:
        return await _refused(run, error)


async def _operation(run: Run) -> Operation | Outcome:
    """Return the operation of this number, which was accepted earlier or starts now. Wait until other runs have ended."""
    deadline, not_ready_until, last_reason = run.seconds + _OTHERS_SECONDS, 0.0, ""
    while True:
        contents = await or_unknown(run.ledger.contents())
        if run.number in contents.accepted and (accepted := await or_unknown(run.ledger.accepted(run.number))):
            await recall_migration(run)
            return accepted
        if contents.newest > run.number:
            if not await _adopted(run, contents):
                return await _superseded(run, contents.newest)
            continue
        try:
            return await _attempt(run)
        except NotReadyError as error:
            not_ready_until = not_ready_until or run.seconds + _NOT_READY_SECONDS
            if run.seconds > not_ready_until:
                raise
            reason = error.what
        except BusyError as error:
            if run.seconds > deadline:
                raise RefusedError(
                    f"{run.goal.service} could not be changed in {_OTHERS_SECONDS / 60:.0f} minutes",
                    f"{error.what}; run the same command again when the other change has ended",
                ) from error
            reason = error.what
        if reason != last_reason:
            run.enter(Phase.WAIT)
            run.say(f"waiting: {reason}")
            last_reason = reason
        await run.engine.time.sleep(_WAIT_SECONDS)


async def _attempt(run: Run) -> Operation | Outcome:
    """Migrate and change if the service is free. Otherwise raise BusyError; nothing has been changed then."""
    observed = await run.observe()
    plan = run.goal.plan(observed)
    if observed.state is State.BUSY:
        now = f"; `slipway abort --environment {run.goal.environment}` rolls it back now"
        raise BusyError(plan.reason + ("" if Verb.ABORT in run.engine.target.impossible else now), RESUME)
    run.check_possible(plan)
    run.check_approved(plan, observed)
    if plan.action is not Action.NOOP:
        await run.permit(observed)
        await migrate(run, observed)
    async with run.lock(await or_unknown(run.engine.target.newest())) as lock:
        return await change(run, lock)


async def _superseded(run: Run, newer: int) -> Outcome:
    cause = f"deployment {newer} came after this one ({run.number})"
    why = Diagnosis(rule="superseded", cause=cause, lines=(), remedy="nothing needs to be done")
    return await end(run, outcome_of(run, Status.SUPERSEDED, await run.observe(), why=why))


def _unknown(run: Run, error: SlipwayError) -> Outcome:
    run.say(f"deployment {run.number}: {error}")
    why = Diagnosis(rule="unknown", cause=error.what, lines=(), remedy=error.next_step)
    return outcome_of(run, Status.UNKNOWN, None, why=why)


async def _refused(run: Run, error: SlipwayError) -> Outcome:
    """Record that this run has not changed the service. When the state cannot be read, the outcome is unknown instead."""
    try:
        live = await run.observe()
    except UnknownOutcomeError:
        return _unknown(run, error)
    quotes = (error.reason,) if isinstance(error, MigrationFailedError) else ()
    why = Diagnosis(rule="refused", cause=error.what, lines=(), remedy=error.next_step, quotes=quotes)
    return await ended_badly(run, Status.REFUSED, live, why)
