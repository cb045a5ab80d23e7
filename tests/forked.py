"""The gate or the migration in a fork of the test's process, which has imported it, in place of `python -m slipway.gate`."""

import faulthandler
import logging
import multiprocessing
import os
import secrets
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

import slipway
from slipway.gate import __main__ as gate_command
from slipway.gate import databases
from slipway.migration import __main__ as migration_command

_COMMANDS = {"slipway.gate": gate_command.main, "slipway.migration": migration_command.main}
_STOPPING = {signal.SIGTERM, signal.SIGINT}
_KEPT = (sys.prefix, sys.base_prefix, str(Path(slipway.__file__).parent))


def answer_in_fork(
    folder: Path,
    arguments: list[str],
    variables: Mapping[str, str],
    streams: Sequence[int],
    module: str = "slipway.gate",
) -> None:
    """Make this process look like one that a shell has started with `python -m MODULE`."""
    for stream, file in enumerate(streams):
        os.dup2(file, stream)
    # Lines are written at once: a stopped process has no chance to flush.
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(stream, mode, buffering=1) for stream, mode in enumerate("rww"))
    faulthandler.disable()
    os.chdir(folder)
    sys.path[:0] = [str(folder), *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ.clear()
    os.environ.update(variables)
    warnings.resetwarnings()
    logging.getLogger().handlers.clear()
    for name, loaded in list(sys.modules.items()):
        if (file_of := getattr(loaded, "__file__", None)) and not file_of.startswith(_KEPT):
            del sys.modules[name]  # of another project
    databases._PREFIX = f"slipway_gate_{secrets.token_hex(4)}_"  # each process that imports it has another
    os._exit(_COMMANDS[module](arguments))


class _Forked:
    """Used like anyio's Process."""

    def __init__(self, module: str, arguments: list[str], folder: Path, variables: Mapping[str, str]) -> None:
        self._question, self._written = os.pipe()
        self._errors, self._printed = os.pipe()
        self._begun = (folder, arguments, variables)
        self._module = module
        self.process = multiprocessing.get_context("fork").Process(target=self._answer)
        self.stdin = self.stderr = self

    def _answer(self) -> None:
        signal.set_wakeup_fd(-1)  # of the parent's event loop, whose handlers would swallow these
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, _STOPPING
        )  # the handlers above, not the parent's, get what came since the fork
        os.setsid()
        os.close(self._written)
        os.close(self._errors)
        answer_in_fork(*self._begun, (self._question, os.open(os.devnull, os.O_WRONLY), self._printed), self._module)

    async def start(self) -> None:
        # Of another thread: it has no event loop that the fork inherits.
        await anyio.to_thread.run_sync(self._fork)
        os.close(self._question)
        os.close(self._printed)

    def _fork(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        self.process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def terminate(self) -> None:
        self.process.terminate()

    async def wait(self) -> int | None:
        await anyio.to_thread.run_sync(self.process.join)
        return self.process.exitcode

    async def send(self, line: bytes) -> None:
        try:
            os.write(self._written, line)
        except BrokenPipeError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        os.close(self._written)

    def __aiter__(self) -> "_Forked":
        return self

    async def __anext__(self) -> bytes:
        chunk = await anyio.to_thread.run_sync(os.read, self._errors, 65536, abandon_on_cancel=True)
        if not chunk:
            os.close(self._errors)
            raise StopAsyncIteration
        return chunk


@pytest.fixture(name="forked_gate")
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands fork the gate and the migration where they would start them in the environment of this run."""
    opened, own = anyio.open_process, str(Path(sys.prefix).resolve() / "bin/python")

    async def open_process(command: Any, **options: Any) -> Any:
        match command:
            case [python, "-m", module, *arguments] if python == own and module in _COMMANDS:
                forked = _Forked(module, arguments, options["cwd"], options["env"])
                await forked.start()
                return forked
        return await opened(command, **options)

    monkeypatch.setattr(anyio, "open_process", open_process)
