"""The image as a running service with a migrated Postgres, and the smoke test on it."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files

import dagger
from dagger import dag

from slipway.environment.preflight import booted
from slipway.errors import RefusedError
from slipway.graph import bases, postgres
from slipway.graph.gate import mounted
from slipway.graph.image import with_variables
from slipway.graph.instances import ContainerInstance, launched, started
from slipway.graph.migration import migrate
from slipway.records.checks import PreflightResult
from slipway.records.image import Reference
from slipway.release.engine.plan import ServiceSpec
from slipway.release.failures import NO_PLATFORM, PlatformWords
from slipway.settings import Settings
from slipway.untrusted import printable
from slipway.workload.workload import HealthCheck, LaunchSpec

START = "/tmp/start.py"  # noqa: S108 -- inside a container
_LAST_LINES = 40


@dataclass(frozen=True)
class _Nowhere:
    """A target without a platform, for a release on the engine. `timeout` is the settings' limit in seconds."""

    timeout: int
    words: PlatformWords = NO_PLATFORM

    def health(self, spec: ServiceSpec) -> HealthCheck:
        return HealthCheck(path=spec.health_path, interval=1, unhealthy_threshold=self.timeout)


async def database(settings: Settings) -> dagger.Service:
    """Return the Postgres that `dagger up` publishes, and print its URL."""
    published = await postgres.published(bases.postgres(settings.images, settings.migrations))
    print(f"the database: {published.url('localhost')}")  # noqa: T201 -- the log of the function
    return published.server


async def service(image: dagger.Container, settings: Settings, *, migrates: bool) -> dagger.Service:
    """Return the service on its port, with the published Postgres.

    With `migrates`, it migrates at its start: an exec would come from the cache, and the database would stay empty.
    """
    published = await postgres.published(bases.postgres(settings.images, settings.migrations))
    container = image.with_service_binding(postgres.HOST, published.server)
    for name, value in settings.migrations.database_variables(published.url(postgres.HOST)).items():
        container = container.with_secret_variable(name, dag.set_secret(f"{name}-up", value))
    own = settings.images.dockerfile is not None
    command = [*await image.entrypoint(), *await image.default_args()] if own else settings.command
    started = container.without_docker_healthcheck()
    if migrates:
        started, command = migrating(started), ["python", START, *settings.migrations.own_runner, "--", *command]
    return started.as_service(args=[*command])


def migrating(container: dagger.Container) -> dagger.Container:
    """Mount slipway, and the script that migrates with it and then runs a command."""
    start = (files("slipway.workload") / "start.py").read_text(encoding="utf-8")
    return mounted(container).with_new_file(START, start, permissions=0o444)


async def smoke(image: dagger.Container, settings: Settings, *, migrates: bool) -> str:
    """Start the image as a preflight does, with a database that is migrated if `migrates` is true.

    Return the observed facts.
    Raise RefusedError with the cause when it is not healthy.
    """
    server = postgres.service(bases.postgres(settings.images, settings.migrations), f"smoke-{uuid.uuid4().hex}")
    backend = _Built(image.with_service_binding(postgres.HOST, server))
    variables = settings.migrations.database_variables(postgres.url())
    async with started(server, "the database does not start", kill=True):
        migrated = migrate(backend.container, settings.migrations, postgres.url(), variables) if migrates else None
        *_, last = await booted(migrated, backend, _spec(settings), variables, _Nowhere(settings.checks.timeout))
    if last.verdict is PreflightResult.REFUSED:
        print(printable("\n".join(backend.lines[-_LAST_LINES:])))  # noqa: T201 -- the log of the function
        raise RefusedError(last.found, last.remedy)
    return last.found


@dataclass(frozen=True)
class _Built:
    """A backend that starts one image that was not pushed; see `Backend`."""

    container: dagger.Container
    lines: list[str] = field(default_factory=list)
    how: str = "a container"

    @asynccontextmanager
    async def start(self, launch: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[ContainerInstance]:
        def both(line: str) -> None:
            self.lines.append(line)
            on_line(line)

        async with launched(with_variables(self.container, launch.variables), launch, both) as instance:
            yield instance


def _spec(settings: Settings) -> ServiceSpec:
    """Return a specification for a run in the engine. Fields that only a platform uses are empty."""
    return ServiceSpec(
        environment="",
        name=settings.name,
        image=Reference(f"/{settings.name}", ""),
        port=settings.port,
        health_path=settings.health_path,
        cpu=0,
        memory=0,
        access_role="",
        instance_role=None,
    )
