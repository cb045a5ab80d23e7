"""Both sides of a move as observed: the two services, the old service's own names, and a client's way to the new service."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from slipway.environment.compared import Way
from slipway.environment.environment import ServiceEnvironment
from slipway.errors import RefusedError
from slipway.records.plan import Observed, State
from slipway.release.move.domain import Domains, Gateway, OwnNames, gateway_of, names_of
from slipway.release.move.records import Destination, NameRecords
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.spec import arn_of

Resolve = Callable[[str], Awaitable[frozenset[str]]]


@dataclass(frozen=True, kw_only=True)
class Between:
    """One observation of both sides.

    - live: the service on App Runner.
    - there: the service on ECS Express Mode.
    - gateway: the way to the service on ECS, or None.
    - own: the domain names of the service on App Runner; none when there is no service.
    """

    live: Observed
    there: Observed
    own: OwnNames
    gateway: Gateway | None

    @property
    def destination(self) -> Destination | None:
        """The destination of DNS records for the new side."""
        return self.gateway.destination if self.gateway else None

    @property
    def way(self) -> Gateway:
        """The way to the new service. Raise RefusedError when it has none."""
        if self.gateway is None:
            raise RefusedError("the service on ECS has no load balancer", "run the same command again when it is live")
        return self.gateway

    @property
    def shares(self) -> list[int]:
        """The new side's share of each name's traffic; 0 for a name without weights."""
        return [name.percent(self.own.destination, self.destination) or 0 for name in self.own.names]

    @property
    def problems(self) -> list[str]:
        """The reasons why names cannot have weights."""
        found = (name.problem(self.own.destination, self.destination) for name in self.own.names)
        return [*self.own.waiting, *filter(None, found)]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """One environment on its two platforms.

    `resolve` looks names up in DNS when the account's Route 53 does not have them.
    """

    old: ServiceEnvironment
    new: ServiceEnvironment
    resolve: Resolve | None

    async def observed(self) -> Between:
        """Read both services, the names' records, and the new side's load balancer.

        Raise SlipwayError when one cannot be read.
        """
        live, there = await self.old.status(), await self.new.status()
        is_there = live.arn is not None and live.state is not State.ABSENT
        own = await names_of(self.old.aws, str(live.arn)) if is_there else OwnNames()
        api = ExpressApi(self.new.aws, arn_of(self.new.settings, self.new.name))
        gateway = await gateway_of(api) if there.state in (State.LIVE, State.BUSY) else None
        return Between(live=live, there=there, own=own, gateway=gateway)

    def old_way(self, between: Between, name: NameRecords | None = None) -> Way:
        """Return a client's way to the old side, by the platform's address or by the service's own `name`."""
        address = between.own.destination.dns if name else str(between.live.url)
        return Way(side=self.old, platform="App Runner", address=address, name=name.name if name else "")

    def new_way(self, between: Between, name: NameRecords | None = None) -> Way:
        """Return a client's way to the new side, by the platform's address or by the service's own `name`."""
        address = between.way.destination.dns if name else str(between.there.url)
        return Way(side=self.new, platform="ECS", address=address, name=name.name if name else "")

    def domains(self, between: Between) -> Domains:
        """Return the DNS names whose records distribute the traffic between both sides."""
        old, new = between.own.destination, between.destination
        return Domains(aws=self.old.aws, time=self.old.time, service=str(between.live.arn), old=old, new=new)

    async def leads(self, names: Sequence[NameRecords], side: Destination) -> bool | None:
        """Return whether DNS resolves every name to that side only; None when DNS is not used."""
        if self.resolve is None:
            return None
        wanted = await self.resolve(side.dns)
        found = [await self.resolve(name.name) for name in names]
        return bool(wanted) and all(each and each <= wanted for each in found)
