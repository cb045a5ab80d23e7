"""A deployment from the question to the truth: observe, plan, apply, follow, settle."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from slipway.errors import RefusedError
from slipway.records.outcome import Outcome, Status
from slipway.records.plan import Action, Observed, Plan
from slipway.release.approval import check_still_true
from slipway.release.plan import plan as make_plan
from slipway.release.settle import settle
from slipway.release.spec import ServiceSpec
from slipway.release.target import Event, Operation, Target


@dataclass(frozen=True)
class Time:
    """The platform's time: of a wall clock, or of a simulator."""

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


async def deploy(
    target: Target, spec: ServiceSpec, time: Time, tell: Callable[[Event], None], approved: Plan | None = None
) -> Outcome:
    """Bring `spec` to life and answer the truth; raises RefusedError when the service cannot be changed now, or not as `approved`.

    What is held against the approved plan is the observation that is then applied: there is no other in between.
    """
    began = time.now()
    observed = await target.observe()
    plan = make_plan(spec, observed)
    tell(
        Event(
            f"plan: {plan.action.value}"
            + "".join(f"\n  {change.name}: {change.before} -> {change.after}" for change in plan.changes)
        )
    )
    if plan.action is Action.BLOCKED:
        raise RefusedError(f"{spec.name} cannot be deployed now", plan.reason)
    if approved is not None:
        check_still_true(approved, plan, observed)
    if plan.action is Action.NOOP:
        return _unchanged(spec, observed, time, began)
    operation = await target.apply(spec, plan, observed)
    if operation is None:
        return _unchanged(spec, await target.observe(), time, began)
    async for event in target.follow(operation):
        tell(event)
    return await _truth(target, spec, operation, time, began)


async def _truth(target: Target, spec: ServiceSpec, operation: Operation, time: Time, began: datetime) -> Outcome:
    ended = await target.ended(operation)
    live = await target.observe()
    status = settle(ended, creating=operation.creating, live=live.digest, desired=spec.image.digest)
    diagnosis = await target.evidence(operation, spec) if status.exit_code else None
    seconds = (time.now() - began).total_seconds()
    return Outcome(
        spec.environment, spec.name, status, spec.image.digest, live.digest, live.url, seconds, operation.id, diagnosis
    )


def _unchanged(spec: ServiceSpec, live: Observed, time: Time, began: datetime) -> Outcome:
    status = Status.NOOP if live.digest == spec.image.digest and live.status == "RUNNING" else Status.UNKNOWN
    return Outcome(
        spec.environment,
        spec.name,
        status,
        spec.image.digest,
        live.digest,
        live.url,
        (time.now() - began).total_seconds(),
    )
