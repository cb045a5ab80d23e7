"""A running server on 127.0.0.1, with a password."""

import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen, run
from typing import Any
from urllib.parse import quote

import anyio
import anyio.to_thread

from slipway.errors import BadInputError
from slipway.postgres.binaries import Binaries
from slipway.postgres.datadir import DataDirectory, keep, prepared

_START_SECONDS = 30
_STOP_SECONDS = 5
_POLL_SECONDS = 0.002
# Without these, glibc would return memory after each query and request it again for the next, which takes a fifth of a
# short query's time.
_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**27),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TOP_PAD_": str(2**20),
    # A revision may name production in dblink, a foreign server or a subscription, to which the server would connect
    # itself. libpq takes this address in place of the host's, and no network has it.
    "PGHOSTADDR": "255.255.255.255",
}


@dataclass(frozen=True)
class Server:
    """A running server. `url` is the superuser's postgresql:// URL with the password."""

    url: str
    version: str
    major: int
    origin: str


@asynccontextmanager
async def running(binaries: Binaries, shelf: str | None = None, first: Sequence[str] = ()) -> AsyncIterator[Server]:
    """Run a server during the block, and delete its data afterwards. Raise BadInputError when it does not start.

    - shelf: a name. Databases that remain after the block exist again in the next server with this name.
    - first: statements that are executed in template1 before the server accepts connections.
    """
    directory = prepared(binaries, shelf)
    data = await anyio.to_thread.run_sync(directory.__enter__)
    before = data.databases()
    try:
        if first:
            await anyio.to_thread.run_sync(_execute, data, first)
        with socket.create_server(("127.0.0.1", 0)) as probe:  # finds a port that is free now
            port = probe.getsockname()[1]
        process = _start(data, port)
        try:
            await _ready(process, data.path)
            yield Server(
                f"postgresql://postgres:{quote(data.password)}@127.0.0.1:{port}/postgres",
                binaries.version,
                binaries.major,
                binaries.origin,
            )
            if shelf and data.databases() != before and await _shut_down(process):
                await anyio.to_thread.run_sync(keep, data)
        finally:
            await _stop(process)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(directory.__exit__, None, None, None)


def _start(data: DataDirectory, port: int) -> Popen[bytes]:
    """Start the server. anyio 3 cannot start a process as another user, so this uses subprocess."""
    with (data.path.parent / "log").open("wb") as log:
        command = [data.binaries.directory / "postgres", "-D", data.path, "-p", str(port), "-k", data.path.parent]
        more: dict[str, Any] = data.user.process() if data.user else {}
        more |= {"stdin": DEVNULL, "stdout": log, "stderr": log, "env": os.environ | _ENVIRONMENT}
        return Popen(list(map(str, command)), cwd="/", start_new_session=True, **more)


def _execute(data: DataDirectory, statements: Sequence[str]) -> None:
    """Execute statements without a driver, because this environment has none. Raise BadInputError when one fails."""
    identity: dict[str, Any] = data.user.process() if data.user else {}
    command = [str(data.binaries.directory / "postgres"), "--single", "-D", str(data.path), "template1"]
    lines = "".join(f"{statement}\n" for statement in statements)
    done = run(command, input=lines, capture_output=True, text=True, check=False, cwd="/", **identity)
    if done.returncode or "ERROR" in done.stderr:
        raise BadInputError("the Postgres server refuses its first statements", done.stderr.strip().rpartition("\n")[2])


async def _ended(process: Popen[bytes]) -> int:
    """Wait until the server has ended and return its exit code."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 -- no event announces it
        await anyio.sleep(_POLL_SECONDS)
    return code


async def _ready(process: Popen[bytes], data: Path) -> None:
    """Wait until the server reports in its pid file that it accepts connections."""
    deadline = time.monotonic() + _START_SECONDS
    while not _says_ready(data / "postmaster.pid"):
        if process.poll() is not None or time.monotonic() > deadline:
            log = (data.parent / "log").read_text(encoding="utf-8", errors="replace").strip()
            raise BadInputError("the Postgres server did not start", log.rpartition("\n")[2] or "its log is empty")
        await anyio.sleep(_POLL_SECONDS)


def _says_ready(pid_file: Path) -> bool:
    try:
        lines = pid_file.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"  # line 8 of the file, as in src/include/utils/pidfile.h


async def _shut_down(process: Popen[bytes]) -> bool:
    """Shut the server down with a checkpoint. Return whether that succeeded in time."""
    process.send_signal(signal.SIGINT)
    with anyio.move_on_after(_STOP_SECONDS):
        return await _ended(process) == 0
    return False


async def _stop(process: Popen[bytes]) -> None:
    """Stop the server at once, without a checkpoint, because its data will be deleted."""
    with anyio.CancelScope(shield=True):
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)
        with anyio.move_on_after(_STOP_SECONDS):
            await _ended(process)
            return
        os.killpg(process.pid, signal.SIGKILL)
        await _ended(process)
