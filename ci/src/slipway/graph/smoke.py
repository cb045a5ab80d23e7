"""Does the image start? The very container that is shipped, beside a Postgres at its head, asked as the platform will ask it."""

import time

import anyio
import dagger
import httpx

from slipway.errors import RefusedError
from slipway.graph import running
from slipway.settings import Settings

_PATIENCE_SECONDS = 60.0


async def smoke(image: dagger.Container, settings: Settings) -> str:
    """Answers what was asked and what came back; raises RefusedError when it does not become healthy."""
    service = await running.service(image, settings, "smoke")
    async with running.started(service, "the image does not start beside an empty database", kill=True) as started:
        url = await started.endpoint(port=settings.port, scheme="http")
        return await _healthy(f"{url}{settings.health_path or '/'}", any_answer=settings.health_path is None)


async def _healthy(url: str, *, any_answer: bool) -> str:
    """Ask until it answers 200; without a health path any answer will do."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    said = "nothing"
    async with httpx.AsyncClient(timeout=5) as client:
        while time.monotonic() < deadline:
            try:
                answer = await client.get(url)
            except httpx.HTTPError as error:
                said = str(error) or type(error).__name__
            else:
                said = str(answer.status_code)
                if answer.is_success or any_answer:
                    return f"GET {httpx.URL(url).path} -> {said}"
            await anyio.sleep(0.1)
    raise RefusedError(
        f"the image does not become healthy, its health check answers {said}", "see the service's log above"
    )
