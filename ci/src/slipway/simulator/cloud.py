"""The simulated account: all its services on one address, with the instances behind them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from slipway.oci.registry import Login
from slipway.simulator.app_runner.api import AppRunner
from slipway.simulator.app_runner.deployment import Pace, Platform
from slipway.simulator.authorization import Guard
from slipway.simulator.call import Operations
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.api import CloudFormation
from slipway.simulator.ecr import Ecr
from slipway.simulator.ecs.api import Ecs
from slipway.simulator.endpoint import Endpoint
from slipway.simulator.faults import Faults
from slipway.simulator.iam import Iam
from slipway.simulator.logs import Logs
from slipway.simulator.references import References
from slipway.simulator.registry import PASSWORD, RegistryProtocol
from slipway.simulator.sample import NAME as SAMPLE
from slipway.simulator.sample import WithSample, sample
from slipway.simulator.secrets import Secrets
from slipway.simulator.serving import serving
from slipway.simulator.store import Store
from slipway.simulator.sts import Sts
from slipway.workload.workload import Backend

ACCOUNT = "123456789012"
LOGIN = Login("AWS", PASSWORD)


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """`url` is the endpoint for every service, `requests` the operations that were asked for, `faults` what becomes of the next ones.

    `references` lead to secrets and parameters by ARN, `iam` has the roles. `guard` holds calls against a policy, when it is given one.
    """

    url: str
    clock: Clock
    references: References
    iam: Iam
    logs: Logs
    store: Store
    requests: list[str]
    faults: Faults
    app_runner: AppRunner
    ecs: Ecs
    guard: Guard
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
    """Run the account for as long as the block lasts; everything it started is stopped then.

    `backend_at` makes the backend from the registry's URL; `clock` is the platform's, by default as ours. `secrets` are values by ARN, those
    of parameters too.
    """
    clock = clock or Clock()
    store, logs, references, iam = Store(), Logs(), References(), Iam()
    store.public[SAMPLE] = sample(clock.now())
    for arn, value in (secrets or {}).items():
        references.put(arn, value)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        registry = RegistryProtocol(store, clock, ACCOUNT)
        services: dict[str, Operations] = {}
        endpoint = Endpoint(services, registry, clock, ACCOUNT)
        async with serving(endpoint.app, port) as address:
            url = f"http://{address}"
            backend = WithSample(backend_at(url))
            platform = Platform(
                clock=clock,
                store=store,
                logs=logs,
                references=references,
                roles=iam,
                backend=backend,
                tasks=tasks,
                pace=pace or Pace(),
            )
            app_runner = AppRunner(platform)
            ecs = Ecs(platform)
            cloudformation = CloudFormation(services, clock, tasks)
            services |= {
                "apprunner": app_runner.operations,
                "cloudformation": cloudformation.operations,
                "ecr": Ecr(store).operations,
                "ecs": ecs.operations,
                "logs": logs.operations,
                "secretsmanager": references.secrets.operations,
                "ssm": references.parameters.operations,
                "iam": iam.operations,
                "sts": Sts().operations,
            }
            try:
                yield Cloud(
                    url=url,
                    clock=clock,
                    references=references,
                    iam=iam,
                    logs=logs,
                    store=store,
                    requests=endpoint.requests,
                    faults=endpoint.faults,
                    app_runner=app_runner,
                    ecs=ecs,
                    guard=endpoint.guard,
                    cloudformation=cloudformation,
                )
            finally:
                tasks.cancel_scope.cancel()
