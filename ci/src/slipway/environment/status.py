"""The state of an environment: what is live, and why the newest change failed."""

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.lifecycle import spec_of_live
from slipway.errors import BadInputError, SlipwayError
from slipway.records.ledger import History, Situation
from slipway.records.outcome import NOTHING, Examination
from slipway.release.engine.ledger import digest_of, was_live
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, OperationStatus

_HISTORY = 100  # deployments, which ECR returns in one call
_NOT_FAILED = (OperationStatus.SUCCEEDED, OperationStatus.IN_FLIGHT)


async def status(environment: ServiceEnvironment) -> Situation:
    """Read the platform, the ledger and the release; raises SlipwayError if the platform cannot be read.

    Without access to the ledger everything else is returned, and `unseen` says why the ledger is missing.
    """
    observed = await environment.status()
    history, unseen = await _history(environment)
    live = (
        release
        for release in history.releases
        if observed.digest is not None and was_live(release) and digest_of(release) == observed.digest
    )
    return Situation(
        environment=environment.name,
        observed=observed,
        live=next(live, None),
        newest=next(iter(history.releases), None),
        unfinished=history.unfinished,
        readiness=await environment.readiness(observed) if observed.digest else None,
        unseen=unseen,
    )


async def _history(environment: ServiceEnvironment) -> tuple[History, str]:
    try:
        return await environment.history(_HISTORY), ""
    except SlipwayError as error:
        return History(environment.name, ()), str(error)


async def diagnose(environment: ServiceEnvironment, number: int | None) -> Examination:
    """Examine deployment `number`, or the newest change of the service; raises SlipwayError if the platform cannot be read."""
    target = environment.target
    operation = await target.newest() if number is None else await _operation_of(environment, number)
    if operation is None:
        return Examination(environment.name, None, NOTHING)
    ending = await target.ending(operation)
    spec = await _spec(environment, number)
    diagnosis = None if ending in _NOT_FAILED or spec is None else await target.evidence(operation, spec)
    return Examination(environment.name, operation.id, ending.value, diagnosis)


async def _operation_of(environment: ServiceEnvironment, number: int) -> Operation:
    accepted = await environment.ledger.accepted(number)
    if accepted is None:
        if await environment.ledger.intent(number) is None:
            raise BadInputError(f"the ledger has no deployment {number}", "`slipway history` lists the recorded ones")
        raise BadInputError(
            f"deployment {number} started no operation on the platform", "`slipway history` shows how it ended"
        )
    return accepted


async def _spec(environment: ServiceEnvironment, number: int | None) -> ServiceSpec | None:
    """Return the release meant: the diagnosis needs its port and the values it must not show."""
    intent = None if number is None else await environment.ledger.intent(number)
    if intent is not None and intent.image:
        return environment.spec(digest_of(intent))
    return spec_of_live(environment, await environment.status())
