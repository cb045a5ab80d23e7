"""The domain names of the simulated accounts.

Clients connect to an address and request one of these names, in TLS and in HTTP.
No DNS server has these names, so the endpoint is an HTTP proxy for them. It has no TLS: where a handshake would fail,
it drops the connection.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from slipway.simulator.app_runner.api import SimulatedAppRunner
from slipway.simulator.balancing import FIXED_ANSWERS, NAMESPACE, TLS_ERRORS, LoadBalancer
from slipway.simulator.certificates import Certificates
from slipway.simulator.clock import Clock
from slipway.simulator.ecs.api import Ecs
from slipway.simulator.platform import Platform
from slipway.simulator.route53 import Route53, full
from slipway.simulator.serving import Cut

_LOST = Cut()


@dataclass(frozen=True, kw_only=True)
class Region(Platform):
    """A simulated region, with the services to which names lead."""

    app_runner: SimulatedAppRunner
    ecs: Ecs
    certificates: Certificates
    route53: Route53  # the service for the whole account


class Names:
    """The names of all accounts. `clouds` returns their regions."""

    def __init__(self, clouds: Callable[[], Iterable[Region]], clock: Clock) -> None:
        self._clouds = clouds
        self._clock = clock

    def behind(self, target: str, host: str) -> ASGIApp:
        """Return the application that answers requests for `host` at `target`, the DNS name of a service or load balancer."""
        for cloud in self._clouds():
            for service in cloud.app_runner.services.values():
                if full(service.dns) == full(target) and service.status != "DELETED":
                    return service.front if service.answers_for(host) else _LOST
            for balancer in cloud.ecs.express.resources.balancing.balancers.values():
                if full(balancer.dns) == full(target):
                    return _behind_balancer(cloud, balancer, host)
        return _LOST

    def proxied(self, app: ASGIApp) -> ASGIApp:
        """Return an application that is also a proxy for the names, including those in Route 53."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].startswith("http://"):
                await app(scope, receive, send)
                return
            url = urlsplit(scope["raw_path"].decode("latin-1"))
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").partition(":")[0]
            path = url.path or "/"
            with self._clock.held():
                named = self._named(url.hostname or "", host)
                await named({**scope, "path": unquote(path), "raw_path": path.encode("latin-1")}, receive, send)

        return answer

    def _named(self, name: str, host: str) -> ASGIApp:
        fronts = (cloud.route53.fronts.get(full(name)) for cloud in self._clouds())
        return next(filter(None, fronts), None) or self.behind(name, host)


def _behind_balancer(cloud: Region, balancer: LoadBalancer, host: str) -> ASGIApp:
    """Return the application for a host: the service whose rule has it, otherwise the default action.

    Without a certificate the handshake fails.
    """

    def count(metric: str) -> None:
        cloud.metrics.count(NAMESPACE, metric, balancer.dimensions, cloud.clock.now())

    certificates = [cloud.certificates.certificates.get(arn) for arn in balancer.certificates]
    if not any(one and one.covers(host) for one in certificates):
        count(TLS_ERRORS)
        return _LOST
    gateways = (service.gateway for service in cloud.ecs.express.services.values())
    for gateway in gateways:
        if gateway.rule.arn in balancer.rules and host in gateway.rule.hosts:
            return gateway.front
    count(FIXED_ANSWERS)
    return PlainTextResponse("Not Found", 404)
