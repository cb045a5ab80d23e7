"""The workload backend of an engine. Instances are services that are started from the pushed digest."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files

import anyio
import anyio.abc
import dagger
from anyio.streams.buffered import BufferedByteReceiveStream
from dagger import dag

from slipway.errors import RefusedError
from slipway.graph.refusal import meaning, said
from slipway.workload.supervisor import PORT as SUPERVISOR_PORT
from slipway.workload.workload import LaunchSpec

REGISTRY_HOST = "localhost:5000"  # for any other name, the engine uses https
_SUPERVISOR = "/tmp/supervisor.py"  # noqa: S108 -- inside a container
_LONGEST_LINE = 64_000


def registry_service(image: str) -> dagger.Service:
    """Return a registry for the session, at REGISTRY_HOST."""
    return dag.container().from_(image).with_exposed_port(5000).as_service(use_entrypoint=True)


class ContainerInstance:
    """A service whose output and exit code come from the supervisor."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.exit_code: int | None = None

    async def listen(self, supervisor: anyio.abc.ByteReceiveStream, on_line: Callable[[str], None]) -> None:
        """Forward every line until the command ends or the service stops."""
        lines = BufferedByteReceiveStream(supervisor)
        try:
            while self.exit_code is None:
                line = (await lines.receive_until(b"\n", _LONGEST_LINE)).decode(errors="replace")
                if line.startswith("L"):
                    on_line(line[1:])
                else:
                    self.exit_code = int(line[1:])
        except (anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.BrokenResourceError, anyio.EndOfStream):
            return


@dataclass(frozen=True)
class Containers:
    """A backend that starts releases from the registry service.

    `databases` has services by the host names in variables.
    """

    registry: dagger.Service
    databases: Mapping[str, dagger.Service]
    how: str = "a container"

    def container(self, repository: str, digest: str, variables: Mapping[str, str]) -> dagger.Container:
        """Return the container of a release, with its variables as secrets and the databases that they name."""
        container = dag.container().from_(f"{REGISTRY_HOST}/{repository}@{digest}", registry_service=self.registry)
        for host, server in self.databases.items():
            if any(host in value for value in variables.values()):
                container = container.with_service_binding(host, server)
        for name, value in variables.items():
            container = container.with_secret_variable(name, dag.set_secret(f"{name}-{uuid.uuid4().hex}", value))
        return container

    @asynccontextmanager
    async def start(self, launch: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[ContainerInstance]:
        container = self.container(launch.repository, launch.digest, launch.variables)
        async with launched(container, launch, on_line) as instance:
            yield instance


@asynccontextmanager
async def launched(
    container: dagger.Container, launch: LaunchSpec, on_line: Callable[[str], None]
) -> AsyncIterator[ContainerInstance]:
    """Run a container during the block. It already has its variables and databases."""
    service = await _service(container, launch)
    async with started(service, "the container does not start", kill=False):
        instance = ContainerInstance(await service.endpoint(port=launch.port))
        host, _, port = (await service.endpoint(port=SUPERVISOR_PORT)).rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as supervisor, anyio.create_task_group() as tasks:
            tasks.start_soon(instance.listen, supervisor, on_line)
            yield instance
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def started(
    service: dagger.Service, otherwise: str, next_step: str = "", *, kill: bool
) -> AsyncIterator[dagger.Service]:
    """Run a service during the block.

    When it does not start, raise RefusedError, whose text begins with `otherwise`.
    """
    try:
        try:
            running = await service.start()
        except dagger.QueryError as error:
            words = said(error)
            refused = RefusedError(f"{otherwise}, {words}", next_step) if next_step else RefusedError(otherwise, words)
            raise meaning(error) or refused from error
        yield running
    finally:
        with anyio.CancelScope(shield=True):
            await service.stop(kill=kill)


async def _service(container: dagger.Container, launch: LaunchSpec) -> dagger.Service:
    """Run the command under the supervisor. A unique label keeps the engine from sharing instances."""
    own = [*await container.entrypoint(), *await container.default_args()]
    command = [*launch.command] if launch.command else own
    supervisor = (files("slipway.workload") / "supervisor.py").read_text(encoding="utf-8")
    return (
        container.without_docker_healthcheck()  # only the platform's health check counts
        .with_new_file(_SUPERVISOR, supervisor, permissions=0o444)
        .with_label("slipway.instance", uuid.uuid4().hex)
        .without_exposed_port(launch.port)
        .with_exposed_port(launch.port, experimental_skip_healthcheck=True)
        .with_exposed_port(SUPERVISOR_PORT)
        .as_service(args=["python", "-I", _SUPERVISOR, str(SUPERVISOR_PORT), *command])
    )
