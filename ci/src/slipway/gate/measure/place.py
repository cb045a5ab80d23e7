"""The step of a revision that is running, and the line of the revision's file that executes a statement."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from slipway.migration import database


@dataclass(frozen=True)
class _Step:
    """A running step: the revision's file, the first line of its function, and its thread and greenlet."""

    path: str
    line: int
    thread: int
    greenlet: Any


class _Process:
    """The step that this process is running."""

    step: _Step | None = None


@contextmanager
def running(path: str, line: int) -> Iterator[None]:
    """Attribute the statements of the block to the revision in the file `path`, whose function begins on `line`."""
    _Process.step = _Step(path, line, threading.get_ident(), _greenlet())
    try:
        yield
    finally:
        _Process.step = None


def line_in(path: str | None) -> int | None:
    """Return the line of the revision in the file `path` that executes the current statement; None when its step is not running.

    In another thread or task of the revision, return the line at which the step waits, otherwise the line of its
    function.
    """
    step = _Process.step
    if step is None or step.path != path:
        return None
    here = list(_stacks())
    if line := _line_in(here, path):
        return line
    if threading.get_ident() != step.thread and any(map(_is_ours, itertools.chain(*map(_frames, here)))):
        return None
    suspended = getattr(step.greenlet, "gr_frame", None)
    return _line_in([suspended, sys._current_frames().get(step.thread)], path) or step.line  # noqa: SLF001 -- the only way to see another thread


def _stacks() -> Iterator[FrameType | None]:
    """Yield the top frame of this stack and, in a greenlet, those of the stacks that wait for it, which have the coroutines' frames."""
    yield sys._getframe(2)  # noqa: SLF001 -- the stack, without reading source files as inspect.stack does
    greenlet = _greenlet()
    while greenlet is not None and (greenlet := greenlet.parent) is not None:
        yield greenlet.gr_frame


def _greenlet() -> Any:
    """Return the current greenlet; None when the service does not use them."""
    module = sys.modules.get("greenlet")
    return module.getcurrent() if module else None


def _line_in(stacks: list[FrameType | None], path: str) -> int | None:
    lines = (frame.f_lineno for top in stacks for frame in _frames(top) if frame.f_code.co_filename == path)
    return next(lines, None)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_ours(frame: FrameType) -> bool:
    """Return whether a frame belongs to one of the gate's own connections, which may run in a thread."""
    return frame.f_globals.get("__name__") == database.__name__


def package_of(frame: FrameType) -> str:
    """Return the name of the package that contains a frame's code."""
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
