"""Work beside other work, in a fork of this process: what was imported is there already, and so is everything in memory."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Final, Generic, TypeVar

from slipway.errors import RefusedError
from slipway.gate.deadline import Whereabouts, stand_on
from slipway.migration.environment import sentence

T = TypeVar("T")

_LOOK_SECONDS: Final = 0.2
_STOP_SECONDS: Final = 10


def can_fork() -> bool:
    """Whether a fork is safe once system libraries are loaded."""
    return sys.platform == "linux"


def processors() -> int:
    """How many processes can work at once."""
    return len(os.sched_getaffinity(0)) if can_fork() else 1


class Fork(Generic[T]):
    """A process that does some work and answers it; what it answers must be such that it can be pickled.

    One that `leads` takes along at its end whatever was started beneath it.
    """

    def __init__(self, work: Callable[[], T], what: str, *, leads: bool = False) -> None:
        context = multiprocessing.get_context("fork")
        self._what = what
        self._leads = leads
        self._whereabouts = Whereabouts()
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=_answer, args=(work, answer, self._whereabouts), kwargs={"leads": leads})
        self._process.start()
        answer.close()

    def result(self) -> T:
        """Wait for the answer; raises RefusedError when there is none."""
        while not self._answer.poll(_LOOK_SECONDS):
            # What a revision has started may keep the pipe open for longer than the process lives.
            if self._process.exitcode is not None and not self._answer.poll():
                raise self._lost(self._ended())
            if self._whereabouts.overdue:
                raise self._lost("its process could not be interrupted")
        try:
            done, answer = self._answer.recv()
        except EOFError:
            self._wait()
            raise self._lost(self._ended()) from None
        if not done:
            raise RefusedError(f"{self._what} could not be proven", answer)
        result: T = answer
        return result

    def is_done(self, within: float) -> bool:
        """Whether there is an answer, or will be within some seconds."""
        return self._answer.poll(within)

    def stop(self) -> None:
        """End it, if need be by force."""
        if self._process.exitcode is None and not self._whereabouts.overdue:
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
            self._process.join(_LOOK_SECONDS / 10)

    def _ended(self) -> str:
        code = self._process.exitcode
        if code is None:
            return "its process gave no answer"
        return (
            f"its process was killed by signal {-code}" if code < 0 else f"its process ended with the exit code {code}"
        )

    def _lost(self, why: str) -> RefusedError:
        where = self._whereabouts.read()[0]
        return RefusedError(
            f"{self._what} could not be proven", f"{why}{f' in {where}' if where else ''}; see what the code there does"
        )


@contextmanager
def beside(work: Callable[[], T], what: str) -> Iterator[Callable[[], T]]:
    """Do some work while the block runs; what is given asks for the answer. With one processor it is done when it is asked for."""
    if processors() == 1:
        yield work
        return
    fork = Fork(work, what)
    try:
        yield fork.result
    finally:
        fork.stop()


def _answer(work: Callable[[], object], answer: Connection, whereabouts: Whereabouts, *, leads: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # one that is stopped still drops its database
    stand_on(whereabouts)
    if leads:
        os.setpgid(0, 0)
    try:
        said = (True, work())
    except KeyboardInterrupt:
        return
    except Exception as error:  # noqa: BLE001 -- told to the process that asked
        said = (False, sentence(error))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # all is cleared away; who is stopped now has nothing to say
    answer.send(said)
