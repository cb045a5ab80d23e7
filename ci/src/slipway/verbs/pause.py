"""pause and resume: let a service rest, which costs nothing, and wake it with the release that it had."""

from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.records.outcome import Outcome
from slipway.records.plan import Observed
from slipway.release.engine.engine import Tell
from slipway.release.engine.goal import Goal, Paused, Resumed
from slipway.release.engine.run import reach
from slipway.release.engine.spec import ServiceSpec
from slipway.release.errors import or_unknown
from slipway.verbs.environment import Environment


def paused(environment: Environment) -> Goal:
    return Paused(environment.name, environment.service)


async def awake(environment: Environment) -> Goal:
    return Resumed(
        environment.name, environment.service, spec_there(environment, await or_unknown(environment.status()))
    )


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
