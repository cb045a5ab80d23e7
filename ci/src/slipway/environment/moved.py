"""Refuse deployments to App Runner after a move. The ledger records which side has the traffic."""

from slipway.environment.opened import NEWEST, OpenEnvironment
from slipway.errors import RefusedError
from slipway.records.ledger import Intent, Release
from slipway.records.outcome import Status, Verb
from slipway.settings import AppRunnerEnvironment


async def gone(environment: OpenEnvironment) -> RefusedError | None:
    """Return the refusal of a release on App Runner whose traffic has moved, or is moving, to ECS Express Mode.

    Otherwise return None.
    """
    env, name = environment.own_settings, environment.name
    if not isinstance(env, AppRunnerEnvironment) or env.move is None:
        return None
    shift = await last_shift(environment)
    if shift is None or has_stayed(shift):
        return None
    if isinstance(shift, Release) and shift.status is Status.SUCCEEDED:
        return RefusedError(
            f"the traffic of {name} has moved to ECS Express Mode with deployment {shift.number}",
            f'set target = "ecs-express" in [tool.slipway.environments.{name}], or go back with `slipway move --environment {name} --back`',
        )
    return RefusedError(
        f"deployment {shift.number} moves the traffic of {name}, and has not succeeded",
        f"finish it with `slipway move --environment {name} --to ecs-express`, or go back with --back",
    )


async def last_shift(environment: OpenEnvironment) -> Release | Intent | None:
    """Return the newest deployment that shifted traffic or began to; None when the newest records have none."""
    contents = await environment.ledger.contents()
    records = await environment.ledger.newest_records(contents, NEWEST)
    return next((each for each in reversed(records) if each.verb in (Verb.SHIFT, Verb.SHIFT_BACK)), None)


def has_stayed(shift: Release | Intent) -> bool:
    """Return whether the old side has the traffic after a shift that has ended."""
    return isinstance(shift, Release) and shift.status is (
        Status.SUCCEEDED if shift.verb is Verb.SHIFT_BACK else Status.ROLLED_BACK
    )
