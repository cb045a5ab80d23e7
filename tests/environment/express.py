"""A service on ECS Express Mode in a simulated account, and its deployments as its commands see them."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from slipway.environment.environment import ServiceEnvironment
from slipway.records.outcome import Outcome
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.settings import parse
from slipway.simulator.ecs.express.rollout import ENDED, Pace
from slipway.simulator.ecs.express.service import Deployment, Service
from tests.environment.environments import HeldEnvironment
from tests.release.desired import aws_of, time_of
from tests.release.direct import opened
from tests.simulator.account import Account
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE, trust

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/default/notes"
SETTINGS = f"""
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"

[tool.slipway.environments.staging]
target = "ecs-express"
region = "eu-west-1"
account = "123456789012"
service = "notes"
access-role = "{EXECUTION_ROLE}"
infrastructure-role = "{INFRASTRUCTURE_ROLE}"
subnets = ["subnet-0b", "subnet-0a"]
security-groups = ["sg-1"]
cpu = 256
memory = 512
variables = {{ B = "2", A = "1" }}
"""
BRISK = Pace(provision=10, canary=20, bake=20, clean_up=5, roll_back=10, grace=20, drain=10)
_READS = ("Describe", "List", "Get", "Batch", "Filter")


@dataclass
class Run:
    """An outcome, the requests of its run, what it said, and the seconds from the end of its deployment until it said so."""

    outcome: Outcome
    requests: list[str]
    told: list[str]
    late: float

    @property
    def changes(self) -> list[str]:
        return [
            name
            for name in self.requests
            if not name.startswith(_READS) and not name.endswith(("Image", "Upload", "UploadPart", "LayerPart"))
        ]


def staging_in(account: Account, settings: str, aws: Aws) -> ServiceEnvironment:
    """Return the environment `staging` of a simulated account, whose requests go through `aws`."""
    return HeldEnvironment(
        settings=parse(settings),
        name="staging",
        endpoint_url=account.cloud.url,
        time=time_of(account),
        starts=False,
        clock=account.cloud.clock,
        connection=aws,
    )


@dataclass
class Staging:
    """The environment `staging`; each command is a process of its own."""

    account: Account
    settings: str = SETTINGS
    told: list[str] = field(default_factory=list)
    late: float = 0

    @property
    def environment(self) -> ServiceEnvironment:
        return staging_in(self.account, self.settings, aws_of(self.account))

    @property
    def service(self) -> Service:
        return self.account.cloud.ecs.express.services[ARN]

    def tell(self, event: Event) -> None:
        if event.line:
            self.told.append(event.line)
        if event.line in ENDED and (finished := self.service.deployments[-1].finished):
            self.late = (self.account.cloud.clock.now() - finished).total_seconds()

    async def run(self, act: Awaitable[Outcome]) -> Run:
        cloud, requests = self.account.cloud, len(self.account.cloud.requests)
        self.told.clear()
        return Run(await act, cloud.requests[requests:], [*self.told], self.late)

    async def until(self, stage: str) -> Deployment:
        """Return the newest deployment once it is in a stage."""
        while ARN not in self.account.cloud.ecs.express.services or self.service.deployments[-1].stage != stage:
            await self.account.cloud.clock.sleep(1)
        return self.service.deployments[-1]


@asynccontextmanager
async def staging() -> AsyncIterator[Staging]:
    async with opened() as account:
        trust(account)
        account.cloud.ecs.express.pace = BRISK
        yield Staging(account)


def rewritten(**replacements: Any) -> str:
    """Return the settings with other values: `cpu=512` for `cpu = 256`."""
    lines = [line for line in SETTINGS.splitlines() if line.partition(" ")[0] not in replacements]
    return "\n".join([*lines, *(f"{key} = {value}" for key, value in replacements.items())]) + "\n"
