"""pause and resume: let a service rest, which costs nothing, and wake it with the release that it had."""

from slipway.errors import BadInputError
from slipway.oci.content import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed
from slipway.release.deploy import reach
from slipway.release.engine import Tell
from slipway.release.goal import Awake, Goal, Paused
from slipway.release.seeing import seen
from slipway.release.spec import ServiceSpec
from slipway.verbs.environment import Environment


def paused(environment: Environment) -> Goal:
    return Paused(environment.name, environment.service)


async def awake(environment: Environment) -> Goal:
    return Awake(environment.name, environment.service, spec_there(environment, await seen(environment.status())))


async def pause(environment: Environment, tell: Tell) -> Outcome:
    """Pause and answer the truth; raises SlipwayError when it cannot be tried."""
    return await reach(environment.engine(tell), paused(environment))


async def resume(environment: Environment, tell: Tell) -> Outcome:
    """Resume and answer the truth; raises SlipwayError when it cannot be tried."""
    return await reach(environment.engine(tell), await awake(environment))


def spec_there(environment: Environment, observed: Observed) -> ServiceSpec | None:
    """The release that a service has, as far as it is named by digest."""
    try:
        return environment.spec(Reference.parse(observed.fields.get("image", "")).digest)
    except BadInputError:
        return None
