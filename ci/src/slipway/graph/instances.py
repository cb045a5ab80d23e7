"""The backend of an engine: instances are services, started from the published digest as the platform would, beside the databases they name."""

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

from slipway.graph.running import started
from slipway.workload.supervisor import PORT as WARDEN_PORT
from slipway.workload.workload import LaunchSpec

REGISTRY_HOST = "localhost:5000"  # any other name of a registry service is spoken to by https
_WARDEN = "/tmp/supervisor.py"  # noqa: S108 -- inside a container
_LONGEST_LINE = 64_000


def registry_service(image: str) -> dagger.Service:
    """A registry for a session, at REGISTRY_HOST."""
    return dag.container().from_(image).with_exposed_port(5000).as_service(use_entrypoint=True)


class Instance:
    """A service that is listened to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.exit_code: int | None = None

    async def listen(self, supervisor: anyio.abc.ByteReceiveStream, on_line: Callable[[str], None]) -> None:
        """Pass on every line until the command ends or the service stops."""
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
    """Starts releases from the registry that runs as a service; `databases` are services by the host name that variables call them by."""

    registry: dagger.Service
    databases: Mapping[str, dagger.Service]
    how: str = "a container"

    def container(self, repository: str, digest: str, variables: Mapping[str, str]) -> dagger.Container:
        """The release, with variables as secrets, for some of them are, and with the databases that they name."""
        container = dag.container().from_(f"{REGISTRY_HOST}/{repository}@{digest}", registry_service=self.registry)
        for host, server in self.databases.items():
            if any(host in value for value in variables.values()):
                container = container.with_service_binding(host, server)
        for name, value in variables.items():
            container = container.with_secret_variable(name, dag.set_secret(f"{name}-{uuid.uuid4().hex}", value))
        return container

    @asynccontextmanager
    async def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[Instance]:
        """See `Backend.start`."""
        container = self.container(order.repository, order.digest, order.variables)
        service = await _service(container, order)
        async with started(service, "the container does not start", kill=False):
            instance = Instance(await service.endpoint(port=order.port))
            host, _, port = (await service.endpoint(port=WARDEN_PORT)).rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as supervisor, anyio.create_task_group() as tasks:
                tasks.start_soon(instance.listen, supervisor, on_line)
                yield instance
                tasks.cancel_scope.cancel()


async def _service(container: dagger.Container, order: LaunchSpec) -> dagger.Service:
    """The command of the order or the image's own, under the supervisor; each instance is a definition of its own, else it would be shared."""
    command = [*order.command] if order.command else await container.default_args()
    supervisor = (files("slipway.workload") / "supervisor.py").read_text(encoding="utf-8")
    return (
        container.with_new_file(_WARDEN, supervisor, permissions=0o444)
        .with_label("slipway.instance", uuid.uuid4().hex)
        .without_exposed_port(order.port)
        .with_exposed_port(order.port, experimental_skip_healthcheck=True)
        .with_exposed_port(WARDEN_PORT)
        .as_service(args=["python", "-I", _WARDEN, str(WARDEN_PORT), *command])
    )
