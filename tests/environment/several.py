"""Services of one repository on ECS Express Mode, in the private subnets of a simulated account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from slipway.environment.called import connected
from slipway.environment.environment import ServiceEnvironment
from slipway.environment.joint import JointDeployment, joint_deployment
from slipway.release.aws.client import Aws
from slipway.settings import Settings, parse
from slipway.simulator.ecs.express.service import Service
from slipway.simulator.network import Subnet
from tests.environment.express import BRISK
from tests.release.desired import aws_of, time_of
from tests.release.direct import opened
from tests.simulator.account import Account
from tests.simulator.express import EXECUTION_ROLE, INFRASTRUCTURE_ROLE, trust
from tests.simulator.scripted import Script

VPC = "vpc-0a1b2c3d"


def settings_of(name: str, *calls: str, subnets: str = "private", more: str = "") -> Settings:
    return parse(f"""
[tool.slipway]
name = "{name}"
command = ["serve"]
health-path = "/healthz"
calls = {list(calls)}
{more}
[tool.slipway.environments.staging]
target = "ecs-express"
region = "eu-west-1"
account = "123456789012"
access-role = "{EXECUTION_ROLE}"
infrastructure-role = "{INFRASTRUCTURE_ROLE}"
subnets = ["subnet-{subnets}a", "subnet-{subnets}b"]
security-groups = ["sg-{name}"]
cpu = 256
memory = 512
network = {{ vpc = "{VPC}", subnets = ["subnet-privatea", "subnet-privateb"], database-security-group = "sg-db" }}
""")


@dataclass
class Repository:
    """Services by name, their folders being `services/NAME`, in one account; every command is a process of its own."""

    account: Account
    services: dict[str, Settings]

    @property
    def folders(self) -> Mapping[str, Settings]:
        return {f"services/{name}": each for name, each in self.services.items()}

    def environment(self, name: str, **parts: Any) -> ServiceEnvironment:
        """Return a service's `staging`, without the addresses of others."""
        return ServiceEnvironment(
            settings=self.services[name],
            name="staging",
            endpoint_url=self.account.cloud.url,
            time=time_of(self.account),
            starts=False,
            connection=aws_of(self.account),
            **parts,
        )

    async def joint(self, digests: Mapping[str, str], aws: Aws | None = None) -> JointDeployment:
        """Return the release of digests, as a process of its own; `aws` is its connection."""

        async def opened(settings: Settings) -> ServiceEnvironment:
            made = self.environment(settings.name)
            return replace(made, connection=aws or made.connection)

        images = [f"{self.services[name].repository('staging')}@{digest}" for name, digest in digests.items()]
        return await joint_deployment(self.folders, "staging", images, opened)

    async def live(self) -> dict[str, str | None]:
        """Return the digest that serves alone, by service; read from the platform's own state."""
        found: dict[str, str | None] = {}
        for name in self.services:
            service = self.account.cloud.ecs.express.services.get(self.arn(name))
            active = [each for each in service.active if not service.deleted] if service else []
            found[name] = active[0].digest if len(active) == 1 else None
        return found

    async def connected(self, name: str) -> ServiceEnvironment:
        return await connected(self.environment(name), self.folders)

    async def image(self, name: str, script: Script | None = None) -> str:
        return await self.account.image(script, repository=name)

    def arn(self, name: str) -> str:
        return f"arn:aws:ecs:eu-west-1:123456789012:service/default/{name}-staging"

    def service(self, name: str) -> Service:
        return self.account.cloud.ecs.express.services[self.arn(name)]

    def variables(self, name: str) -> dict[str, str]:
        """Return the variables of a service's newest revision."""
        container = self.service(name).revisions[-1].configuration["primaryContainer"]
        return {each["name"]: each["value"] for each in container["environment"]}


@asynccontextmanager
async def repository(*services: Settings) -> AsyncIterator[Repository]:
    async with opened() as account:
        trust(account)
        account.cloud.ecs.express.pace = BRISK
        for zone in "ab":
            account.cloud.ecs.express.resources.network.put(
                Subnet(id=f"subnet-private{zone}", zone=zone, public=False, vpc=VPC)
            )
            account.cloud.ecs.express.resources.network.put(Subnet(id=f"subnet-public{zone}", zone=zone, vpc=VPC))
        for each in services:
            for name in (each.name, f"{each.name}-ledger-staging"):
                await account.ask("ecr", "create_repository", repositoryName=name, imageTagMutability="IMMUTABLE")
        yield Repository(account, {each.name: each for each in services})
