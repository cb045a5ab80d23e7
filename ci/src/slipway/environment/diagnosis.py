"""Why the newest deployment failed, from the ledger and the platform, and whether the live release answers."""

from contextlib import suppress
from dataclasses import replace
from functools import partial

from slipway.environment.logs import newest_error
from slipway.environment.observed import ObservedEnvironment
from slipway.environment.opened import NO_DIGEST
from slipway.environment.status import UNREAD, asked_from_memory, ledger_of, way_out_by_ledger
from slipway.errors import BadInputError, SlipwayError
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import NOTHING, Diagnosis, Examination, Status
from slipway.release.engine.compatibility import BROKEN
from slipway.release.engine.engine import RESUME
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.recorded import digest_of, last_asked, live_with
from slipway.release.engine.target import Operation, OperationStatus
from slipway.release.errors import PlatformRefusedError

_NOT_FAILED = (OperationStatus.SUCCEEDED, OperationStatus.IN_FLIGHT)
_NOT_KEPT = "each … replaces words of the application, which only the run's own output has"


async def diagnose(environment: ObservedEnvironment, number: int | None) -> Examination:
    """Examine deployment `number`, or the newest change of the service and the live release.

    While the platform cannot be read, examine the newest deployment and the address in the ledger. Raise SlipwayError
    when no AWS service answers.
    """
    environment = environment.impatient()
    if number is not None:
        return await _examined(environment, number)
    try:
        return await _with_answer(environment, await _newest(environment))
    except UNREAD as error:
        if isinstance(error, PlatformRefusedError) and error.is_unusable:
            raise
        return await _remembered(environment, error)


async def _remembered(environment: ObservedEnvironment, error: SlipwayError) -> Examination:
    """Return the end of the newest deployment in the ledger, and whether its address answers.

    Raise `error` when no AWS service answers.
    """
    history, unseen = await ledger_of(environment, is_settled=False)
    if not environment.aws.patience.answered:
        raise error
    newest, last = next(iter(history.releases), None), last_asked(history.releases)
    known = f"in the ledger deployment {history.newest} has no recorded end"
    if newest and newest.number == history.newest:
        known = f"in the ledger deployment {newest.number} ended as {': '.join(filter(None, [newest.status.value, newest.cause]))}"
    elif not history.newest:
        known = f"neither can the ledger ({unseen})" if unseen else "the ledger has no deployment"
    answer = (await asked_from_memory(environment, history.releases, last))[1] if last else None
    cause = f"the platform cannot be read ({error.what}); {known}"
    diagnosis = Diagnosis(rule="unread", cause=cause, lines=(), remedy=error.next_step, place="ledger")
    return Examination(
        environment=environment.name,
        operation=None,
        ending="unknown",
        diagnosis=diagnosis,
        number=history.newest or None,
        answer=answer,
    )


async def _newest(environment: ObservedEnvironment) -> Examination:
    """Examine the newest deployment in the ledger, or an operation that another client started later."""
    operation = await environment.target.newest()
    last = None
    with suppress(SlipwayError):  # without the ledger, the platform's own record is used
        last = (await environment.ledger.contents()).newest
    if not last:
        return await _of_operation(environment, operation, None)
    accepted = await environment.ledger.accepted(last)
    if accepted and operation and accepted.id != operation.id:
        return await _of_operation(environment, operation, await _number_of(environment, operation))
    if accepted is None and operation and await _is_foreign(environment, operation):
        return await _of_operation(environment, operation, None)
    return await _examined(environment, last)


async def _is_foreign(environment: ObservedEnvironment, operation: Operation) -> bool:
    """Return whether an operation belongs to another client, and still runs or ended after the newest deployment with an end."""
    if await _number_of(environment, operation) is not None:
        return False
    ended = await environment.target.ended(operation)
    newest = next(iter((await environment.history()).releases), None)
    return ended is None or newest is None or ended.timestamp() > newest.ended


async def _examined(environment: ObservedEnvironment, number: int) -> Examination:
    """Examine a deployment by its operation, or by the ledger's record when there is no operation or no failure on the platform."""
    release = next(iter(await environment.ledger.releases([number])), None)
    intent = await environment.ledger.intent(number)
    operation = await environment.ledger.accepted(number)
    if release is None and intent is None:
        raise BadInputError(f"the ledger has no deployment {number}", "`slipway history` lists the recorded ones")
    if operation is None:
        return _recorded(environment, number, release, intent)
    found = await _of_operation(environment, operation, number)
    if found.diagnosis and release:
        found = replace(found, diagnosis=_with_what_the_run_knew(found.diagnosis, release))
    if release and release.cause.startswith(BROKEN):  # only that run observed both releases
        return replace(found, diagnosis=_cause(environment, release))
    if release is not None and release.status is Status.UNANSWERED:
        return replace(found, ending="live, and did not answer", diagnosis=_cause(environment, release))
    return found


def _recorded(
    environment: ObservedEnvironment, number: int, release: Release | None, intent: Intent | None
) -> Examination:
    """Return the recorded end of a deployment that changed nothing on the platform."""
    found = partial(Examination, environment=environment.name, number=number)
    if release is None:
        who = f" of {intent.holder}" if intent else ""
        cause = f"the run{who} has recorded no end, and started nothing on the platform yet"
        remedy = f"if it does not run any more, {RESUME}"
        why = Diagnosis(rule="unfinished", cause=cause, lines=(), remedy=remedy)
        return found(operation=None, ending="unknown", diagnosis=why)
    if not release.status.exit_code:
        return found(operation=release.operation, ending="succeeded")
    why = _cause(environment, release)
    return found(operation=release.operation, ending=release.status.value, diagnosis=why)


def _with_what_the_run_knew(diagnosis: Diagnosis, release: Release) -> Diagnosis:
    """Return the platform's diagnosis with the run's remedy, because the run knew its changes and whether it had migrated."""
    kept = diagnosis.kept
    if release.remedy.startswith(kept.remedy):
        return replace(diagnosis, remedy=diagnosis.remedy + release.remedy.removeprefix(kept.remedy))
    same = release.remedy and release.cause.startswith(kept.cause)
    return replace(diagnosis, remedy=release.remedy) if same else diagnosis


def _cause(environment: ObservedEnvironment, release: Release) -> Diagnosis:
    remedy = release.remedy or f"`slipway status --environment {environment.name}` shows what is live"
    if "…" in release.cause:
        remedy = f"{remedy}; {_NOT_KEPT}"
    return Diagnosis(
        rule="recorded", cause=release.cause or "no cause was recorded", lines=(), remedy=remedy, place="ledger"
    )


async def _of_operation(
    environment: ObservedEnvironment, operation: Operation | None, number: int | None
) -> Examination:
    if operation is None:
        return Examination(environment=environment.name, operation=None, ending=NOTHING)
    target = environment.target
    ending = await target.ending(operation)
    failed = ending not in _NOT_FAILED
    diagnosis = await target.evidence(operation, await _spec(environment, number)) if failed else None
    return Examination(
        environment=environment.name, operation=operation.id, ending=ending.value, diagnosis=diagnosis, number=number
    )


async def _with_answer(environment: ObservedEnvironment, found: Examination) -> Examination:
    """Add whether the live release answers, and the newest error in its log when it does not."""
    observed, releases = await environment.status(), tuple[Release, ...]()
    with suppress(SlipwayError):
        releases = (await environment.history()).releases
    answer = await environment.answer(
        observed, await environment.paths_of(live_with(releases, observed.main_digest)), ()
    )
    out = way_out_by_ledger(environment.name, answer, releases, observed.digest)
    if found.diagnosis and found.diagnosis.remedy == out:
        out = ""
    log = await newest_error(environment, str(observed.arn)) if answer.problem else ()
    return replace(found, answer=answer if answer.paths else None, way_out=out, log=log)


async def _number_of(environment: ObservedEnvironment, operation: Operation) -> int | None:
    """Return the number of the newest deployment that started an operation.

    Return None for another client's operation, or an unreadable ledger.
    """
    with suppress(SlipwayError):
        accepted = (await environment.ledger.contents()).accepted
        for intent, started in await environment.ledger.begun(sorted(accepted, reverse=True)):
            if started and started.id == operation.id:
                return intent.number
    return None


async def _spec(environment: ObservedEnvironment, number: int | None) -> ServiceSpec:
    """Return the spec of the diagnosed release. Its digest is NO_DIGEST when another tool deployed an image by tag."""
    intent = None if number is None else await environment.ledger.intent(number)
    if intent is not None and intent.image:
        return environment.spec(digest_of(intent))
    return environment.spec_of_live(await environment.status()) or environment.spec(NO_DIGEST)
