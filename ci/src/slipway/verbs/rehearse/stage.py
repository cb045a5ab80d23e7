"""What the play needs, whoever sets it up: a simulated account, a database for each environment, a place for artifacts.

A stage makes artifacts from releases and runs them: as processes of this machine (`here`), or as containers of an engine (`graph.stage`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.preflight import Preflight
from slipway.records.proof import Proof
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings import Settings, TargetKind
from slipway.simulator.cloud import ACCOUNT
from slipway.verbs.environment import Environment

ENVIRONMENTS = ("staging", "production")
SPEED = 60.0  # the platform's minutes run as seconds
REGION = "eu-west-1"
_STAND_IN = "rehearsal"


class Release(Protocol):
    """A state of the service's source, and how the story calls it. Releases differ from each other by a commit and by nothing else."""

    @property
    def revision(self) -> str: ...

    @property
    def subject(self) -> str: ...


R_contra = TypeVar("R_contra", bound=Release, contravariant=True)


class Stage(Protocol[R_contra]):
    """`settings` are the service's, with environments that the simulated account can hold. Whatever cannot be done raises SlipwayError."""

    @property
    def settings(self) -> Settings: ...

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

    def environment(self, name: str) -> Environment:
        """One of ENVIRONMENTS."""
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
        arns = {variable: _arn(settings.name, name, variable) for variable in told} | dict(there.secrets)
        environments[name] = replace(there, target=TargetKind.APP_RUNNER, region=REGION, account=ACCOUNT, secrets=arns)
        values |= {arn: told.get(variable, _STAND_IN) for variable, arn in arns.items()}
    return replace(settings, environments=environments), values


def _plain(name: str) -> EnvironmentSettings:
    role = f"arn:aws:iam::{ACCOUNT}:role/rehearsal-{name}"
    return EnvironmentSettings(TargetKind.APP_RUNNER, REGION, ACCOUNT, role)


def _arn(service: str, environment: str, variable: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{service}/{environment}/{variable}-Stage1"
