"""What the play needs: a simulated account, a database for each environment, a place for artifacts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import anyio.to_thread

from slipway.postgres import binaries
from slipway.postgres.datadir import cache
from slipway.postgres.server import Server, running
from slipway.release.aws import Aws
from slipway.release.deploy import Time
from slipway.release.ecr import place_of
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings, TargetKind
from slipway.simulator.cloud import ACCOUNT, LOGIN, Cloud, simulated
from slipway.verbs.build import Place
from slipway.verbs.environment import Environment
from slipway.workload.host import HostBackend

ENVIRONMENTS = ("staging", "production")
SPEED = 60.0  # the platform's minutes run as seconds
_REGION = "eu-west-1"
_STAND_IN = "rehearsal"


@dataclass(frozen=True)
class Stage:
    """`settings` are the service's, with environments that the simulated account can hold; `databases` by environment."""

    settings: Settings
    cloud: Cloud
    backend: HostBackend
    place: Place
    databases: Mapping[str, Server]

    @property
    def time(self) -> Time:
        return Time(self.cloud.clock.now, self.cloud.clock.sleep)

    @property
    def how(self) -> str:
        """How things run here, in a person's words."""
        return f"{self.backend.how} from a source tree, simulated App Runner"

    @property
    def postgres(self) -> str:
        """Which Postgres it is, in a person's words."""
        server = self.databases[ENVIRONMENTS[0]]
        return f"PostgreSQL {server.version} of {server.origin}"

    def environment(self, name: str) -> Environment:
        return Environment(self.settings, name, self.cloud.url, self.time)


@asynccontextmanager
async def staged(settings: Settings) -> AsyncIterator[Stage]:
    """Set the stage, and clear it whatever happens; raises BadInputError when the machine lacks something."""
    found = await anyio.to_thread.run_sync(binaries.find, settings.migrations.major)
    async with AsyncExitStack() as stack:
        databases = {name: await stack.enter_async_context(running(found)) for name in ENVIRONMENTS}
        settings, secrets = for_the_stage(settings, {name: server.url for name, server in databases.items()})
        backends: list[HostBackend] = []

        def backend_at(url: str) -> HostBackend:
            backends.append(HostBackend(url, LOGIN, cache()))
            return backends[0]

        cloud = await stack.enter_async_context(simulated(backend_at, speed=SPEED, secrets=secrets))
        aws = Aws(_REGION, cloud.url)
        await aws.call("ecr", "create_repository", repositoryName=settings.name, imageTagMutability="IMMUTABLE")
        place = await place_of(aws, settings.name)
        yield Stage(settings, cloud, backends[0], Place(place.url, place.login, place.uri), databases)


def for_the_stage(settings: Settings, databases: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings with both environments in the simulated account, and the values of all secrets that they name, by ARN."""
    environments: dict[str, EnvironmentSettings] = {}
    values: dict[str, str] = {}
    for name, url in databases.items():
        there = settings.environments.get(name) or _plain(name)
        told = settings.migrations.told(url)
        arns = {variable: _arn(settings.name, name, variable) for variable in told} | dict(there.secrets)
        environments[name] = replace(there, target=TargetKind.APP_RUNNER, region=_REGION, account=ACCOUNT, secrets=arns)
        values |= {arn: told.get(variable, _STAND_IN) for variable, arn in arns.items()}
    return replace(settings, environments=environments), values


def _plain(name: str) -> EnvironmentSettings:
    role = f"arn:aws:iam::{ACCOUNT}:role/rehearsal-{name}"
    return EnvironmentSettings(TargetKind.APP_RUNNER, _REGION, ACCOUNT, role)


def _arn(service: str, environment: str, variable: str) -> str:
    return f"arn:aws:secretsmanager:{_REGION}:{ACCOUNT}:secret:{service}/{environment}/{variable}-Stage1"
