"""A service's public address, which stays the same while the instance behind it changes.

Client connections end here, so a keep-alive connection outlives the instance that answered its last request.
"""

from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from slipway.workload.workload import NO_CERTIFICATES

if TYPE_CHECKING:
    import httpx

_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "host",
}
_DRAIN_SECONDS = 30.0


class Front:
    """A reverse proxy to the current instance, as an ASGI application."""

    def __init__(self) -> None:
        self.address = ""
        self._upstream: str | None = None
        self._running: Counter[str] = Counter()
        self._closed = anyio.Event()
        self._client = _client()

    def route(self, upstream: str | None) -> None:
        """Send traffic to `host:port` from the next request on; None means 503."""
        self._upstream = upstream

    async def drained(self, upstream: str) -> None:
        """Wait until an instance without new traffic has answered its last requests, at most 30 seconds."""
        with anyio.move_on_after(_DRAIN_SECONDS):
            while self._running[upstream]:  # noqa: ASYNC110 -- an event per request would cost more
                await anyio.sleep(0.005)

    async def close(self) -> None:
        self._closed.set()
        await self._client.aclose()

    async def closed(self) -> None:
        await self._closed.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        import httpx

        upstream = self._upstream
        if upstream is None:
            return PlainTextResponse("no healthy upstream", 503)
        self._running[upstream] += 1
        headers = [(name, value) for name, value in request.headers.raw if name.decode().lower() not in _HOP_BY_HOP]
        forwarded = self._client.build_request(
            request.method,
            httpx.URL(f"http://{upstream}").copy_with(raw_path=_target(request)),
            headers=[*headers, (b"host", request.headers.get("host", upstream).encode())],
            content=request.stream() if _has_body(request) else None,
        )
        try:
            answer = await self._client.send(forwarded, stream=True)
        except (httpx.HTTPError, ClientDisconnect) as error:
            self._running[upstream] -= 1
            return PlainTextResponse(f"upstream connect error: {error}", 503)
        response = StreamingResponse(self._relayed(answer, upstream), answer.status_code)
        response.raw_headers = [
            (name, value) for name, value in answer.headers.raw if name.decode().lower() not in _HOP_BY_HOP
        ]
        return response

    async def _relayed(self, answer: "httpx.Response", upstream: str) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            self._running[upstream] -= 1
            with anyio.CancelScope(shield=True):
                await answer.aclose()


def _client() -> "httpx.AsyncClient":
    """Open a connection per request: a stopping instance may close a pooled one and lose a request."""
    import httpx

    limits = httpx.Limits(max_keepalive_connections=0)
    client = httpx.AsyncClient(limits=limits, timeout=120, trust_env=False, verify=NO_CERTIFICATES)
    client.headers.clear()  # send only headers that the client sent
    return client


def _target(request: Request) -> bytes:
    """Return path and query byte for byte."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers
