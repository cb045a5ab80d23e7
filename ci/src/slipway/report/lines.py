"""Progress as plain lines that stay: in a pipe, and where rich is not installed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from slipway.records.progress import Event, Phase, Progress
from slipway.report.format import clock
from slipway.untrusted import printable


class LineProgress(Progress):
    """Progress written to `stream`; `now` returns monotonic seconds."""

    is_shown = True

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._started = now()
        self._phase: Phase | None = None

    def section(self, text: str) -> None:
        self._print(f"\n{text}", "bold")

    def stage(self, text: str) -> None:
        self._timed(text, "")

    def done(self, text: str, seconds: float) -> None:
        self._print(f"  {seconds:5.1f} s  {text}", "")

    def note(self, text: str) -> None:
        self._print(f"           {text}", "")

    def line(self, text: str) -> None:
        for line in text.splitlines():
            self._print(f"           {line}", "dim")

    def event(self, event: Event) -> None:
        """Print an event of a run with the time since the run began."""
        if event.phase and event.phase is not self._phase:
            self._phase = event.phase
            self._begin(event.phase, beginning(event), event.expected)
        self._timed(event.line, "dim")

    @contextmanager
    def run(self) -> Iterator[Callable[[Event], None]]:
        self._started, self._phase = self._now(), None
        yield self.event

    def _begin(self, phase: Phase, words: str, expected: float | None) -> None:  # noqa: ARG002 -- a terminal shows them
        self._timed(words, "bold")

    def _timed(self, text: str, style: str) -> None:
        time_column = clock(self._now() - self._started)
        for line in text.splitlines():
            self._print(f"{time_column:>9}  {line}", style)
            time_column = ""

    def _print(self, text: str, style: str) -> None:  # noqa: ARG002 -- a terminal has styles
        print(printable(text), file=self._stream, flush=True)


def lines(event: Event) -> list[str]:
    """Return the lines of an event that remain visible: the phase that begins, and the event's own text."""
    phase = [beginning(event)] if event.phase else []
    return [*phase, *printable(event.line).splitlines()]


def beginning(event: Event) -> str:
    """Return the words for the beginning of a phase, such as `the platform is at work, usually about 3:10`."""
    words = event.phase.value if event.phase else ""
    return words if event.expected is None else f"{words}, usually about {clock(event.expected)}"
