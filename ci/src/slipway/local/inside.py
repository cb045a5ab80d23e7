"""`python -m slipway.gate` and `slipway.migration` in the service's own environment, which has neither boto3 nor dagger.

The service's interpreter finds only the package itself: the libraries installed beside it would hide the service's own. The process
gets a home folder of its own, and few variables: a pull request's code must not find the tokens of the job that tests it.
"""

import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import anyio.to_thread

import slipway
from slipway.errors import BadInputError, RefusedError, SlipwayError
from slipway.migration.output import secrets_in, without
from slipway.postgres.datadir import guarded_folder
from slipway.records.form import from_json
from slipway.records.refusal import Refusal
from slipway.untrusted import one_line
from slipway.workload.inherited import inherited
from slipway.workload.python import Python

_VARIABLE = "SLIPWAY_DATABASE"
_LAST_WORDS_SECONDS = 1
_STOP_SECONDS = 10
# Our own import of a newer name; an error of the service's files is answered by a Refusal.
_TOO_OLD = re.compile(
    r"(ImportError: cannot import name .* from|ModuleNotFoundError: No module named) '(sqlalchemy|alembic)\."
)


@dataclass(frozen=True)
class Database:
    """A database and the service's variables that name it; both contain its password."""

    url: str
    variables: Mapping[str, str]

    def __repr__(self) -> str:
        return "Database(…)"


@dataclass
class Inside:
    """A started process that waits for its database on standard input."""

    process: anyio.abc.Process
    module: str
    output: Path

    async def answer(
        self, database: Database, question: str = "", is_progress: Callable[[str], bool] | None = None
    ) -> str:
        """Send the question, if any, and the database; return the output file. Raises BadInputError or RefusedError with its reason.

        Lines of standard error for which `is_progress` returns true are not part of that reason.
        """
        assert self.process.stdin is not None
        lines = question + json.dumps({"url": database.url, "variables": dict(database.variables)}) + "\n"
        with suppress(anyio.BrokenResourceError):  # it has ended already, with a reason
            await self.process.stdin.send(lines.encode())
            await self.process.stdin.aclose()  # a breakpoint() in a revision ends at once instead of waiting for input
        code, errors = await self._ended(is_progress or (lambda _: False))
        text = await anyio.to_thread.run_sync(self._written)
        if text is None or code:
            secrets = secrets_in(database.variables, [database.url])
            raise why_not(f"{self.module} ended with the exit code {code}", text, without(secrets, errors))
        return text

    def _written(self) -> str | None:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else None

    async def _ended(self, is_progress: Callable[[str], bool]) -> tuple[int, str]:
        """Return the exit code and standard error, which a process that a revision started may keep open for longer."""
        errors: list[str] = []
        async with anyio.create_task_group() as group:
            group.start_soon(self._read_errors, errors, is_progress)
            code = await self.process.wait()
            group.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS_SECONDS
        return code, "\n".join(errors)

    async def _read_errors(self, errors: list[str], is_progress: Callable[[str], bool]) -> None:
        assert self.process.stderr is not None
        rest = b""
        try:
            async for chunk in self.process.stderr:
                *lines, rest = (rest + chunk).split(b"\n")
                texts = (line.decode(errors="replace") for line in lines)
                errors.extend(text for text in texts if not is_progress(text))
        finally:
            errors.append(rest.decode(errors="replace"))


def why_not(what: str, written: str | None, errors: str) -> SlipwayError:
    """Return the reason for a missing answer: the refusal in the output file, or the last line of standard error."""
    if not written:  # empty when the disk is full
        last = errors.strip().rpartition("\n")[2]
        if _TOO_OLD.match(last):
            return BadInputError(
                f"the service's SQLAlchemy and alembic do not fit: {one_line(last.partition(' (/')[0])}",
                "the gate needs SQLAlchemy 1.4.24 and alembic 1.8 or newer in the service's environment, no pre-releases, and both of one time",
            )
        return RefusedError(what, one_line(last, 600) or "it printed nothing")
    return from_json(Refusal, written, what).error()


@asynccontextmanager
async def started(module: str, arguments: Sequence[str], folder: Path, python: Python) -> AsyncIterator[Inside]:
    """Start `python -m MODULE ARGUMENTS… OUTPUT` in the service's folder; its process group is stopped after the block."""
    with guarded_folder("slipway-inside-") as own_folder:
        output = _link_package(own_folder)
        own = python.variables()
        paths = os.pathsep.join(filter(None, (str(own_folder), own.get("PYTHONPATH", ""))))
        home = {"HOME": str(_home(own_folder))}
        process = await anyio.open_process(
            [str(python.interpreter), "-m", module, *arguments, str(output)],
            cwd=folder,
            env=home | inherited(os.environ) | own | {"PYTHONPATH": paths, _VARIABLE: "-"},
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
    """Terminate it, which gives it time to drop its databases; then kill its process group."""
    with suppress(ProcessLookupError):
        process.terminate()
        with anyio.move_on_after(_STOP_SECONDS):
            await process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _home(folder: Path) -> Path:
    """Make an empty home folder, with a name that no import can have."""
    home = folder / ".home"
    home.mkdir()
    return home


def _link_package(folder: Path) -> Path:
    """Link the package into a folder; return the path of the output file."""
    (folder / "slipway").symlink_to(Path(slipway.__file__).parent)
    return folder / "output.json"
