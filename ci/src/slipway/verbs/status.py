"""status: what is live, how it came there, what goes on, and what the release says of itself. Who may not read the ledger gets the rest."""

from slipway.errors import SlipwayError
from slipway.records.ledger import History, Situation
from slipway.release.engine.recorded import digest_of, was_live
from slipway.verbs.environment import Environment

_REMEMBERED = 100  # deployments, which ECR answers in one call


async def status(environment: Environment) -> Situation:
    """Ask the platform, the ledger and the release; raises SlipwayError when the platform cannot be asked."""
    observed = await environment.status()
    history, unseen = await _history(environment)
    live = (
        found
        for found in history.releases
        if observed.digest is not None and was_live(found) and digest_of(found) == observed.digest
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


async def _history(environment: Environment) -> tuple[History, str]:
    try:
        return await environment.history(_REMEMBERED), ""
    except SlipwayError as error:
        return History(environment.name, ()), str(error)
