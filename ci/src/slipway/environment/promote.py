"""Promote: deploy the digest that is live and healthy in one environment to another. Nothing is built.

A promotion needs proof that the release live in the target works on the schema that the new release brings.
"""

from collections.abc import Awaitable

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.evidence import CompatibilityEvidence, known_heads
from slipway.errors import BadInputError, RefusedError
from slipway.records.migration import Readiness
from slipway.records.outcome import Outcome, Verb
from slipway.records.plan import Observed, Plan, State
from slipway.records.progress import Tell
from slipway.release.engine.compatibility import forward_risk
from slipway.release.engine.goal import Live
from slipway.release.errors import or_unknown


async def live_in(environment: ServiceEnvironment) -> Observed:
    """Return the live and healthy release; raises RefusedError if there is none to promote."""
    observed = await environment.status()
    if observed.state is not State.LIVE or observed.digest is None:
        raise RefusedError(
            f"nothing that could be promoted is live in {environment.name}",
            f"its state is {observed.status or 'absent'}; deploy a release there with `slipway deploy`, or resume a paused one with `slipway resume`",
        )
    if environment.settings.health_path is not None:
        await environment.ask(observed, environment.settings.health_path)
    return observed


async def plan_promotion(
    source: ServiceEnvironment, target: ServiceEnvironment, evidence: CompatibilityEvidence | None = None
) -> Plan:
    """Return what the promotion would change, or why it would be refused; changes nothing."""
    _check_two(source, target)
    evidence = evidence or CompatibilityEvidence()
    promoted = await live_in(source)
    risk = await _risk(source, target, await known_heads(source, promoted), await target.status(), evidence)
    return evidence.planned(await target.plan(_digest(promoted)), risk, _unproven(source, target))


async def promote(
    source: ServiceEnvironment, target: ServiceEnvironment, tell: Tell, evidence: CompatibilityEvidence | None = None
) -> Outcome:
    """Promote and return the outcome; raises SlipwayError if the run cannot start."""
    _check_two(source, target)
    evidence = evidence or CompatibilityEvidence()
    promoted = await or_unknown(live_in(source))
    heads = await or_unknown(known_heads(source, promoted))

    def risk(observed: Observed) -> Awaitable[str | None]:
        return _risk(source, target, heads, observed, evidence)

    permit = evidence.permit(risk, _unproven(source, target), tell)
    engine = target.engine(tell, permit, evidence.certificate, evidence.reason)
    return await target.release(Live(target.spec(_digest(promoted)), Verb.PROMOTE), engine)


def _check_two(source: ServiceEnvironment, target: ServiceEnvironment) -> None:
    if source.name == target.name:
        raise BadInputError(f"{source.name} cannot be promoted to itself", "name another environment with --to")


async def _risk(
    source: ServiceEnvironment,
    target: ServiceEnvironment,
    heads: Readiness,
    observed: Observed,
    evidence: CompatibilityEvidence,
) -> str | None:
    if observed.digest is None:  # no live release that a new schema could break
        return None
    live = await known_heads(target, observed)
    return forward_risk(heads, live, await evidence.certificates(source, target))


def _unproven(source: ServiceEnvironment, target: ServiceEnvironment) -> str:
    return f"the promotion from {source.name} to {target.name} is not proven"


def _digest(observed: Observed) -> str:
    assert observed.digest is not None
    return observed.digest
