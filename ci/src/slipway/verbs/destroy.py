"""destroy: delete a service and its address for good. Images, secrets, roles and the ledger stay."""

from slipway.errors import BadInputError
from slipway.records.outcome import Outcome
from slipway.release.engine.engine import Tell
from slipway.release.engine.goal import Deleted, Goal
from slipway.release.engine.run import reach
from slipway.verbs.environment import Environment


def gone(environment: Environment) -> Goal:
    return Deleted(environment.name, environment.service)


async def destroy(environment: Environment, tell: Tell, confirmed: str) -> Outcome:
    """Delete and answer the truth. Raises BadInputError unless `confirmed` is the service's name, for there is no way back."""
    if confirmed != environment.service:
        raise BadInputError(
            f"{environment.service} was not deleted, for that cannot be taken back",
            f"name it once more: --confirm {environment.service}",
        )
    return await reach(environment.engine(tell), gone(environment))
