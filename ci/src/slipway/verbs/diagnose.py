"""diagnose: why the newest change of a service, or a recorded deployment, failed; from the platform's logs and the service's own."""

from slipway.errors import BadInputError
from slipway.records.outcome import NOTHING, Examination
from slipway.records.plan import Observed
from slipway.release.engine.recorded import digest_of
from slipway.release.engine.settle import OperationStatus
from slipway.release.engine.spec import ServiceSpec
from slipway.release.engine.target import Operation
from slipway.verbs.environment import Environment
from slipway.verbs.pause import spec_there

_WELL = (OperationStatus.SUCCEEDED, OperationStatus.IN_FLIGHT)


async def diagnose(environment: Environment, number: int | None) -> Examination:
    """Examine deployment `number`, or the newest change by whomever; raises SlipwayError when it cannot be looked at."""
    target = environment.target
    operation = await target.newest() if number is None else await _of(environment, number)
    if operation is None:
        return Examination(environment.name, None, NOTHING)
    ending = await target.ending(operation)
    spec = await _spec(environment, number)
    why = None if ending in _WELL or spec is None else await target.evidence(operation, spec)
    return Examination(environment.name, operation.id, ending.value, why)


async def _of(environment: Environment, number: int) -> Operation:
    accepted = await environment.ledger.accepted(number)
    if accepted is None:
        if await environment.ledger.intent(number) is None:
            raise BadInputError(f"the ledger has no deployment {number}", "`slipway history` has those that there are")
        raise BadInputError(
            f"the platform was never asked for anything by deployment {number}", "`slipway history` tells how it ended"
        )
    return Operation(accepted.arn, accepted.operation, accepted.creating)


async def _spec(environment: Environment, number: int | None) -> ServiceSpec | None:
    """The release that was meant: only its settings count here, where it listens and what must not be shown."""
    intent = None if number is None else await environment.ledger.intent(number)
    if intent is not None and intent.image:
        return environment.spec(digest_of(intent))
    observed: Observed = await environment.status()
    return spec_there(environment, observed)
