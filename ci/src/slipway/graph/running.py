"""The image as a running service beside a migrated Postgres, and the smoke test on it.

The service migrates when it starts: a separate exec would be taken from the cache and leave the database empty.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import dagger
import httpx

from slipway.errors import RefusedError
from slipway.graph import bases, postgres
from slipway.graph.image import with_variables
from slipway.graph.refusal import meaning
from slipway.settings import Settings
from slipway.untrusted import one_line

_PATIENCE_SECONDS = 60.0
# In Python: a distroless image has no shell.
_MIGRATED = """
import os, subprocess, sys
code = subprocess.run(["alembic", f"--config={sys.argv[1]}", "upgrade", "heads"]).returncode
code or os.execvp(sys.argv[2], sys.argv[2:])
sys.exit(code)
"""


@asynccontextmanager
async def started(service: dagger.Service, otherwise: str, *, kill: bool) -> AsyncIterator[dagger.Service]:
    """Run a service for the duration of the block; raises RefusedError, prefixed with `otherwise`, when it does not start."""
    try:
        try:
            running = await service.start()
        except dagger.QueryError as error:
            raise meaning(error) or RefusedError(otherwise, one_line(str(error).partition("\n")[0])) from error
        yield running
    finally:
        with anyio.CancelScope(shield=True):
            await service.stop(kill=kill)


def database(settings: Settings, purpose: str = "up") -> dagger.Service:
    """Return the Postgres for a purpose; the same purpose means the same instance within a session."""
    return postgres.service(bases.postgres(settings.images, settings.migrations), purpose)


async def service(image: dagger.Container, settings: Settings, purpose: str = "up") -> dagger.Service:
    """Define the service on its port; it migrates its database before it starts."""
    container = image.with_service_binding(postgres.HOST, database(settings, purpose))
    container = with_variables(container, settings.migrations.told(postgres.url()))
    command = ["python", "-c", _MIGRATED, settings.migrations.config, *await image.default_args()]
    return container.as_service(args=command)


async def smoke(image: dagger.Container, settings: Settings) -> str:
    """Start the image beside its database and request the health path; raises RefusedError when it does not become healthy.

    Returns the request and its answer as one line.
    """
    checked = await service(image, settings, "smoke")
    async with started(checked, "the image does not start beside an empty database", kill=True) as running:
        url = await running.endpoint(port=settings.port, scheme="http")
        return await _healthy(f"{url}{settings.health_path or '/'}", any_answer=settings.health_path is None)


async def _healthy(url: str, *, any_answer: bool) -> str:
    """Request `url` until it answers 200; without a health path any answer counts."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    answered = "nothing"
    async with httpx.AsyncClient(timeout=5) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.get(url)
            except httpx.HTTPError as error:
                answered = str(error) or type(error).__name__
            else:
                answered = str(answer.status_code)
                if answer.is_success or any_answer:
                    return f"GET {httpx.URL(url).path} -> {answered}"
            await anyio.sleep(0.1)
    raise RefusedError(
        f"the image does not become healthy, its health check answers {answered}", "see the service's log above"
    )
