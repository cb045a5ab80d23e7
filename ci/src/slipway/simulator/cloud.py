"""The simulated account: all its services on one address, with the instances behind them."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from slipway.oci.registry import Login
from slipway.simulator.app_runner.api import AppRunner
from slipway.simulator.app_runner.deployment import Pace, Platform
from slipway.simulator.call import Operations
from slipway.simulator.clock import Clock
from slipway.simulator.ecr import Ecr
from slipway.simulator.endpoint import Endpoint
from slipway.simulator.faults import Faults
from slipway.simulator.logs import Logs
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


@dataclass(frozen=True)
class Cloud:
    """`url` is the endpoint for every service, `requests` the operations that were asked for, `faults` what becomes of the next ones."""

    url: str
    clock: Clock
    secrets: Secrets
    logs: Logs
    store: Store
    requests: list[str]
    faults: Faults
    app_runner: AppRunner


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

    `backend_at` makes the backend from the registry's URL; `clock` is the platform's, by default as ours.
    """
    clock = clock or Clock()
    store, logs, vault = Store(), Logs(), Secrets()
    store.public[SAMPLE] = sample(clock.now())
    for arn, value in (secrets or {}).items():
        vault.put(arn, value)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.run)
        registry = RegistryProtocol(store, clock)
        services: dict[str, Operations] = {}
        endpoint = Endpoint(services, registry, clock, ACCOUNT)
        async with serving(endpoint.app, port) as address:
            url = f"http://{address}"
            platform = Platform(clock, store, logs, vault, WithSample(backend_at(url)), tasks, pace or Pace())
            app_runner = AppRunner(platform)
            services |= {
                "apprunner": app_runner.operations,
                "ecr": Ecr(store).operations,
                "logs": logs.operations,
                "secretsmanager": vault.operations,
                "sts": Sts().operations,
            }
            try:
                yield Cloud(url, clock, vault, logs, store, endpoint.requests, endpoint.faults, app_runner)
            finally:
                tasks.cancel_scope.cancel()
