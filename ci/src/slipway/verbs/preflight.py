"""preflight: run the exact digest under the platform's own contract, on an ephemeral database, before the platform is touched."""

import time
from collections.abc import Mapping

import anyio
import anyio.to_thread

from slipway.errors import SlipwayError
from slipway.postgres import binaries
from slipway.postgres.server import running
from slipway.records.outcome import Diagnosis
from slipway.records.preflight import Preflight
from slipway.release.diagnosis import Evidence, diagnose
from slipway.release.spec import ServiceSpec
from slipway.settings import Settings
from slipway.verbs.migrate import migrate
from slipway.workload.health import HealthCheck, ask
from slipway.workload.host import HostBackend
from slipway.workload.workload import Backend, Order, Workload

_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.1
_STAND_IN = "stand-in"
NOT_COVERED = (
    "the values of secrets: stand-ins were used",
    "roles, VPC connector and security groups: only AWS can try them",
    "the size of the instance: the machine's own was used",
)


async def preflight(backend: HostBackend, settings: Settings, spec: ServiceSpec) -> Preflight:
    """Start the release with stand-ins for its secrets and a database at its head, and ask for its health; raises SlipwayError when that cannot be tried."""
    began = time.monotonic()
    found = await anyio.to_thread.run_sync(binaries.find, settings.migrations.major)
    async with running(found) as server:
        async with backend.unpacked(spec.image.repository.partition("/")[2], spec.image.digest) as release:
            await migrate(release, settings.migrations, server.url)
        diagnosis = await tried(backend, spec, settings.migrations.told(server.url))
    return Preflight(spec.image.digest, round(time.monotonic() - began, 3), diagnosis, NOT_COVERED)


async def tried(backend: Backend, spec: ServiceSpec, database: Mapping[str, str]) -> Diagnosis | None:
    """Start the release with the variables of a `database` at its head; None when it becomes healthy."""
    variables = dict.fromkeys(spec.secrets, _STAND_IN) | dict(spec.variables) | dict(database)
    heard: list[str] = []
    order = Order(spec.image.repository.partition("/")[2], spec.image.digest, spec.port, variables)
    try:
        async with backend.start(order, heard.append) as workload:
            ended = await _until_healthy(workload, HealthCheck(spec.health_path))
    except SlipwayError as error:
        return Diagnosis("start", error.what, (), error.next_step)
    return None if ended is None else diagnose(Evidence((ended,), tuple(heard)), spec)


async def _until_healthy(workload: Workload, check: HealthCheck) -> str | None:
    """None when it became healthy; else what the platform would write."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if workload.exit_code is not None:
            return f"Container exit code: {workload.exit_code}"
        if (await ask(workload.address, check)).healthy:
            return None
        await anyio.sleep(_POLL_SECONDS)
    return "Health check failed on protocol"
