"""The simulated accounts: all services at one address, the instances behind them, and the initial state."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Annotated

import anyio
import anyio.abc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from slipway.oci.artifact import MANIFEST, canonical, digest_of
from slipway.oci.registry import Login
from slipway.simulator.app_runner.api import SimulatedAppRunner
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.authorization import Guard
from slipway.simulator.certificates import Certificates
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.api import CloudFormation
from slipway.simulator.contract import ACCOUNT, REGION, Operations, Quotas, problems, service
from slipway.simulator.databases import Databases
from slipway.simulator.ecr import Ecr
from slipway.simulator.ecs.api import Ecs
from slipway.simulator.endpoint import Endpoint
from slipway.simulator.faults import Faults
from slipway.simulator.iam import Iam, Sts
from slipway.simulator.names import Names, Region
from slipway.simulator.platform import Platform
from slipway.simulator.quotas import ServiceQuotas
from slipway.simulator.registry import PASSWORD, ImageStore, RegistryProtocol, Repository
from slipway.simulator.route53 import Route53
from slipway.simulator.secrets import Secrets
from slipway.simulator.serving import serving
from slipway.structure import MismatchError, Pattern
from slipway.workload.workload import Backend, LaunchSpec, Workload

SAMPLE = "aws-containers/hello-app-runner"
_SAMPLE_MANIFEST = canonical({"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"stands for": SAMPLE}})
_SAMPLE_DIGEST = digest_of(_SAMPLE_MANIFEST)


def sample(pushed: datetime) -> Repository:
    """Return the sample's repository, with the tag `latest`."""
    repository = Repository(name=SAMPLE, created=pushed)
    repository.tags["latest"] = repository.put_manifest(_SAMPLE_MANIFEST, MANIFEST, pushed)
    return repository


@dataclass
class _RunningSample:
    address: str
    exit_code: int | None = None


class WithSample:
    """A backend that runs the sample in this process, and passes every other release to another backend."""

    def __init__(self, other: Backend) -> None:
        self._other = other

    @property
    def how(self) -> str:
        return self._other.how

    def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AbstractAsyncContextManager[Workload]:
        return _sample_started(on_line) if order.digest == _SAMPLE_DIGEST else self._other.start(order, on_line)


@asynccontextmanager
async def _sample_started(on_line: Callable[[str], None]) -> AsyncIterator[Workload]:
    async with serving(Starlette(routes=[Route("/", _sample_page)])) as address:
        on_line("INFO:     Uvicorn running on http://0.0.0.0:8000")
        yield _RunningSample(address)


async def _sample_page(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("Hello from App Runner\n")


LOGIN = Login("AWS", PASSWORD)


@dataclass(frozen=True, kw_only=True)
class Cloud(Region):
    """One region of a running account, which scripts and tests can change."""

    url: str  # the endpoint of every service
    endpoint: Endpoint  # the endpoint of all accounts and regions
    places: "Places"
    cloudformation: CloudFormation
    databases: Databases
    operations: Mapping[str, Operations]

    @property
    def requests(self) -> list[str]:
        """The names of all requested operations, in order."""
        return self.endpoint.requests

    @property
    def faults(self) -> Faults:
        return self.endpoint.faults

    @property
    def guard(self) -> Guard:
        return self.endpoint.guard

    @property
    def secrets(self) -> Secrets:
        return self.references.secrets


class Places:
    """The regions of all accounts.

    A region is created when a request first names it. Roles and hosted zones belong to the whole account.
    """

    def __init__(self, clock: Clock, tasks: anyio.abc.TaskGroup, pace: Pace) -> None:
        self._clock, self._tasks, self._pace = clock, tasks, pace
        self._home = ImageStore(repositories={}, public={SAMPLE: sample(clock.now())})
        self._quotas = Quotas()
        self._roles: dict[str, Iam] = {}
        self._zones: dict[str, Route53] = {}
        self._clouds: dict[tuple[str, str], Cloud] = {}
        self._beginnings: list[Callable[[Cloud], None]] = []
        self._backend: Backend | None = None
        self._names = Names(self._clouds.values, clock)
        self.url = ""
        self.endpoint = Endpoint(lambda *place: self.at(*place).operations, RegistryProtocol(self._home, clock), clock)

    def begin(self, url: str, backend: Backend) -> Cloud:
        """Return the home region. Call this when the account's address is known."""
        self.url, self._backend = url, backend
        return self.at(ACCOUNT, REGION)

    def fill(self, put: Callable[[Cloud], None]) -> None:
        """Put an initial state into every region, now or when the region is created."""
        self._beginnings.append(put)
        for cloud in self._clouds.values():
            put(cloud)

    def at(self, account: str, region: str) -> Cloud:
        """Return a region of an account. Create it if necessary."""
        if (account, region) not in self._clouds:
            self._clouds[account, region] = self._opened(account, region)
            for put in self._beginnings:
                put(self._clouds[account, region])
        return self._clouds[account, region]

    def _opened(self, account: str, region: str) -> Cloud:
        assert self._backend is not None
        home = self._home
        store = (
            home
            if (account, region) == (ACCOUNT, REGION)
            else replace(home, account=account, region=region, repositories={})
        )
        platform = Platform(
            clock=self._clock,
            store=store,
            backend=self._backend,
            tasks=self._tasks,
            iam=self._roles.setdefault(account, Iam(quotas=self._quotas)),
            quotas=self._quotas,
        )
        operations = dict[str, Operations]()
        databases = Databases(platform.resources, self._clock)
        zones = self._zones.setdefault(account, Route53(self._clock, self._tasks, self._names.behind))
        cloud = Cloud(
            **vars(platform),
            url=self.url,
            endpoint=self.endpoint,
            places=self,
            app_runner=SimulatedAppRunner(platform, self._pace),
            ecs=Ecs(platform),
            databases=databases,
            cloudformation=CloudFormation(platform, operations, databases, self.endpoint.guard),
            certificates=Certificates(zones),
            route53=zones,
            operations=operations,
        )
        operations |= self._operations(cloud)
        return cloud

    def _operations(self, cloud: Cloud) -> dict[str, Operations]:
        """Return a region's operations, by the names of AWS's API models."""
        express = cloud.ecs.express.resources
        return {
            "apprunner": cloud.app_runner.operations,
            "cloudformation": cloud.cloudformation.operations,
            "ecr": Ecr(cloud.store, self._quotas).operations,
            "ecs": cloud.ecs.operations,
            "service-quotas": ServiceQuotas(self._quotas).operations,
            "ec2": express.network.operations,
            "elbv2": express.balancing.operations,
            "acm": cloud.certificates.operations,
            "cloudwatch": {**express.alarms.operations, **cloud.metrics.operations},
            "route53": cloud.route53.operations,
            "logs": cloud.logs.operations,
            "rds": cloud.databases.operations,
            "secretsmanager": cloud.secrets.operations,
            "ssm": cloud.references.parameters.operations,
            "iam": cloud.iam.operations,
            "sts": Sts().operations,
        }

    @property
    def app(self) -> ASGIApp:
        """The application of the endpoint, which is also a proxy for the domain names in the accounts' hosted zones."""
        return self._names.proxied(self.endpoint.app)


@asynccontextmanager
async def simulated(
    backend_at: Callable[[str], Backend],
    *,
    port: int = 0,
    pace: Pace | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Cloud]:
    """Run accounts during the block, and stop everything that they started.

    Yield the home region of the first account.
    - backend_at: returns the backend for the registry's URL.
    - clock: by default real time.
    - secrets: values by the ARN of a secret or parameter.
    """
    clock = clock or Clock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        places = Places(clock, tasks, pace or Pace())
        async with serving(places.app, port) as address:
            url = f"http://{address}"
            cloud = places.begin(url, WithSample(backend_at(url)))
            places.fill(partial(put_secrets, secrets or {}))
            try:
                yield cloud
            finally:
                tasks.cancel_scope.cancel()


def put_secrets(values: Mapping[str, str], cloud: Cloud) -> None:
    """Set the values of the references that belong to one region."""
    for arn, value in values.items():
        if f":{cloud.store.region}:" in arn:
            cloud.references.put(arn, value)


@dataclass(frozen=True, kw_only=True)
class InitialState:
    """The initial contents of an account, as a file states them."""

    repositories: tuple[str, ...] = ()  # names in ECR, with immutable tags
    roles: tuple[str, ...] = ()  # ARNs; App Runner and ECS may assume these roles
    strict_roles: bool = False  # refuse other roles instead of trusting them
    # The environment variables that contain the values, by ARN.
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    # URL schemes, by ARN: each secret gets the URL of a server that starts with the account.
    databases: Mapping[str, Annotated[str, Pattern(r"postgresql.*", "postgresql or postgresql+DRIVER")]] = field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        for index, name in enumerate(self.repositories):
            if problems(service("ecr").operation_model("CreateRepository").input_shape, {"repositoryName": name}):
                raise MismatchError(f"repositories[{index}]", f"found {name!r:.80}, which ECR refuses as a name")
        for index, arn in enumerate(self.roles):
            if not arn.startswith("arn:aws") or ":role/" not in arn:
                raise MismatchError(f"roles[{index}]", f"found {arn!r:.80}, allowed is the ARN of a role")
        for key, named in (("secrets", self.secrets), ("databases", self.databases)):
            for index, arn in enumerate(named):
                # not shown, because it may be the secret itself
                if ":secretsmanager:" not in arn and ":ssm:" not in arn:
                    raise MismatchError(
                        f"{key}[{index}]", "found another key, allowed is the ARN of a secret or a parameter"
                    )

    def unset(self, variables: Mapping[str, str]) -> list[str]:
        """Return the ARNs of secrets whose variables are not set.

        The variables' names are not shown, because one may be a secret by mistake.
        """
        return sorted(arn for arn, variable in self.secrets.items() if variable not in variables)

    def put_into(self, cloud: Cloud, variables: Mapping[str, str], urls: Mapping[str, str] | None = None) -> None:
        """Create everything in every region, and each secret in its own region.

        `urls` are those of the databases, by ARN.
        """
        values = {arn: variables[variable] for arn, variable in self.secrets.items()}
        cloud.places.fill(partial(self._put, values | dict(urls or {})))

    def _put(self, secrets: Mapping[str, str], cloud: Cloud) -> None:
        for name in self.repositories:
            cloud.store.create(name, cloud.clock.now(), immutable=True)
        for role in self.roles:
            cloud.iam.put(role)
        cloud.iam.strict = self.strict_roles
        put_secrets(secrets, cloud)
