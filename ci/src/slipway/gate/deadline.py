"""Where a process of the gate stands: noted on a page of memory that the process which waits for it reads, also after its death."""

import mmap
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_PAGE = 4096
_AGAIN: Final = 5.0  # for a revision that catches whatever is raised
_GRACE: Final = 10.0  # then nothing that is raised will end it


class TookTooLongError(Exception):
    """A step, or env.py, that did not end in time."""


class _Expired(BaseException):
    """Raised in the midst of what takes too long; retry loops that catch every Exception do not catch it."""


class Whereabouts:
    """What a process does, and until when it must have done it; a fork shares the page with the process that it came from."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _PAGE)

    def note(self, what: str, until: float) -> None:
        text = f"{until} {what}".encode()[: _PAGE - 1]
        self._page[: len(text) + 1] = text + b"\0"

    def read(self) -> tuple[str, float]:
        """What was noted last, nothing when nothing was; and until when."""
        text = self._page[:].partition(b"\0")[0].decode(errors="replace")
        until, _, what = text.partition(" ")
        return what, float(until or "inf")

    @property
    def overdue(self) -> bool:
        """Whether the process has not even been stopped by what is raised in it."""
        return time.monotonic() > self.read()[1] + _GRACE


class _Process:
    """What every process has one of: the page on which it notes where it stands."""

    page = Whereabouts()


def stand_on(page: Whereabouts) -> None:
    """Note on this page from now on; said by a fork."""
    _Process.page = page


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """End the block after some seconds, with TookTooLongError; within another block of this kind that one's time begins anew afterwards."""
    before = _Process.page.read()
    outer = signal.getitimer(signal.ITIMER_REAL)[0] if _can_be_alarmed() else 0.0
    _begin(seconds, what)
    try:
        yield
    except _Expired as expired:
        raise TookTooLongError(
            f"{what} did not end within {seconds:g} s, the patience of [tool.slipway.migrations]"
        ).with_traceback(expired.__traceback__) from None
    finally:
        # Within another block both have the same patience, that of the settings.
        if outer:
            _begin(seconds, before[0])
        else:
            _alarm(0)
            _Process.page.note(before[0], float("inf"))


@contextmanager
def unlimited() -> Iterator[None]:
    """Within this block time does not count; afterwards it begins anew."""
    what, until = _Process.page.read()
    left = signal.getitimer(signal.ITIMER_REAL)[0] if _can_be_alarmed() else 0.0
    _alarm(0)
    _Process.page.note(what, float("inf"))
    try:
        yield
    finally:
        _alarm(left)
        _Process.page.note(what, time.monotonic() + left if left else until)


def _begin(seconds: float, what: str) -> None:
    _Process.page.note(what, time.monotonic() + seconds)
    if _can_be_alarmed():
        signal.signal(signal.SIGALRM, _expire)
    _alarm(seconds)


def _alarm(seconds: float) -> None:
    if _can_be_alarmed():
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN if seconds else 0)


def _can_be_alarmed() -> bool:
    return threading.current_thread() is threading.main_thread()


def _expire(*_: Any) -> None:
    raise _Expired
