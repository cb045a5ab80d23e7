"""The simulator's registry, for the client to talk to."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette

from slipway.simulator.clock import Clock
from slipway.simulator.registry import ImageStore, RegistryError, RegistryProtocol, Repository
from slipway.simulator.serving import serving


@pytest.fixture
async def registry_url() -> AsyncIterator[str]:
    """A registry with an empty repository `notes`."""
    protocol = RegistryProtocol(
        ImageStore(repositories={"notes": Repository(name="notes", created=datetime.now(UTC))}), Clock()
    )
    app = Starlette(routes=protocol.routes, exception_handlers={RegistryError: lambda _request, error: error.answer})
    async with serving(app) as address:
        yield f"http://{address}"
