"""The service's own domain names at its load balancer on ECS Express Mode, each requested as a client does."""

from dataclasses import dataclass

from slipway.environment.compared import Way
from slipway.environment.observed import ObservedEnvironment
from slipway.errors import SlipwayError
from slipway.records.plan import Observed
from slipway.release.move.domain import gateway_of, hosts_at
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.settings import ExpressEnvironment


@dataclass(frozen=True, kw_only=True)
class NamesAnswer:
    """The service's own names that answer.

    - problem: why a name does not answer.
    - way_out: what to do about the problem.
    - unread: why the names could not be read.
    """

    names: tuple[str, ...] = ()
    problem: str = ""
    way_out: str = ""
    unread: str = ""


async def ask_names(environment: ObservedEnvironment, observed: Observed) -> NamesAnswer:
    """Request the smoke paths under each of the service's own names, at the load balancer, without DNS.

    Private services and services on App Runner have no such names.
    """
    is_asked = observed.main_digest and observed.arn and observed.url and not observed.private
    if not isinstance(environment.own_settings, ExpressEnvironment) or not is_asked:
        return NamesAnswer()
    try:
        gateway = await gateway_of(ExpressApi(environment.aws, str(observed.arn)))
        hosts = await hosts_at(environment.aws, gateway) if gateway else []
    except SlipwayError as error:
        return NamesAnswer(unread=str(error))
    names = tuple(host for host in hosts if host != observed.url and "*" not in host)
    for name in names:
        assert gateway is not None
        way = Way(side=environment, platform="ECS", address=gateway.destination.dns, name=name)
        if problem := await way.failure(()):
            return NamesAnswer(
                names=names,
                problem=problem,
                way_out=f"restore the certificate and the rule of {name} at {gateway.balancer}",
            )
    return NamesAnswer(names=names)
