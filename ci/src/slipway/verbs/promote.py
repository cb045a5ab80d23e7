"""promote: deploy to one environment the digest that is live and healthy in another. Nothing is built.

It asks for a proof that the release which is live there works on the schema that this one brings.
"""

from slipway.errors import RefusedError
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Observed, Plan
from slipway.release import pair
from slipway.release.engine import Tell
from slipway.release.goal import Live
from slipway.release.seeing import seen
from slipway.verbs.environment import Environment
from slipway.verbs.proof import Evidence, standing


async def live_in(environment: Environment) -> Observed:
    """What is live and healthy; raises RefusedError when nothing is that could be promoted."""
    observed = await environment.status()
    if observed.status != "RUNNING" or observed.digest is None:
        raise RefusedError(
            f"nothing that could be promoted is live in {environment.name}",
            f"its state is {observed.status or 'absent'}; deploy there first",
        )
    if environment.settings.health_path is not None:
        await environment.ask(observed, environment.settings.health_path)
    return observed


async def plan_promotion(source: Environment, target: Environment) -> Plan:
    """What it would change; nothing is touched."""
    return await target.plan(_digest(await live_in(source)))


async def promote(source: Environment, target: Environment, tell: Tell, evidence: Evidence | None = None) -> Outcome:
    """Promote and answer the truth; raises SlipwayError when it cannot be tried."""
    evidence = evidence or Evidence()
    promoted = await seen(live_in(source))
    wanted = await seen(standing(source, promoted))

    async def permit(observed: Observed) -> None:
        if observed.digest is None:  # there is no release that a new schema could break
            return
        live = await standing(target, observed)
        certificates = await evidence.certificates(source, target)
        risk = pair.risk_of_going_on(wanted, live, certificates)
        evidence.weigh(risk, f"the promotion from {source.name} to {target.name} is not proven", tell)

    engine = target.engine(tell, permit, evidence.certificate, evidence.reason)
    return await target.release(Live(target.spec(_digest(promoted)), Verb.PROMOTE), engine)


def _digest(observed: Observed) -> str:
    assert observed.digest is not None
    return observed.digest
