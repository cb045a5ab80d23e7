"""Work in forks of this process, which inherit imports and memory.

The gate itself runs in a fork. A process that executes none of the service's code supervises it, because a revision may
kill its process or never end.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Generic, TypeVar

from sqlalchemy.engine import URL

from slipway.errors import BadInputError, RefusedError
from slipway.gate.databases import drop_left_over
from slipway.gate.deadline import Deadline, share
from slipway.migration.environment import sentence
from slipway.migration.output import answer, refuse
from slipway.records.refusal import Refusal

T = TypeVar("T")

_POLL_SECONDS: Final = 0.2
_STOP_SECONDS: Final = 5  # shorter than the caller's wait before it kills the supervisor


def can_fork() -> bool:
    """Return whether a fork is safe after system libraries were loaded."""
    return sys.platform == "linux"


def processors() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) if can_fork() else 1


class Fork(Generic[T]):
    """A child process that returns the result of some work by pickle.

    With `leads` it leads a process group of its own. Stopping it then kills every process that it started.
    """

    def __init__(self, work: Callable[[], T], what: str, *, leads: bool = False) -> None:
        context = multiprocessing.get_context("fork")
        self._what = what
        self._leads = leads
        self._deadline = Deadline()
        self._results, result = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(work, result, self._deadline), kwargs={"leads": leads})
        self._process.start()
        result.close()

    def result(self) -> T:
        """Wait for the result. Raise RefusedError when the process ends without one."""
        while not self._results.poll(_POLL_SECONDS):
            # A process that a revision started may keep the pipe open after the child has ended.
            if self._process.exitcode is not None and not self._results.poll():
                raise self._lost(self._ended())
            if self._deadline.overdue:
                raise self._lost("its process could not be interrupted")
        try:
            succeeded, value = self._results.recv()
        except EOFError:
            self._wait()
            raise self._lost(self._ended()) from None
        if isinstance(value, Refusal):
            raise value.error()
        if not succeeded:
            raise RefusedError(f"{self._what} could not be tested", value)
        result: T = value
        return result

    def is_done(self, within: float) -> bool:
        """Return whether the result arrives within some seconds."""
        return self._results.poll(within)

    def stop(self) -> None:
        """End the process, by force if necessary."""
        if self._process.exitcode is None and not self._deadline.overdue:
            self._process.terminate()
            self._wait()
        with suppress(ProcessLookupError, PermissionError):
            if self._leads:
                assert self._process.pid is not None
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.join()

    def _wait(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        while self._process.exitcode is None and time.monotonic() < deadline:
            self._process.join(_POLL_SECONDS / 10)

    def _ended(self) -> str:
        code = self._process.exitcode
        if code is None:
            return "its process returned nothing"
        if code < 0:
            return f"its process was killed by signal {-code}"
        return f"its process ended with the exit code {code}"

    def _lost(self, why: str) -> RefusedError:
        step = self._deadline.read()[0]
        return RefusedError(
            f"{self._what} could not be tested", f"{why}{f' in {step}' if step else ''}; see what the code there does"
        )


@contextmanager
def beside(work: Callable[[], T], what: str) -> Iterator[Callable[[], T]]:
    """Do some work in parallel to the block, and yield a function that returns the result.

    With one processor, do the work when the function is called.
    """
    if processors() == 1:
        yield work
        return
    fork = Fork(work, what)
    try:
        yield fork.result
    finally:
        fork.stop()


def supervised(file: Path, server: URL, work: Callable[[], object], parent: int) -> int:
    """Write the record that `work` returns, or the reason for its absence, to a file; return the exit code.

    No database of this run remains on the server, even when the working process is killed. Everything ends when the
    `parent` process does.
    """
    url = server.render_as_string(hide_password=False)
    if not can_fork():
        _end_with(parent)
        return answer(file, work, url)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    fork = Fork(partial(answer, file, work, url), "the history", leads=True)
    _end_with(parent)  # after the fork, because a process with threads should not fork
    code = RefusedError.exit_code
    try:
        code = fork.result()
    except RefusedError as error:
        refuse(file, error, url)
    finally:
        fork.stop()
        if code == RefusedError.exit_code:
            drop_left_over(server)
    return code


def _end_with(parent: int) -> None:
    """Terminate this process when its parent has died, even by SIGKILL.

    A pipe does not show this while a revision's process holds its other end.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _run(work: Callable[[], object], results: Connection, deadline: Deadline, *, leads: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped process still drops its database
    share(deadline)
    if leads:
        os.setpgid(0, 0)
    result: tuple[bool, object]
    try:
        result = (True, work())
    except KeyboardInterrupt:
        return
    except BadInputError as error:
        result = (False, Refusal.of(error))
    except Exception as error:  # noqa: BLE001 -- raised again in the parent
        result = (False, sentence(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # all databases have been dropped
    results.send(result)
