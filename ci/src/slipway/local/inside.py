"""Run a part of slipway inside the service's own environment, where there is neither boto3 nor dagger: `python -m slipway.gate`, `slipway.migration`.

Only the package itself is lent to the service's interpreter; what is installed beside it would hide the service's own libraries.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

import slipway
from slipway.errors import RefusedError, SlipwayError
from slipway.migration.secrets import secrets_in, without
from slipway.records.form import from_json
from slipway.records.refusal import Refusal
from slipway.untrusted import one_line
from slipway.workload.dependencies import Python

_VARIABLE = "SLIPWAY_DATABASE"
_LAST_WORDS_SECONDS = 1
_STOP_SECONDS = 5


@dataclass(frozen=True)
class Database:
    """A database, and the variables by which the service learns of it; both hold its password."""

    url: str
    variables: Mapping[str, str]

    def __repr__(self) -> str:
        return "Database(…)"


@dataclass
class Inside:
    """A part that has been started and waits to be told its database."""

    process: anyio.abc.Process
    module: str
    output: Path

    async def answer(self, database: Database) -> str:
        """Tell it the database and wait; answers what it wrote. Raises BadInputError or RefusedError with its own words."""
        assert self.process.stdin is not None
        told = {"url": database.url, "variables": dict(database.variables)}
        with suppress(anyio.BrokenResourceError):  # it ended already, and has said why
            await self.process.stdin.send(json.dumps(told).encode() + b"\n")
            await self.process.stdin.aclose()  # a breakpoint() in a revision ends at once instead of waiting for nobody
        code, said = await self._ended()
        text = await anyio.to_thread.run_sync(self._written)
        if text is None or code:
            secrets = secrets_in(database.variables, [database.url])
            raise why_not(f"{self.module} ended with the exit code {code}", text, without(secrets, said))
        return text

    def _written(self) -> str | None:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else None

    async def _ended(self) -> tuple[int, str]:
        """Its exit code, and what it said; what a revision has started may hold its standard error for longer than it lives."""
        chunks: list[bytes] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, chunks)
            code = await self.process.wait()
            group.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS_SECONDS
        return code, b"".join(chunks).decode(errors="replace")

    async def _listen(self, chunks: list[bytes]) -> None:
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            chunks.append(chunk)  # noqa: PERF401 -- what came before the end is kept


def why_not(what: str, written: str | None, said: str) -> SlipwayError:
    """Why a part gave no answer: what it wrote instead of one, or else the last line that it said."""
    if written is None:
        return RefusedError(what, one_line(said.strip().rpartition("\n")[2], 600) or "it said nothing")
    return from_json(Refusal, written, what).error()


@asynccontextmanager
async def started(module: str, arguments: Sequence[str], folder: Path, python: Python) -> AsyncIterator[Inside]:
    """Start `python -m MODULE ARGUMENTS… OUTPUT` in the service's folder; whatever it started is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="slipway-inside-") as lent:
        output = _lend(Path(lent))
        told = python.variables()
        paths = os.pathsep.join(filter(None, (lent, told.get("PYTHONPATH", ""))))
        variables = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AWS_", "DAGGER_", "UV_"))
        }
        process = await anyio.open_process(
            [str(python.interpreter), "-m", module, *arguments, str(output)],
            cwd=folder,
            env=variables | told | {"PYTHONPATH": paths, _VARIABLE: "-"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield Inside(process, module, output)
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


async def _stop(process: anyio.abc.Process) -> None:
    """Ask it to end, for it has databases to drop; then end it, and whatever it started."""
    with suppress(ProcessLookupError):
        process.terminate()
        with anyio.move_on_after(_STOP_SECONDS):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _lend(folder: Path) -> Path:
    """Put the package into a folder of its own; answers where the output goes."""
    (folder / "slipway").symlink_to(Path(slipway.__file__).parent)
    return folder / "output.json"
