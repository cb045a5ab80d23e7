"""ASGI applications served on a port of 127.0.0.1 from within this process."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from slipway.errors import BadInputError

# Longer than the release engine's polling interval: the tunnel of a Dagger engine does not tell a client inside of it that a connection
# has ended, and the client's next request would get no answer.
_IDLE_SECONDS = 60


class CutError(Exception):
    """Raised by an application to end a connection in the middle of an answer on purpose."""


def _is_error(record: logging.LogRecord) -> bool:
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, CutError)


logging.getLogger("uvicorn.error").addFilter(_is_error)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program that runs this server."""
        yield


class _InOnePiece:
    """A transport that sends everything written in one pass of the event loop together."""

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
    """HTTP/1.1 with head and body in one piece.

    The AWS SDK for Go (1.48) at times closes its connection between a head and its body.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _InOnePiece(transport)))


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs and yield `127.0.0.1:port`; port 0 takes a free one.

    Raises BadInputError when the port is in use.
    """
    with _listening(port) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=1,
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
                server.should_exit = True


async def _serve(server: _Server, listener: socket.socket) -> None:
    """Serve until `should_exit`, shielded: a cancelled uvicorn leaves its clients' connections open."""
    with anyio.CancelScope(shield=True):
        await server.serve([listener])


def _listening(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only for a named protocol. Without it, every answer of two parts waits 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise BadInputError(f"port {port} cannot be used", f"{error.strerror}; choose another with --port") from error
    listener.listen(256)
    return listener
