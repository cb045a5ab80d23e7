"""Scripted instances: small HTTP servers in the test process, chosen by digest."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from slipway.errors import RefusedError
from slipway.workload.workload import LaunchSpec


@dataclass
class Script:
    """The behaviour of a release; a test may change it while the release runs."""

    lines: tuple[str, ...] = ()
    healthy: bool = True
    exit_code: int | None = None
    starts: bool = True
    says: Callable[[], str] | None = None  # the body at /healthz
    silent: str | None = None  # the path that is answered with 503, of a healthy release


@dataclass
class ScriptedWorkload:
    address: str
    exit_code: int | None = None


@dataclass
class ScriptedBackend:
    """A `workload.Backend` for tests."""

    scripts: dict[str, Script] = field(default_factory=dict)  # by digest; a release without one is healthy
    started: list[LaunchSpec] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    how: str = "a script"

    @asynccontextmanager
    async def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[ScriptedWorkload]:
        self.started.append(order)
        script = self.scripts.get(order.digest, Script())
        if not script.starts:
            raise RefusedError("the script does not start", "write another")
        for line in script.lines:
            on_line(line)
        self.running.append(order.digest)
        # Serving starts within the block, so that a cancellation never leaves a socket open.
        server = await asyncio.start_server(
            _Instance(order.digest, script).answer, sock=socket.create_server(("127.0.0.1", 0)), start_serving=False
        )
        try:
            await server.start_serving()
            yield ScriptedWorkload(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", script.exit_code)
        finally:
            self.running.remove(order.digest)
            server.close()
            await server.wait_closed()


@dataclass(frozen=True)
class _Instance:
    digest: str
    script: Script

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request per connection with digest and request head, /slow/SECONDS after that delay."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            asked = head.split()[1]
            if asked.startswith("/slow/"):
                await asyncio.sleep(float(asked.removeprefix("/slow/")))
            status = "200 OK" if self.script.healthy and asked != self.script.silent else "503 Service Unavailable"
            says = self.script.says if asked == "/healthz" else None
            body = (says() if says else f"{self.digest}\n{head}").encode()
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a TCP health check sends nothing
        finally:
            writer.close()
