"""HTTP servers in this process: applications on a port of 127.0.0.1, and a service's public address in front of its instances."""

import asyncio
import contextlib
import logging
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.abc
import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from slipway.errors import BadInputError
from slipway.workload.workload import NO_CERTIFICATES

if TYPE_CHECKING:
    import httpx


# Longer than the release engine's polling interval. A Dagger engine's tunnel does not report the end of a connection to
# a client inside, whose next request would get no answer.
IDLE_SECONDS = 60
GRACE_SECONDS = 1  # for requests in progress when the server ends


class CutError(Exception):
    """Raised by an application that intentionally ends a connection in the middle of an answer."""


class Cut(Response):
    """An answer that begins and then loses its connection."""

    def __init__(self) -> None:
        super().__init__(headers={"content-length": "1000"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- ASGI passes it
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise CutError


def _is_error(record: logging.LogRecord) -> bool:
    """Return whether to show a line of uvicorn's log. Tracebacks of requests that end with the server are not shown."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is None:
        return "graceful shutdown exceeded" not in record.getMessage()
    return not issubclass(kind, CutError | asyncio.CancelledError)


logging.getLogger("uvicorn.error").addFilter(_is_error)


class _Server(uvicorn.Server):
    """A uvicorn server that ends when `ended` is set. uvicorn itself would check only ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = anyio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop at once if no client is connected. Otherwise uvicorn waits a tenth of a second for clients."""
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for listening in self.servers:
            listening.close()
            await listening.wait_closed()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program that runs this server."""
        yield


class _InOnePiece:
    """A transport that joins everything that is written in one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._written = bytearray()

    def write(self, content: bytes) -> None:
        if not self._written:
            asyncio.get_running_loop().call_soon(self._send)
        self._written += content

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._written:
            self._transport.write(bytes(self._written))
            self._written.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(H11Protocol):
    """HTTP/1.1 that sends head and body together.

    The AWS SDK for Go (1.48) sometimes closes its connection between head and body.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _InOnePiece(transport)))


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve during the block, and yield `127.0.0.1:port`. For port 0 a free one is used.

    Raise BadInputError when the port is in use.
    """
    with _listening(port) as listener:
        config = uvicorn.Config(
            _Local(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            http=_Protocol,
            date_header=False,
        )
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_serve, server, listener)
            try:
                while not server.started:  # noqa: ASYNC110 -- uvicorn offers this attribute only
                    await anyio.sleep(0.001)
                yield f"127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.ended.set()


class _Local:
    """An application that answers only to names of this machine.

    A web page whose domain resolves to 127.0.0.1 (DNS rebinding) is refused.
    A request to a proxy contains its full target. Web pages cannot make such requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        local = all(map(_is_local, hosts)) or scope["path"].startswith("http://")
        app = self._app if local else PlainTextResponse(f"{hosts[0]} is not a name of this machine", 421)
        await app(scope, receive, send)


def _is_local(host: str) -> bool:
    """Return whether a host is a loopback address, localhost, or a name without a dot.

    Containers have such names, and no domain does.
    """
    name = host.rpartition(":")[0] or host
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return "[" not in name and name.rpartition(".")[2] in ("localhost", name)


async def _serve(server: _Server, listener: socket.socket) -> None:
    """Serve until `ended`. The shield is needed because a cancelled uvicorn leaves its clients' connections open."""
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


def _listening(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only for a named protocol. Without it, every answer in two parts would wait 40 ms for an
    # acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise BadInputError(f"port {port} cannot be used", f"{error.strerror}; choose another with --port") from error
    listener.listen(256)
    return listener


# Headers that belong to one connection (RFC 9110, 7.6.1), and the host, which is set again.
_OWN = re.compile(
    rb"connection|keep-alive|proxy-authenticate|proxy-authorization|te|trailers|transfer-encoding|upgrade|host",
    re.IGNORECASE,
)
_DRAIN_SECONDS = 30.0
_NOT_LET_IN = (
    "no security group of this client is let in to the private address; on AWS the connection would time out\n"
)


class Front:
    """A reverse proxy in front of the current instances, as an ASGI application.

    - answered: receives the instance and status of each answer; no instance for the proxy's own 503.
    - admits: decides by the ports of the client, on this machine, and of this address. Other clients get 403, where a
      security group would not answer.
    """

    def __init__(
        self,
        answered: Callable[[str, int], None] = lambda _upstream, _status: None,
        admits: Callable[[int, int], bool] = lambda _client, _server: True,
    ) -> None:
        self.address = ""
        self._answered = answered
        self._admits = admits
        self._shares: Mapping[str, float] = {}
        self._credit: dict[str, float] = {}
        self._running: Counter[str] = Counter()
        self._closed = anyio.Event()
        self._client = _client()

    def route(self, upstream: str | None) -> None:
        """Send traffic to `host:port`, beginning with the next request. With None, answer 503."""
        self.split({upstream: 1} if upstream else {})

    def split(self, shares: Mapping[str, float]) -> None:
        """Divide traffic by weight, beginning with the next request.

        The share of the empty address "" is answered with 503.
        Setting the same shares again changes nothing, so even a small share gets its turn.
        """
        shares = {upstream: share for upstream, share in shares.items() if share}
        if shares != self._shares:
            self._shares, self._credit = shares, dict.fromkeys(shares, 0.0)

    def _next(self) -> str:
        """Choose the next instance by smooth weighted round-robin: 5 % is every twentieth request."""
        for upstream, share in self._shares.items():
            self._credit[upstream] += share
        if not self._credit:
            return ""
        chosen = max(self._credit, key=self._credit.__getitem__)
        self._credit[chosen] -= sum(self._shares.values())
        return chosen

    async def drained(self, upstream: str) -> None:
        """Wait until an instance without new traffic has answered its last requests, for at most 30 seconds."""
        with anyio.move_on_after(_DRAIN_SECONDS):
            while self._running[upstream]:  # noqa: ASYNC110 -- an event per request would cost more
                await anyio.sleep(0.005)

    async def serve(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Serve the public address until it is closed."""
        async with serving(self) as self.address:
            task_status.started()
            await self._closed.wait()

    async def close(self) -> None:
        self._closed.set()
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        client, server = ((scope.get(end) or ("", 0))[1] for end in ("client", "server"))
        if not self._admits(client, server):
            await PlainTextResponse(_NOT_LET_IN, 403)(scope, receive, send)
            return
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        import httpx

        upstream = self._next()
        if not upstream:
            self._answered("", 503)
            return PlainTextResponse("no healthy upstream", 503)
        self._running[upstream] += 1
        headers = [(name, value) for name, value in request.headers.raw if not _OWN.fullmatch(name)]
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
            self._answered("", 503)
            return PlainTextResponse(f"upstream connect error: {error}", 503)
        self._answered(upstream, answer.status_code)
        response = StreamingResponse(self._relayed(answer, upstream), answer.status_code)
        response.raw_headers = [(name, value) for name, value in answer.headers.raw if not _OWN.fullmatch(name)]
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
    """Return a client that opens a connection for each request, because a stopping instance may close a pooled one and lose a request."""
    import httpx

    limits = httpx.Limits(max_keepalive_connections=0)
    client = httpx.AsyncClient(limits=limits, timeout=120, trust_env=False, verify=NO_CERTIFICATES)
    client.headers.clear()  # send only the headers that the client sent
    return client


def _target(request: Request) -> bytes:
    """Return path and query unchanged, byte for byte."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return path + b"?" + query if query else path


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers
