"""The plan of each command of a move, and the reasons to refuse it. This module changes nothing."""

from dataclasses import replace

from slipway.environment.environment import ServiceEnvironment, check_confirmed
from slipway.environment.move_sides import Between, Sides
from slipway.environment.observed import PAUSES
from slipway.errors import RefusedError
from slipway.records.outcome import Verb
from slipway.records.plan import Action, FieldChange, Observed, Plan, State
from slipway.release.engine.goal import Deleted, Paused
from slipway.release.engine.plan import fingerprint
from slipway.release.move.counterpart import obstacles
from slipway.release.move.domain import lacking
from slipway.release.move.records import WHOLE, NameRecords
from slipway.release.move.shift import STEPS, WATCH_SECONDS


async def plan_forward(sides: Sides) -> Plan:
    """Return the changes of a move, or every obstacle."""
    between = await sides.observed()
    found = await obstacles_of(sides, between)
    if found or between.live.digest is None:
        return _blocked(sides.old, between.live, "; ".join(found))
    plan = await sides.new.plan(between.live.digest, Verb.MOVE)
    share = min(between.shares, default=WHOLE)
    change = await lacking(sides.new.aws, between.gateway, between.own.names)
    change += [FieldChange("traffic", f"{share} % on ecs-express", f"{WHOLE} %")] if share < WHOLE else []
    changes = (*plan.changes, *change)
    action = Action.UPDATE if plan.action is Action.NOOP and changes else plan.action
    return replace(plan, action=action, changes=changes, notes=(*plan.notes, *_steps(between)))


async def plan_back(sides: Sides, confirmed: str) -> Plan:
    """Return the changes of the way back."""
    check_name(sides, confirmed)
    between = await sides.observed()
    live, share = between.live, max(between.shares, default=0)
    plan = _blocked(sides.old, live, "")
    if refused := nothing_to_go_back_to(sides, live):
        return replace(plan, reason=str(refused))
    changes = [FieldChange("traffic", f"{share} % on ecs-express", "0 %")] if share else []
    changes += [FieldChange("state", live.state.value, State.LIVE.value)] if live.state is not State.LIVE else []
    if confirmed and between.there.state is not State.ABSENT:
        changes.append(FieldChange("service on ecs-express", between.there.state.value, State.ABSENT.value))
    foreign = between.own.foreign if between.there.state is not State.ABSENT else ()
    notes = (_awaits(foreign),) if foreign else ()
    action = Action.UPDATE if changes or notes else Action.NOOP
    return replace(plan, action=action, changes=tuple(changes), notes=notes)


async def plan_finish(sides: Sides, confirmed: str) -> Plan:
    """Return the changes at the end of a move, or why it is too early."""
    check_name(sides, confirmed)
    between = await sides.observed()
    goal = (Deleted if confirmed else Paused)(sides.old.name, sides.old.service)
    if refused := await too_early(sides, between):
        return _blocked(sides.old, between.live, str(refused))
    return goal.plan(between.live)


async def obstacles_of(sides: Sides, between: Between) -> tuple[str, ...]:
    """List every obstacle to a move."""
    live = between.live
    heads = await sides.old.readiness(live) if live.state is State.LIVE else None
    found = obstacles(sides.old.settings, sides.old.name, live, heads)
    return (*found, *between.problems) if live.state is State.LIVE else found


def nothing_to_go_back_to(sides: Sides, live: Observed) -> RefusedError | None:
    """Return the refusal to go back to a service that no longer exists; otherwise None."""
    if live.state in (State.LIVE, State.PAUSED, State.BUSY):
        return None
    return RefusedError(
        f"{sides.old.service} on App Runner is {live.status or 'deleted'}, so there is nothing to go back to",
        '`slipway rollback` with target = "ecs-express" deploys an earlier release on ECS',
    )


async def too_early(sides: Sides, between: Between) -> RefusedError | None:
    """Return why a move cannot be finished: the new service lacks a part of the traffic, or does not answer.

    Otherwise return None.
    """
    there, move = between.there, "finish the move first with `slipway move`"
    if there.state is not State.LIVE or there.digest is None:
        return RefusedError(f"{sides.new.service} on ECS is {there.status or 'absent'}", move)
    if problem := await sides.new.smoke_failure(there):
        return RefusedError(f"the new side does not answer: {problem}", "mend it, or go back with --back")
    for name, share in zip(between.own.names, between.shares, strict=True):
        if name.zone is not None and share != WHOLE:
            return RefusedError(f"{name.name} does not lead to ECS alone", move)
    if (foreign := between.own.foreign) and await sides.leads(foreign, between.way.destination) is False:
        return RefusedError(f"in DNS {_shown(foreign)} does not lead to ECS alone", move)
    for name in between.own.names:
        if problem := await sides.new_way(between, name).failure(PAUSES):
            return RefusedError(
                problem, "`slipway move --to ecs-express` restores certificate and rule; or go back with --back"
            )
    return None


async def no_better(sides: Sides, between: Between) -> RefusedError | None:
    """Return why going back would be worse: the new side answers under a name and the old side does not.

    Otherwise return None.
    """
    for name in between.own.names:
        problem = await sides.old_way(between, name).failure(PAUSES)
        if problem and between.gateway and not await sides.new_way(between, name).failure(()):
            return RefusedError(
                f"the traffic stays on ECS, which answers: {problem}",
                "mend App Runner's side, which `slipway logs` shows, and run the same command again",
            )
    return None


def check_name(sides: Sides, confirmed: str) -> None:
    """Raise BadInputError when a name does not confirm the deletion. An empty name means that nothing is deleted."""
    if confirmed:
        check_confirmed(sides.old, confirmed)


def _blocked(environment: ServiceEnvironment, live: Observed, reason: str) -> Plan:
    return Plan(
        environment=environment.name,
        service=environment.service,
        image=live.fields.get("image", ""),
        action=Action.BLOCKED,
        changes=(),
        fingerprint=fingerprint(live),
        reason=reason,
    )


def _steps(between: Between) -> tuple[str, ...]:
    """Return the steps of a move that follow the creation of the new service."""
    both, names = "both services answer the smoke paths, and the answers are compared", between.own.names
    if not names:
        return both, f"{between.live.url} is the only address: no traffic is shifted, its clients must use the new one"
    named = f"both are asked under {_shown(names)} before the first step, and ECS during each"
    if between.own.foreign:
        return both, named, _awaits(between.own.foreign)
    steps = ", ".join(str(step) for step in STEPS)
    minutes = f"{WATCH_SECONDS / 60:.0f} minutes each"
    weighted = f"{steps} % of the traffic by weighted records, {minutes}; after an error App Runner gets all of it back"
    return both, named, weighted


def _awaits(foreign: tuple[NameRecords, ...]) -> str:
    return f"Route 53 of this account does not have {_shown(foreign)}: the records are printed and awaited"


def _shown(names: tuple[NameRecords, ...]) -> str:
    return " and ".join(name.name for name in names)
