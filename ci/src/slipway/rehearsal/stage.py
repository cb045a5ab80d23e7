"""What the play needs, whoever sets it up: a simulated account, a database for each environment, a place for artifacts.

A stage makes artifacts from releases and runs them: as processes of this machine (`here`), or as containers of an engine (`graph.stage`).
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.preflight import Preflight
from slipway.records.proof import Proof
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import Place, place_of
from slipway.release.engine.engine import Time
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings, TargetKind
from slipway.simulator.clock import Clock
from slipway.simulator.cloud import ACCOUNT, Cloud, simulated
from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.workload.workload import Backend

ENVIRONMENTS = ("staging", "production")
SPEED = 60.0  # the platform's minutes run as seconds
_REGION = "eu-west-1"
_STAND_IN = "rehearsal"


@dataclass(frozen=True)
class Account:
    """A simulated account with a repository for the service; `settings` are the service's, with environments that it can hold."""

    settings: Settings
    cloud: Cloud
    place: Place

    def environment(self, name: str) -> Environment:
        """One of ENVIRONMENTS."""
        return Environment(settings=self.settings, name=name, endpoint_url=self.cloud.url, time=Time(self.cloud.clock.now, self.cloud.clock.sleep))


@asynccontextmanager
async def opened(
    settings: Settings, databases: Mapping[str, str], backend_at: Callable[[str], Backend]
) -> AsyncIterator[Account]:
    """An account for as long as the block lasts; `databases` are the URLs by environment, `backend_at` runs instances, given the account's URL."""
    settings, secrets = for_the_stage(settings, databases)
    async with simulated(backend_at, clock=Clock(SPEED), secrets=secrets) as cloud:
        for there in settings.environments.values():
            for role in filter(None, (there.access_role, there.instance_role)):
                cloud.iam.put(role)
        aws = Aws(_REGION, cloud.url)
        await aws.call("ecr", "create_repository", repositoryName=settings.name, imageTagMutability="IMMUTABLE")
        yield Account(settings, cloud, await place_of(aws, settings.name))


class Release(Protocol):
    """A state of the service's source, and how the story calls it. Releases differ from each other by a commit and by nothing else."""

    @property
    def revision(self) -> str: ...

    @property
    def subject(self) -> str: ...


R_contra = TypeVar("R_contra", bound=Release, contravariant=True)


class Stage(Protocol[R_contra]):
    """What makes artifacts of releases and runs them, for an account. Whatever cannot be done raises SlipwayError."""

    @property
    def account(self) -> Account: ...

    @property
    def how(self) -> str:
        """How releases run here, in a person's words."""
        ...

    @property
    def gate(self) -> str:
        """Where the gate runs here, likewise."""
        ...

    @property
    def postgres(self) -> str:
        """Which Postgres it is, likewise."""
        ...

    async def build(self, release: R_contra) -> Image:
        """Make the artifact of a release, and push it to the account's registry."""
        ...

    async def prove(self, release: R_contra, image: Image) -> Proof:
        """Execute the migrations of a release."""
        ...

    async def preflight(self, image: Image, environment: str) -> Preflight:
        """Try the very artifact under the platform's contract, on a database of its own."""
        ...

    async def migrate(self, image: Image, environment: str) -> Migration:
        """Bring an environment's database to the head of the artifact."""
        ...


def for_the_stage(settings: Settings, databases: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings with both environments in the simulated account, and the values of all secrets that they name, by ARN."""
    environments: dict[str, EnvironmentSettings] = {}
    values: dict[str, str] = {}
    for name, url in databases.items():
        there = settings.environments.get(name) or _plain(name)
        told = settings.migrations.told(url)
        theirs = {variable: _at_home(arn) for variable, arn in there.secrets.items()}
        arns = {variable: _arn(settings.name, name, variable) for variable in told} | theirs
        environments[name] = replace(
            there,
            target=TargetKind.APP_RUNNER,
            region=_REGION,
            account=ACCOUNT,
            access_role=_at_home(there.access_role),
            instance_role=_at_home(there.instance_role or _role(f"{name}-instance")),
            vpc_connector=None,
            auto_scaling=None,
            variables={name: value for name, value in there.variables.items() if name not in arns},
            secrets=arns,
        )
        values |= {arn: told.get(variable, _STAND_IN) for variable, arn in arns.items()}
    return replace(settings, environments=environments), values


def _plain(name: str) -> EnvironmentSettings:
    return EnvironmentSettings(target=TargetKind.APP_RUNNER, region=_REGION, account=ACCOUNT, access_role=_role(name))


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/rehearsal-{name}"


def _at_home(arn: str) -> str:
    """The same resource in the simulated account and region; IAM has no region."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return arn
    return ":".join([*parts[:3], _REGION if parts[3] else "", ACCOUNT, parts[5]])


def _arn(service: str, environment: str, variable: str) -> str:
    return f"arn:aws:secretsmanager:{_REGION}:{ACCOUNT}:secret:{service}/{environment}/{variable}-Stage1"
