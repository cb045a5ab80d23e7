"""Pause, resume and destroy a service: what changes it without a new release."""

from slipway.environment.environment import ServiceEnvironment
from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Tell
from slipway.release.engine.goal import Deleted, Goal, Paused, Resumed, check_sensible
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.run import reach
from slipway.release.errors import or_unknown


def paused(environment: ServiceEnvironment) -> Goal:
    return Paused(environment.name, environment.service)


def deleted(environment: ServiceEnvironment) -> Goal:
    """The service and its address deleted; images, secrets, roles and the ledger stay."""
    return Deleted(environment.name, environment.service)


async def resumed(environment: ServiceEnvironment) -> Goal:
    observed = await or_unknown(environment.status())
    return Resumed(environment.name, environment.service, spec_of_live(environment, observed))


async def plan_of(environment: ServiceEnvironment, goal: Goal) -> Plan:
    """Return what reaching `goal` would change, without changing it; raises RefusedError if the target cannot do it."""
    check_sensible(goal, environment.target)
    return goal.plan(await environment.status())


async def pause(environment: ServiceEnvironment, tell: Tell) -> Outcome:
    """Pause the service; raises SlipwayError if the run cannot start."""
    return await reach(environment.engine(tell), paused(environment))


async def resume(environment: ServiceEnvironment, tell: Tell) -> Outcome:
    """Resume the service with the release it had; raises SlipwayError if the run cannot start."""
    return await reach(environment.engine(tell), await resumed(environment))


async def destroy(environment: ServiceEnvironment, tell: Tell, confirmed: str) -> Outcome:
    """Delete the service; raises BadInputError unless `confirmed` is its name."""
    if confirmed != environment.service:
        raise BadInputError(
            f"{environment.service} was not deleted",
            f"deletion is permanent; confirm with --confirm {environment.service}",
        )
    return await reach(environment.engine(tell), deleted(environment))


def spec_of_live(environment: ServiceEnvironment, observed: Observed) -> ServiceSpec | None:
    """Return the spec of the live release; None if its image is not named by digest."""
    try:
        return environment.spec(Reference.parse(observed.fields.get("image", "")).digest)
    except BadInputError:
        return None
