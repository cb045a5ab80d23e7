"""Abort: roll back the operation in flight, and follow it until its end is known.

An abort takes no deployment number and no lock. The run that started the operation may hold both; it follows the
operation, too, and records the end. If that run was killed, the abort records it.
"""

from contextlib import suppress

from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.records.outcome import Diagnosis, Outcome, Status, Verb
from slipway.records.plan import Observed, State
from slipway.records.progress import Event, Phase
from slipway.release.engine.engine import Engine
from slipway.release.engine.overtaken import ends_of
from slipway.release.engine.target import Operation, OperationStatus
from slipway.release.errors import leaving_unknown, or_unknown

_READS, _PAUSE_SECONDS = 3, 2.0  # a run that is alive records its end within this time
_AGAIN = "look at it with `slipway status`"
# For each end of an operation after the request to roll back: the outcome, and its meaning for the person who asked.
_ENDS = {
    OperationStatus.ABORTED: (Status.SUCCEEDED, "", ""),
    OperationStatus.ROLLED_BACK: (Status.SUCCEEDED, "", ""),
    OperationStatus.SUCCEEDED: (
        Status.FAILED,
        "the request came too late: the release is live",
        "`slipway rollback` deploys the one before it",
    ),
    OperationStatus.STOPPED: (Status.SUPERSEDED, "a newer operation stopped it first", _AGAIN),
    OperationStatus.FAILED: (
        Status.FAILED,
        "there is no release to go back to, and none is live",
        "`slipway destroy` deletes what is left; `slipway deploy` creates it again",
    ),
    OperationStatus.ROLLBACK_FAILED: (Status.ROLLBACK_FAILED, "the platform could not go back", _AGAIN),
    OperationStatus.GONE: (Status.FAILED, "the service was deleted meanwhile", _AGAIN),
}


async def abort(engine: Engine, environment: str, service: str) -> Outcome:
    """Roll back the operation in flight and return the outcome.

    Raise SlipwayError when there is none, or when the platform could not be asked.
    """
    if instead := engine.target.impossible.get(Verb.ABORT):
        raise BadInputError(f"a deployment of {service} cannot be aborted on its platform", instead)
    began = engine.time.seconds()
    engine.tell(Event(phase=Phase.LOOK))
    operation = await _in_flight(engine, service)
    with leaving_unknown(f"whether the platform was asked to roll {operation.id} back is unknown"):
        await engine.target.take_back(operation)
    engine.tell(Event(f"asked the platform to roll back {operation.id}", Phase.CHANGE))
    status, why, live = await _followed(engine, operation)
    outcome = Outcome(
        environment=environment,
        service=service,
        status=status,
        requested="",
        live=live.digest,
        url=live.url,
        seconds=engine.time.seconds() - began,
        operation=operation.id,
        diagnosis=why,
        verb=Verb.ABORT,
    )
    await _record(engine, operation)
    return outcome


async def _record(engine: Engine, operation: Operation) -> None:
    """Record the end of the operation's deployment if its own run was killed, so that the next run need not resume it."""
    with suppress(SlipwayError):  # without the ledger, or without permission to write, the next run records it
        number = (await engine.ledger.contents()).newest
        accepted = await engine.ledger.accepted(number)
        if accepted is None or accepted.id != operation.id:
            return
        for _ in range(_READS):
            if number in (await engine.ledger.contents()).releases:
                return
            await engine.time.sleep(_PAUSE_SECONDS)
        for release in await ends_of([number], number, engine.ledger, engine.target, engine.time.now()):
            await engine.ledger.end(release)


def in_flight_unknown(service: str) -> str:
    """Return the unknown fact when the platform cannot be read before an abort."""
    return f"whether a deployment of {service} is in flight is unknown, and one that is continues"


async def _in_flight(engine: Engine, service: str) -> Operation:
    """Return the newest operation. Raise RefusedError when it has ended, or when there is none."""
    with leaving_unknown(in_flight_unknown(service)):
        operation = await or_unknown(engine.target.newest())
        ending = await or_unknown(engine.target.ending(operation)) if operation else None
    if operation is None or ending is not OperationStatus.IN_FLIGHT:
        raise RefusedError(
            f"no deployment of {service} is in flight", "`slipway rollback` goes back from a release that is live"
        )
    return operation


async def _followed(engine: Engine, operation: Operation) -> tuple[Status, Diagnosis | None, Observed]:
    """Return how an operation ended after the request to roll it back, the diagnosis if it was not rolled back, and the live state."""
    try:
        async for event in engine.target.follow(operation):
            if not event.is_shared:
                engine.tell(event)
        ending = await engine.target.ending(operation)
        live = await or_unknown(engine.target.observe())
    except SlipwayError as error:
        what = f"the platform was asked to go back, and cannot be followed: {error.what}"
        why = Diagnosis(rule="unknown", cause=what, lines=(), remedy=error.next_step)
        return Status.UNKNOWN, why, Observed(state=State.UNKNOWN)
    status, cause, remedy = _ENDS.get(ending, (Status.UNKNOWN, "its status is not known", _AGAIN))
    return status, Diagnosis(rule="abort", cause=cause, lines=(), remedy=remedy) if cause else None, live
