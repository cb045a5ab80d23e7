"""The simulated account: all services on one address, the workloads behind them, and the initial state."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from slipway.oci.artifact import MANIFEST, canonical, digest_of
from slipway.oci.registry import Login
from slipway.simulator.app_runner.api import SimulatedAppRunner
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.authorization import Guard
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.api import CloudFormation
from slipway.simulator.contract import Operations, problems, service
from slipway.simulator.ecr import Ecr
from slipway.simulator.ecs.api import Ecs
from slipway.simulator.endpoint import Endpoint
from slipway.simulator.faults import Faults
from slipway.simulator.iam import Sts
from slipway.simulator.platform import Platform
from slipway.simulator.registry import PASSWORD, ImageStore, RegistryProtocol, Repository
from slipway.simulator.secrets import Secrets
from slipway.simulator.serving import serving
from slipway.structure import MismatchError
from slipway.workload.workload import Backend, LaunchSpec, Workload

SAMPLE = "aws-containers/hello-app-runner"
_SAMPLE_MANIFEST = canonical({"schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"stands for": SAMPLE}})
_SAMPLE_DIGEST = digest_of(_SAMPLE_MANIFEST)


def sample(pushed: datetime) -> Repository:
    """Build the sample's repository, with the tag `latest`."""
    repository = Repository(name=SAMPLE, created=pushed)
    repository.tags["latest"] = repository.put_manifest(_SAMPLE_MANIFEST, MANIFEST, pushed)
    return repository


@dataclass
class _RunningSample:
    address: str
    exit_code: int | None = None


class WithSample:
    """A backend that runs the sample in this process and passes every other release to another backend."""

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


ACCOUNT = "123456789012"
LOGIN = Login("AWS", PASSWORD)


@dataclass(frozen=True, kw_only=True)
class Cloud(Platform):
    """A running account, open to scripts and tests."""

    url: str  # the endpoint of every service
    services: Mapping[str, Operations]  # by the name of their model
    requests: list[str]  # the names of all requested operations, in order
    faults: Faults
    guard: Guard
    app_runner: SimulatedAppRunner
    ecs: Ecs
    cloudformation: CloudFormation

    @property
    def secrets(self) -> Secrets:
        return self.references.secrets


@asynccontextmanager
async def simulated(
    backend_at: Callable[[str], Backend],
    *,
    port: int = 0,
    pace: Pace | None = None,
    secrets: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Cloud]:
    """Run an account while the block runs, then stop everything that it started.

    `backend_at` makes the backend from the registry's URL. The default clock is real time. `secrets` are values by the ARN of a secret
    or a parameter.
    """
    clock, store, services = clock or Clock(), ImageStore(), dict[str, Operations]()
    store.public[SAMPLE] = sample(clock.now())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        endpoint = Endpoint(services, RegistryProtocol(store, clock, ACCOUNT), clock, ACCOUNT)
        async with serving(endpoint.app, port) as address:
            url = f"http://{address}"
            backend = WithSample(backend_at(url))
            platform = Platform(clock=clock, store=store, backend=backend, tasks=tasks)
            for arn, value in (secrets or {}).items():
                platform.references.put(arn, value)
            cloud = Cloud(
                **vars(platform),
                url=url,
                requests=endpoint.requests,
                faults=endpoint.faults,
                guard=endpoint.guard,
                services=services,
                app_runner=SimulatedAppRunner(platform, pace),
                ecs=Ecs(platform),
                cloudformation=CloudFormation(services, clock, tasks),
            )
            services |= {
                "apprunner": cloud.app_runner.operations,
                "cloudformation": cloud.cloudformation.operations,
                "ecr": Ecr(store).operations,
                "ecs": cloud.ecs.operations,
                "ec2": cloud.ecs.express.resources.network.operations,
                "elbv2": cloud.ecs.express.resources.balancing.operations,
                "cloudwatch": cloud.ecs.express.resources.alarms.operations,
                "logs": cloud.logs.operations,
                "secretsmanager": cloud.secrets.operations,
                "ssm": cloud.references.parameters.operations,
                "iam": cloud.iam.operations,
                "sts": Sts().operations,
            }
            try:
                yield cloud
            finally:
                tasks.cancel_scope.cancel()


@dataclass(frozen=True)
class InitialState:
    """The contents of an account at the start, as a file states them."""

    repositories: tuple[str, ...] = ()  # names in ECR, with immutable tags
    roles: tuple[str, ...] = ()  # ARNs; App Runner may assume them
    strict_roles: bool = False  # refuse any other role instead of trusting it
    secrets: Mapping[str, str] = field(default_factory=dict)  # environment variables with the values, by ARN

    def __post_init__(self) -> None:
        for index, name in enumerate(self.repositories):
            if problems(service("ecr").operation_model("CreateRepository").input_shape, {"repositoryName": name}):
                raise MismatchError(f"repositories[{index}]", f"found {name!r:.80}, which ECR refuses as a name")
        for index, arn in enumerate(self.roles):
            if not arn.startswith("arn:aws") or ":role/" not in arn:
                raise MismatchError(f"roles[{index}]", f"found {arn!r:.80}, allowed is the ARN of a role")
        for arn in self.secrets:
            if ":secretsmanager:" not in arn and ":ssm:" not in arn:
                raise MismatchError("secrets", f"found {arn!r:.80}, allowed is the ARN of a secret or a parameter")

    def unset(self, variables: Mapping[str, str]) -> list[str]:
        """List the required variables that are not set."""
        return sorted(set(self.secrets.values()) - set(variables))

    def put_into(self, cloud: Cloud, variables: Mapping[str, str]) -> None:
        """Create all of it in an account."""
        for name in self.repositories:
            cloud.store.repositories[name] = Repository(name=name, created=cloud.clock.now(), immutable=True)
        for role in self.roles:
            cloud.iam.put(role)
        cloud.iam.strict = self.strict_roles
        for arn, variable in self.secrets.items():
            cloud.references.put(arn, variables[variable])
