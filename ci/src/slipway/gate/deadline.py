"""Time limits for the steps of revisions. The parent process can read them even after the child has died."""

import mmap
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_PAGE = 4096
# seconds after which the exception is raised again, for a revision that catches every exception
_REPEAT_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 10.0  # seconds after the limit, after which no exception will stop the process


class TookTooLongError(Exception):
    """A step, or env.py, that exceeded its time limit."""


class _Expired(BaseException):
    """The exception inside code that exceeds its limit. Retry loops that catch Exception do not catch it."""


class Deadline:
    """The current step of a process and its deadline, in a page of memory that the parent shares."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _PAGE)

    def set(self, step: str, until: float) -> None:
        text = f"{until} {step}".encode()[: _PAGE - 1]
        self._page[: len(text) + 1] = text + b"\0"

    def read(self) -> tuple[str, float]:
        """Return the current step and its deadline in seconds of the monotonic clock.

        The step is empty before the first one.
        """
        text = self._page[:].partition(b"\0")[0].decode(errors="replace")
        until, _, step = text.partition(" ")
        return step, float(until or "inf")

    @property
    def overdue(self) -> bool:
        """Whether the process continues although the exception was raised in it."""
        return time.monotonic() > self.read()[1] + _GRACE_SECONDS


class _Process:
    """The deadline of this process."""

    deadline = Deadline()


def share(deadline: Deadline) -> None:
    """Publish this process's steps on a page that its parent reads. Called in a fork."""
    _Process.deadline = deadline


@contextmanager
def within(seconds: float, step: str) -> Iterator[None]:
    """Stop the block after some seconds with TookTooLongError. Afterwards an enclosing block's time starts again."""
    outer_step, _ = _Process.deadline.read()
    nested = signal.getitimer(signal.ITIMER_REAL)[0] if _can_be_alarmed() else 0.0
    _begin(seconds, step)
    try:
        yield
    except _Expired as expired:
        raise TookTooLongError(
            f"{step} did not end within {seconds:g} s, the timeout of [tool.slipway.migrations]"
        ).with_traceback(expired.__traceback__) from None
    finally:
        # Nested blocks share one limit, which is the settings' limit.
        if nested:
            _begin(seconds, outer_step)
        else:
            _alarm(0)
            _Process.deadline.set(outer_step, float("inf"))


@contextmanager
def unlimited() -> Iterator[None]:
    """Suspend the time limit during the block. The remaining time continues afterwards."""
    step, until = _Process.deadline.read()
    left = signal.getitimer(signal.ITIMER_REAL)[0] if _can_be_alarmed() else 0.0
    _alarm(0)
    _Process.deadline.set(step, float("inf"))
    try:
        yield
    finally:
        _alarm(left)
        _Process.deadline.set(step, time.monotonic() + left if left else until)


def _begin(seconds: float, step: str) -> None:
    _Process.deadline.set(step, time.monotonic() + seconds)
    if _can_be_alarmed():
        signal.signal(signal.SIGALRM, _expire)
    _alarm(seconds)


def _alarm(seconds: float) -> None:
    if _can_be_alarmed():
        signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS if seconds else 0)


def _can_be_alarmed() -> bool:
    return threading.current_thread() is threading.main_thread()


def _expire(*_: Any) -> None:
    raise _Expired
