"""promote: deploy to one environment the digest that is live and healthy in another. Nothing is built.

It asks for a proof that the release which is live there works on the schema that this one brings.
"""

from collections.abc import Awaitable

from slipway.errors import BadInputError, RefusedError
from slipway.records.migration import Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Observed, Plan, State
from slipway.release.engine import compatibility as pair
from slipway.release.engine.engine import Tell
from slipway.release.engine.goal import Live
from slipway.release.errors import or_unknown
from slipway.verbs.environment import Environment
from slipway.verbs.proof import Evidence, standing


async def live_in(environment: Environment) -> Observed:
    """What is live and healthy; raises RefusedError when nothing is that could be promoted."""
    observed = await environment.status()
    if observed.state is not State.LIVE or observed.digest is None:
        raise RefusedError(
            f"nothing that could be promoted is live in {environment.name}",
            f"its state is {observed.status or 'absent'}; bring a release to life there with `slipway deploy`, or a paused one with `slipway resume`",
        )
    if environment.settings.health_path is not None:
        await environment.ask(observed, environment.settings.health_path)
    return observed


async def plan_promotion(source: Environment, target: Environment, evidence: Evidence | None = None) -> Plan:
    """What it would change, or why it would be refused; nothing is touched."""
    _check_two(source, target)
    evidence = evidence or Evidence()
    promoted = await live_in(source)
    risk = await _risk(source, target, await standing(source, promoted), await target.status(), evidence)
    return evidence.planned(await target.plan(_digest(promoted)), risk, _unproven(source, target))


async def promote(source: Environment, target: Environment, tell: Tell, evidence: Evidence | None = None) -> Outcome:
    """Promote and answer the truth; raises SlipwayError when it cannot be tried."""
    _check_two(source, target)
    evidence = evidence or Evidence()
    promoted = await or_unknown(live_in(source))
    wanted = await or_unknown(standing(source, promoted))

    def risk(observed: Observed) -> Awaitable[str | None]:
        return _risk(source, target, wanted, observed, evidence)

    permit = evidence.permit(risk, _unproven(source, target), tell)
    engine = target.engine(tell, permit, evidence.certificate, evidence.reason)
    return await target.release(Live(target.spec(_digest(promoted)), Verb.PROMOTE), engine)


def _check_two(source: Environment, target: Environment) -> None:
    if source.name == target.name:
        raise BadInputError(f"{source.name} cannot be promoted to itself", "name another environment with --to")


async def _risk(
    source: Environment, target: Environment, wanted: Readiness, observed: Observed, evidence: Evidence
) -> str | None:
    if observed.digest is None:  # there is no release that a new schema could break
        return None
    live = await standing(target, observed)
    return pair.forward_risk(wanted, live, await evidence.certificates(source, target))


def _unproven(source: Environment, target: Environment) -> str:
    return f"the promotion from {source.name} to {target.name} is not proven"


def _digest(observed: Observed) -> str:
    assert observed.digest is not None
    return observed.digest
