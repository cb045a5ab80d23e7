"""A service with two environments in a simulated account; each database is only a head."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.environment.environment import ServiceEnvironment
from slipway.records.certificate import Certificate, Ternary, Verdicts
from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event
from slipway.settings import parse
from slipway.simulator.clock import Clock
from tests.release.desired import aws_of, time_of
from tests.simulator.account import ROLE, Account
from tests.simulator.scripted import Script

SETTINGS = parse(
    f"""
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"
smoke-paths = ["/front"]

[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"

[tool.slipway.environments.production]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
"""
)


@dataclass(frozen=True)
class HeldEnvironment(ServiceEnvironment):
    """An environment whose virtual time does not pass while its release is asked."""

    clock: Clock = field(default_factory=Clock)

    async def get(self, *where: str) -> Any:
        with self.clock.held():
            return await super().get(*where)


@dataclass
class Place:
    """One environment, its database's head, and the events of its runs in `told`."""

    account: Account
    name: str
    head: str | None = None
    told: list[str] = field(default_factory=list)

    @property
    def environment(self) -> ServiceEnvironment:
        return self._environment()

    def migrating_to(self, head: str) -> ServiceEnvironment:
        """The environment with a runner that migrates to `head`."""

        async def runner(_environment: ServiceEnvironment, _digest: str, _deployment: str) -> "Migrating":
            return Migrating(self, head)

        return self._environment(runner=runner)

    async def image(self, head: str | None = None, *, healthy: bool = True, commit: str = "unknown") -> str:
        """Push a release whose readiness answer reports `head` and the database's head; without `head` it reports nothing."""

        def says() -> str:
            return json.dumps({"image_head": head, "database_head": self.head, "git_revision": commit})

        return await self.account.image(Script(healthy=healthy, says=says if head else None))

    def tell(self, event: Event) -> None:
        if event.line:
            self.told.append(event.line)

    def _environment(self, **parts: Any) -> ServiceEnvironment:
        return ServiceEnvironment(
            settings=SETTINGS,
            name=self.name,
            endpoint_url=self.account.cloud.url,
            time=time_of(self.account),
            connection=aws_of(self.account),
            **parts,
        )


@dataclass(frozen=True)
class Migrating:
    """A runner that migrates a place's database to a head."""

    place: Place
    head: str
    how: str = "a test"

    async def migrate(self, _tell: Any) -> Migration:
        before, self.place.head = self.place.head, self.head
        return Migration(
            before=(before,) if before else (),
            after=(self.head,),
            applied=(self.head,) if before != self.head else (),
            attempts=1,
            seconds=0.1,
        )

    async def standing(self) -> Standing:
        return Standing((self.place.head,) if self.place.head else (), (self.head,))


def certificate(before: str, after: str, compatible: Ternary = Ternary.YES, **parts: Any) -> Certificate:
    """Return a certificate that the release before works on the schema after a step."""
    step = Verdicts(
        id=after,
        rerunnable=Ternary.YES,
        compatible=compatible,
        blocking=Ternary.NO,
        reversible=Ternary.YES,
        destructive=Ternary.NO,
    )
    plain = Certificate(
        history="h",
        previous="origin/main",
        statements="s",
        before=(before,),
        after=(after,),
        revisions=(step,),
        postgres="18",
        gate="0.1",
        made=1,
        evidence="e",
    )
    return replace(plain, **parts)
