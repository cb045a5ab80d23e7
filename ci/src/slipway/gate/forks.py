"""Work beside other work, in a fork of this process: what was imported is there already, and so is everything in memory."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from slipway.errors import RefusedError
from slipway.migration.environment import sentence

T = TypeVar("T")


def are_safe() -> bool:
    """Whether a process can be forked once system libraries are loaded."""
    return sys.platform == "linux"


def processors() -> int:
    """How many processes can work at once; 1 where a fork is not safe."""
    return len(os.sched_getaffinity(0)) if are_safe() else 1


class Fork(Generic[T]):
    """A process that does some work and answers it; what it answers must be such that it can be pickled."""

    def __init__(self, work: Callable[[], T], what: str) -> None:
        context = multiprocessing.get_context("fork")
        self._what = what
        self._answer, answer = context.Pipe(duplex=False)
        self._process = context.Process(target=_answer, args=(work, answer))
        self._process.start()
        answer.close()

    def result(self) -> T:
        """Wait for the answer; raises RefusedError when there is none."""
        try:
            done, answer = self._answer.recv()
        except EOFError:
            raise RefusedError(
                f"{self._what} could not be proven", "its process ended without an answer; see what it printed"
            ) from None
        if not done:
            raise RefusedError(f"{self._what} could not be proven", answer)
        result: T = answer
        return result

    def is_done(self, within: float) -> bool:
        """Whether there is an answer, or will be within some seconds."""
        return self._answer.poll(within)

    def stop(self) -> None:
        self._process.terminate()
        self._process.join()


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


def _answer(work: Callable[[], object], answer: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # one that is stopped still drops its database
    try:
        answer.send((True, work()))
    except KeyboardInterrupt:
        pass
    except Exception as error:  # noqa: BLE001 -- told to the process that asked
        answer.send((False, sentence(error)))
