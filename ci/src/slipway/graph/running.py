"""A service that runs: the image that would be shipped, beside a Postgres at its head.

The service migrates when it starts, for an exec of its own would come from the cache, and the database would stay empty.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import dagger

from slipway.errors import RefusedError
from slipway.graph import bases, postgres
from slipway.graph.image import with_variables
from slipway.graph.refusal import meaning
from slipway.settings import Settings
from slipway.untrusted import one_line

# In Python, for a distroless image has no shell.
_MIGRATED = """
import os, subprocess, sys
code = subprocess.run(["alembic", f"--config={sys.argv[1]}", "upgrade", "heads"]).returncode
code or os.execvp(sys.argv[2], sys.argv[2:])
sys.exit(code)
"""


@asynccontextmanager
async def started(service: dagger.Service, otherwise: str, *, kill: bool) -> AsyncIterator[dagger.Service]:
    """A service for as long as the block lasts; raises RefusedError, which begins with `otherwise`, when it does not start."""
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
    """A Postgres of this session; whoever asks for the same purpose again in the session gets the same."""
    return postgres.service(bases.postgres(settings.images, settings.migrations), purpose)


async def service(image: dagger.Container, settings: Settings, purpose: str = "up") -> dagger.Service:
    """The service on its port; its database is migrated before it starts."""
    container = image.with_service_binding(postgres.HOST, database(settings, purpose))
    container = with_variables(container, settings.migrations.told(postgres.url()))
    command = ["python", "-c", _MIGRATED, settings.migrations.config, *await image.default_args()]
    return container.as_service(args=command)
