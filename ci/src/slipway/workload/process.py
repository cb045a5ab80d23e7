"""Instances as processes on this machine, and the backend that pulls a release by digest, unpacks it and starts it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread
from anyio.streams.text import TextReceiveStream

from slipway.errors import BadInputError, RefusedError
from slipway.oci.artifact import TREE, TreeConfig, read_config, unpack
from slipway.oci.registry import Login, opened
from slipway.workload.dependencies import prepare
from slipway.workload.python import Python, sources_of
from slipway.workload.workload import LaunchSpec

_GRACE_SECONDS = 10.0
_LONGEST_LINE = 8000
_EVERYWHERE = re.compile(r"(^|=)(0\.0\.0\.0|\[?::\]?)(?=:\d|$)")
_INHERITED = ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")


class ProcessWorkload:
    """A running process, whose output is read."""

    def __init__(self, process: anyio.abc.Process, port: int) -> None:
        self._process = process
        self._read_to_end = anyio.Event()
        self.address = f"127.0.0.1:{port}"

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def session(self) -> int:
        """The session of the processes, which began with the first one."""
        return self._process.pid

    async def listen(self, on_line: Callable[[str], None]) -> None:
        """Pass on every line of output until the process ends."""
        assert self._process.stdout is not None
        rest = ""
        try:
            async for text in TextReceiveStream(self._process.stdout, errors="replace"):
                *lines, rest = (rest + text).split("\n")
                for line in lines:
                    on_line(line[:_LONGEST_LINE])
                rest = rest[-_LONGEST_LINE:]
            if rest:
                on_line(rest)
        finally:  # a cancelled reader reads no more, so stop() need not wait for it
            self._read_to_end.set()

    async def stop(self) -> None:
        """Stop the process group with SIGTERM, and after 10 seconds with SIGKILL. Read its output to the end."""
        _signal(self._process, signal.SIGTERM)
        with anyio.move_on_after(_GRACE_SECONDS):
            await self._process.wait()
        _signal(self._process, signal.SIGKILL)
        await self._process.wait()
        with anyio.move_on_after(1):
            await self._read_to_end.wait()


@dataclass(frozen=True)
class Unpacked:
    """A release on the disk, ready to run."""

    folder: Path
    python: Python
    config: TreeConfig


@asynccontextmanager
async def running(
    release: Unpacked, order: LaunchSpec, on_line: Callable[[str], None]
) -> AsyncIterator[ProcessWorkload]:
    """Start a process with its own port. Raise BadInputError when its program cannot be started."""
    command = order.command or release.config.command
    port = free_port()
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # Rich wraps a log at 80 columns where it sees no terminal, and cuts its tracebacks.
    own = {"HOME": str(release.folder), "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **release.config.variables}
    environment = inherited | release.python.variables() | own | dict(order.variables) | {"PORT": str(port)}
    program, *arguments = on_this_machine(command, order.port, port)
    program = _program(program, environment["PATH"], release.folder)
    try:
        process = await anyio.open_process(
            [program, *arguments],
            cwd=release.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise BadInputError(
            f"the program {command[0]!r} cannot be started: {error.strerror}",
            "correct command in [tool.slipway]",
        ) from error
    workload = ProcessWorkload(process, port)

    def tell(line: str) -> None:
        on_line(line.replace(workload.address, f"0.0.0.0:{order.port}"))  # show the address that a container would have

    is_adapted = any(map(_EVERYWHERE.search, command))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(workload.listen, tell if is_adapted else on_line)
        try:
            yield workload
        finally:
            with anyio.CancelScope(shield=True):
                await workload.stop()
            tasks.cancel_scope.cancel()


def on_this_machine(command: tuple[str, ...], port: int, own_port: int) -> tuple[str, ...]:
    """Adapt a container's command to a shared machine, with its own port and 127.0.0.1 instead of all interfaces.

    >>> on_this_machine(("gunicorn", "--bind", "0.0.0.0:8000"), 8000, 41230)
    ('gunicorn', '--bind', '127.0.0.1:41230')
    """
    ported = (re.sub(rf"(^|[:=]){port}$", rf"\g<1>{own_port}", argument) for argument in command)
    return tuple(_EVERYWHERE.sub(r"\g<1>127.0.0.1", argument) for argument in ported)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program(name: str, path: str, tree: Path) -> str:
    if "/" in name:
        return str(tree / name)
    if found := shutil.which(name, path=path):
        return found
    raise BadInputError(
        f"the service's environment has no program {name!r}",
        "add its package to the dependencies, or correct command in [tool.slipway]",
    )


def _signal(process: anyio.abc.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class NoTreeError(RefusedError):
    """The digest of an image that is no source tree, so only containers can run it."""


@dataclass(frozen=True, kw_only=True)
class HostBackend:
    """A backend that runs source trees from the registry at `url`.

    `cache` keeps their virtual environments, unless all use `python`.
    """

    url: str
    login: Login | None
    cache: Path
    how: str = "a process"
    python: Python | None = None

    @asynccontextmanager
    async def unpacked(self, repository: str, digest: str) -> AsyncIterator[Unpacked]:
        """Unpack a release into a temporary folder during the block. Raise SlipwayError when this fails."""
        async with opened(self.url, repository, self.login) as registry:
            manifest = await registry.manifest(digest)
            if manifest.get("artifactType") != TREE or not manifest.get("layers"):
                raise NoTreeError(
                    f"{repository}@{digest} is not a source tree",
                    "without a container engine, slipway runs only what `slipway rehearse` built on this machine",
                )
            config = read_config(await registry.blob(manifest["config"]["digest"]), f"{repository}@{digest}")
            layer = await registry.blob(manifest["layers"][0]["digest"])
        with tempfile.TemporaryDirectory(prefix="slipway-release-", ignore_cleanup_errors=True) as home:
            folder = Path(home, "tree")
            await anyio.to_thread.run_sync(unpack, layer, folder)
            yield Unpacked(folder, await anyio.to_thread.run_sync(self._python_for, folder), config)

    def _python_for(self, tree: Path) -> Python:
        """Return the virtual environment for an unpacked tree.

        The tree's modules come before installed ones. Raise BadInputError when there is none.
        """
        return replace(self.python, site=sources_of(tree)) if self.python else prepare(tree, self.cache)

    @asynccontextmanager
    async def start(self, order: LaunchSpec, on_line: Callable[[str], None]) -> AsyncIterator[ProcessWorkload]:
        async with (
            self.unpacked(order.repository, order.digest) as release,
            running(release, order, on_line) as workload,
        ):
            yield workload
