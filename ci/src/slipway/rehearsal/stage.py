"""The stage of a rehearsal: a simulated account, a database for each environment, and a way to build and run releases.

Releases run as processes of this machine (`rehearsal.local`) or as containers of an engine (`graph.stage`).
"""

import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import anyio

from slipway.environment.environment import ServiceEnvironment as Environment
from slipway.errors import BadInputError
from slipway.records.checks import Preflight
from slipway.records.image import Image
from slipway.records.migration import Migration
from slipway.records.proof import Proof
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import Place, place_of
from slipway.release.engine.target import Time
from slipway.settings import AppRunnerEnvironment, ExpressEnvironment, Move, Settings, TargetKind
from slipway.settings import Environment as EnvironmentSettings
from slipway.settings.app_runner import Left
from slipway.simulator.clock import VirtualClock
from slipway.simulator.cloud import Cloud, simulated
from slipway.simulator.contract import ACCOUNT
from slipway.workload.load import longer
from slipway.workload.workload import Backend, HealthCheck, LaunchSpec, Workload, ask

ENVIRONMENTS = ("staging", "production")
LEGACY = "legacy"  # on App Runner, while the others are on ECS Express Mode; it uses production's database
_START_SECONDS = 60.0  # on a free machine; after that the platform's health check decides
REGION = "eu-west-1"
STAND_IN = "rehearsal"
_PLATFORMS = {TargetKind.APP_RUNNER: "App Runner", TargetKind.ECS_EXPRESS: "ECS Express Mode"}


def target_named(name: str | None, settings: Settings) -> TargetKind:
    """Return the target with that name.

    The default is production's target, otherwise the only one in the settings, otherwise ECS Express Mode.
    Raise BadInputError for an unknown name.
    """
    if name is None:
        used = {env.target for env in settings.environments.values()}
        production = settings.environments.get(ENVIRONMENTS[-1])
        return production.target if production else used.pop() if len(used) == 1 else TargetKind.ECS_EXPRESS
    try:
        return TargetKind(name)
    except ValueError:
        known = ", ".join(kind.value for kind in TargetKind)
        raise BadInputError(f"there is no target {name!r:.80}", f"use one of {known}") from None


@dataclass(frozen=True, kw_only=True)
class SimulatedAccount:
    """A simulated account.

    `settings` have both environments on `target`, including those that the service's own settings lack.
    - stand_ins: sentences about values that differ from those in a real account, or do not exist there.
    """

    settings: Settings
    target: TargetKind
    cloud: Cloud
    declared: Collection[str] = ()
    stand_ins: tuple[str, ...] = ()

    async def place(self) -> Place:
        """Return the service's repository. An empty account has none."""
        return await place_of(Aws(REGION, self.cloud.url), self.settings.name)

    @property
    def platform(self) -> str:
        return f"simulated {_PLATFORMS[self.target]}"

    def environment(self, name: str) -> Environment:
        return Environment(
            settings=self.settings,
            name=name,
            endpoint_url=self.cloud.url,
            time=Time(self.cloud.clock.now, self.cloud.clock.sleep),
        )

    def errors_since_newest(self, environment: str) -> tuple[int, int]:
        """Return how often the newest release on ECS Express Mode has answered with 500 or more, and how often another release has since then."""
        (service,) = (
            each
            for each in self.cloud.ecs.express.services.values()
            if each.name == self.settings.service_name(environment)
        )
        newest = service.deployments[-1]
        errors = {group: service.gateway.errors_since(newest.created, group) for group in service.gateway.counted}
        return errors.pop(newest.target.group), sum(errors.values())


@asynccontextmanager
async def opened(
    settings: Settings, target: TargetKind, databases: Mapping[str, str], backend_at: Callable[[str], Backend]
) -> AsyncIterator[SimulatedAccount]:
    """Open an account for the block.

    - databases: the databases' URLs, by environment.
    - backend_at: returns the backend that runs instances, for the account's URL.
    """
    declared, made_up = tuple(settings.environments), tuple(stand_ins(settings))
    settings, secrets = on_stage(settings, target, databases)
    async with empty(settings, target, backend_at, secrets) as account:
        for environment in settings.environments.values():
            for role in filter(None, environment.roles.values()):
                account.cloud.iam.put(role)
        aws = Aws(REGION, account.cloud.url)
        for repository in (settings.name, *map(settings.ledger, settings.environments)):
            await aws.call("ecr", "create_repository", repositoryName=repository, imageTagMutability="IMMUTABLE")
        yield replace(account, declared=declared, stand_ins=made_up)


@asynccontextmanager
async def empty(
    settings: Settings,
    target: TargetKind,
    backend_at: Callable[[str], Backend],
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[SimulatedAccount]:
    """Open an account for the block that contains nothing except `secrets`, which are given by ARN."""

    def waiting_at(url: str) -> Backend:
        return WaitingBackend(backend_at(url))

    async with simulated(waiting_at, clock=VirtualClock(), secrets=secrets) as cloud:
        yield SimulatedAccount(settings=settings, target=target, cloud=cloud)


@dataclass(frozen=True)
class WaitingBackend:
    """A backend whose instances count as started when they listen.

    The platform's clock jumps over waits, so a slow start on this machine must not use up the time of its health
    checks.
    """

    backend: Backend

    @property
    def how(self) -> str:
        return self.backend.how

    @asynccontextmanager
    async def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[Workload]:
        async with self.backend.start(order, on_line) as workload:
            with anyio.move_on_after(longer(_START_SECONDS)):
                while workload.exit_code is None and not (await ask(workload.address, HealthCheck())).healthy:  # noqa: ASYNC110 -- of another process
                    await anyio.sleep(0.05)
            yield workload


class Candidate(Protocol):
    """A commit of the service's source that an act releases."""

    @property
    def revision(self) -> str: ...

    @property
    def subject(self) -> str: ...


C_contra = TypeVar("C_contra", bound=Candidate, contravariant=True)


class Stage(Protocol[C_contra]):
    """A way to build releases and run them in an account. Every method raises SlipwayError when it fails."""

    @property
    def account(self) -> SimulatedAccount: ...

    @property
    def how(self) -> str:
        """Return words on how releases run here."""
        ...

    @property
    def gate(self) -> str:
        """Return words on where the gate runs."""
        ...

    @property
    def postgres(self) -> str: ...

    def emptied(self, settings: Settings, secrets: Mapping[str, str]) -> "AbstractAsyncContextManager[Stage[C_contra]]":
        """Return the same stage with another account for a block.

        That account has only these secrets, and starts servers for its databases.
        """
        ...

    async def build(self, release: C_contra, settings: Settings | None = None) -> Image:
        """Build the artifact of a release and push it to the account's registry.

        `settings` belong to another service, if given.
        """
        ...

    async def prove(self, release: C_contra, image: Image) -> Proof: ...

    async def preflight(self, image: Image, environment: str) -> Preflight:
        """Run the preflight checks on the artifact, with a separate database."""
        ...

    async def migrate(self, image: Image, environment: str) -> Migration:
        """Upgrade an environment's database to the artifact's head."""
        ...


def stand_ins(settings: Settings) -> Iterator[str]:
    """Yield a sentence about variables, and one about secrets, whose values the rehearsal makes up."""
    migrations = settings.migrations
    declared = [env for name, env in settings.environments.items() if name in ENVIRONMENTS]
    named = [{*env.variables, *env.secrets} for env in declared] or [set()]
    plain = [name for name, value in migrations.variables.items() if "{" not in value]
    if unset := [name for name in plain if not all(name in each for each in named)]:
        yield f"[tool.slipway.migrations] sets {', '.join(unset)} here; in an account a release gets only the variables and secrets of its environment"
    secrets = {name for env in declared for name in env.secrets} - migrations.named_variables
    if secrets:
        yield f"the secrets {', '.join(sorted(secrets))} have made-up values"


def on_stage(settings: Settings, target: TargetKind, databases: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Return settings with both environments on a target in the simulated account, and their secrets' values by ARN."""
    environments: dict[str, EnvironmentSettings] = {}
    values: dict[str, str] = {}
    for name, url in databases.items():
        own = settings.environments.get(name)
        env = _on(target, own, f"{settings.name}-{name}")
        database = settings.migrations.database_variables(url)
        secrets = {variable: _simulated(arn) for variable, arn in (own.secrets if own else {}).items()}
        arns = {variable: _arn(settings.name, name, variable) for variable in database} | secrets
        variables = own.variables if own else {}
        environments[name] = replace(
            env,
            access_role=_simulated(env.access_role),
            instance_role=_simulated(env.instance_role or _role(f"{name}-instance")),
            variables={variable: value for variable, value in variables.items() if variable not in arns},
            secrets=arns,
        )
        values |= {arn: database.get(variable, STAND_IN) for variable, arn in arns.items()}
    if isinstance(production := environments.get(ENVIRONMENTS[-1]), ExpressEnvironment):
        environments[LEGACY] = _legacy(settings, production)
    return replace(settings, environments=environments), values


def _on(target: TargetKind, own: EnvironmentSettings | None, service: str) -> EnvironmentSettings:
    """Return an environment on a target in the simulated account, without references to another account's resources."""
    env = own if own and own.target is target else _plain(target, service)
    env = replace(env, region=REGION, account=ACCOUNT, webhook=None)
    if isinstance(env, AppRunnerEnvironment):
        return replace(env, vpc_connector=None, auto_scaling=None, tracing=None, kms_key=None, ingress=None)
    assert isinstance(env, ExpressEnvironment)
    infrastructure = _simulated(env.infrastructure_role)
    return replace(env, infrastructure_role=infrastructure, subnets=(), security_groups=(), log_group=None)


def _legacy(settings: Settings, production: ExpressEnvironment) -> AppRunnerEnvironment:
    """Return an environment on App Runner that will move to production's target."""
    own = settings.environments.get(ENVIRONMENTS[-1])
    may_differ = own.move.without if isinstance(own, AppRunnerEnvironment) and own.move else (Left.SAME_ANSWERS,)
    return AppRunnerEnvironment(
        target=TargetKind.APP_RUNNER,
        region=REGION,
        account=ACCOUNT,
        access_role=production.access_role,
        service=_label(f"{settings.name}-{LEGACY}"),
        instance_role=production.instance_role,
        variables=production.variables,
        secrets=production.secrets,
        move=Move(
            access_role=production.access_role,
            infrastructure_role=production.infrastructure_role,
            instance_role=production.instance_role,
            without=may_differ,
        ),
    )


def _plain(target: TargetKind, service: str) -> EnvironmentSettings:
    """Return an environment for a service that has none on this target."""
    if target is TargetKind.APP_RUNNER:
        return AppRunnerEnvironment(target=target, region=REGION, account=ACCOUNT, access_role=_role("access"))
    return ExpressEnvironment(
        target=target,
        region=REGION,
        account=ACCOUNT,
        access_role=_role("access"),
        infrastructure_role=_role("infrastructure"),
        service=_label(service),
    )


def _label(service: str) -> str | None:
    """Return another name for a service whose name does not fit ECS Express Mode; otherwise None."""
    return None if ExpressEnvironment.service_names.fits(service) else "s-" + re.sub(r"[^a-z0-9]", "-", service)[-38:]


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/rehearsal-{name}"


def _simulated(arn: str) -> str:
    """Return an ARN for the simulated account and region. IAM has no region."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return arn
    return ":".join([*parts[:3], REGION if parts[3] else "", ACCOUNT, parts[5]])


def _arn(service: str, environment: str, variable: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{service}/{environment}/{variable}-Stage1"
