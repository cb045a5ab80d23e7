"""Run `python -m slipway.gate` or `slipway.migration` in the service's virtual environment, which has neither boto3 nor dagger.

The process can import the package slipway, but none of the libraries installed beside it, which would hide the
service's own. It has an empty home folder and few variables: a pull request's code must not find the tokens of the job
that tests it.
"""

import json
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

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
# The import error of our own code for a newer name in a library. Errors of the service's code arrive as a Refusal.
_TOO_OLD = re.compile(
    r"(ImportError: cannot import name .* from|ModuleNotFoundError: No module named) '(sqlalchemy|alembic)\."
)


@dataclass(frozen=True)
class Database:
    """A database, and the service's variables with its URL or parts. Both contain its password."""

    url: str
    variables: Mapping[str, str]

    def __repr__(self) -> str:
        return "Database(…)"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """A started process that waits for its input: the database on standard input."""

    process: subprocess.Popen[bytes]
    module: str
    output: Path
    folder: ExitStack  # of its own

    async def answer(
        self, database: Database, question: str = "", is_progress: Callable[[str], bool] | None = None
    ) -> str:
        """Send the question, if any, and the database; return the text of the output file.

        Raise BadInputError or RefusedError with the process's reason. Lines of standard error that `is_progress`
        accepts, which a thread calls, do not belong to this reason.
        """
        from anyio import create_task_group, to_thread

        lines = question + json.dumps({"url": database.url, "variables": dict(database.variables)}) + "\n"
        async with create_task_group() as group:
            group.start_soon(self._end_when_cancelled)
            code, errors = await to_thread.run_sync(self._converse, lines.encode(), is_progress)
            text = await to_thread.run_sync(self._written)
            group.cancel_scope.cancel()
        if text is None or code:
            secrets = secrets_in(database.variables, [database.url])
            raise why_not(f"{self.module} ended with the exit code {code}", text, without(secrets, errors))
        return text

    def stop(self) -> None:
        """End it, and delete its folder."""
        with self.folder, self.process:  # which closes its pipes
            self._end()

    def _end(self) -> None:
        """Terminate it, which gives it time to drop its databases; then kill its process group."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    async def _end_when_cancelled(self) -> None:
        """End it when this task is cancelled, because a thread waits for it."""
        from anyio import CancelScope, sleep_forever, to_thread

        try:
            await sleep_forever()
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._end)

    def _written(self) -> str | None:
        return self.output.read_text(encoding="utf-8") if self.output.exists() else None

    def _converse(self, lines: bytes, is_progress: Callable[[str], bool] | None) -> tuple[int, str]:
        """Return the exit code and standard error, which a process that a revision started may keep open for longer."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError), self.process.stdin as stdin:  # it has ended already, with a reason
            stdin.write(lines)  # then a breakpoint() in a revision ends at once instead of waiting for input
        errors = [line for line in self._said() if not (is_progress and is_progress(line))]
        return self.process.wait(), "\n".join(errors)

    def _said(self) -> Iterator[str]:
        """Yield the lines of standard error, until it is closed or the process has ended for a while."""
        assert self.process.stderr is not None
        poll = select.poll()
        poll.register(self.process.stderr)
        rest, until = b"", float("inf")
        while time.monotonic() < until:
            if self.process.poll() is not None:
                until = min(until, time.monotonic() + _LAST_WORDS_SECONDS)
            if not poll.poll(1000 * _LAST_WORDS_SECONDS / 5):
                continue
            if not (chunk := os.read(self.process.stderr.fileno(), 2**16)):
                break
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        yield rest.decode(errors="replace")


def why_not(what: str, written: str | None, errors: str) -> SlipwayError:
    """Return the reason for a missing answer: the error in the output file, or the last line of standard error."""
    if not written:  # a full disk leaves the file empty
        last = errors.strip().rpartition("\n")[2]
        if _TOO_OLD.match(last):
            return BadInputError(
                f"the service's SQLAlchemy and alembic do not fit: {one_line(last.partition(' (/')[0])}",
                "the gate needs SQLAlchemy 1.4.24 and alembic 1.8 or newer in the service's environment, no pre-releases, and both from the same time",
            )
        return RefusedError(what, one_line(last, 600) or "it printed nothing")
    return from_json(Refusal, written, what).error()


def launched(module: str, arguments: Sequence[str], folder: Path, python: Python) -> Inside:
    """Start `python -m MODULE ARGUMENTS… OUTPUT` in the service's folder; the caller stops it."""
    with ExitStack() as stack:
        own_folder = stack.enter_context(guarded_folder("slipway-inside-"))
        output = _link_package(own_folder)
        own = python.variables()
        paths = os.pathsep.join(filter(None, (str(own_folder), own.get("PYTHONPATH", ""))))
        home = {"HOME": str(_home(own_folder))}
        process = subprocess.Popen(
            [str(python.interpreter), "-m", module, *arguments, str(output)],
            cwd=folder,
            env=home | inherited(os.environ) | own | {"PYTHONPATH": paths, _VARIABLE: "-"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return Inside(process=process, module=module, output=output, folder=stack.pop_all())


@asynccontextmanager
async def started(module: str, arguments: Sequence[str], folder: Path, python: Python) -> AsyncIterator[Inside]:
    """Start such a process for the block."""
    async with stopped_afterwards(launched(module, arguments, folder, python)) as process:
        yield process


@asynccontextmanager
async def stopped_afterwards(process: Inside) -> AsyncIterator[Inside]:
    """Stop a process after the block."""
    from anyio import CancelScope, to_thread

    try:
        yield process
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(process.stop)


def _home(folder: Path) -> Path:
    """Make an empty home folder; because of its dot, no import can find it."""
    home = folder / ".home"
    home.mkdir()
    return home


def _link_package(folder: Path) -> Path:
    """Link the package into a folder; return the path of the output file."""
    (folder / "slipway").symlink_to(Path(slipway.__file__).parent)
    return folder / "output.json"
