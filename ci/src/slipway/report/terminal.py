"""Progress output of long-running commands.

Events are lines that stay, on a terminal and in a pipe alike. The current step is one moving line, on a terminal only, so a pipe never
receives cursor movements, even when FORCE_COLOR asks for colours.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from slipway.records.progress import Event, Phase, Progress
from slipway.report.format import clock
from slipway.untrusted import one_line, printable


class TerminalProgress(Progress):
    """Progress written to `stream`; `now` returns monotonic seconds."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(
            file=stream, highlight=False, soft_wrap=True, color_system=None if os.environ.get("NO_COLOR") else "auto"
        )
        self._moves = stream.isatty() and self._console.is_interactive
        self._now = now
        self._started: float | None = None
        self._phase: Phase | None = None
        self._current: Live | None = None
        self._line: _MovingLine | None = None

    def section(self, text: str) -> None:
        self._print(f"\n{text}", "bold")

    def step(self, text: str) -> AbstractContextManager[object]:
        return self._moving(text, None) if self._moves else nullcontext()

    def detail(self, text: str) -> None:
        if self._line:
            self._line.detail = text

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
            self._stop()
            self._timed(beginning(event), "bold")
            if self._moves:
                self._current = self._moving(event.phase.value, event.expected)
                self._current.start(refresh=True)
        self._timed(event.line, "dim")

    @contextmanager
    def run(self) -> Iterator[Callable[[Event], None]]:
        """Print the events of one run; the moving line is removed when the block ends, however it ends."""
        self._started, self._phase = self._now(), None
        try:
            yield self.event
        finally:
            self._stop()

    def _timed(self, text: str, style: str) -> None:
        if self._started is None:
            self._started = self._now()
        time_column = clock(self._now() - self._started)
        for line in text.splitlines():
            self._print(f"{time_column:>9}  {line}", style)
            time_column = ""

    def _moving(self, words: str, expected: float | None) -> Live:
        self._line = _MovingLine(words, expected, self._now)
        return Live(
            self._line,
            console=self._console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _stop(self) -> None:
        if self._current:
            self._current.stop()
            self._current = None

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(printable(text), style))


@contextmanager
def replacing(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Yield what shows a text in the place of the one before, on a terminal; the last one stays."""
    console = Console(file=stream, highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda text: live.update(Text(printable(text).rstrip("\n")), refresh=True)


class _MovingLine:
    """The current step and its duration, cut to one line, because `Live` cannot remove a line that wrapped."""

    def __init__(self, words: str, expected: float | None, now: Callable[[], float]) -> None:
        self._words = words
        self.detail = ""
        self._expected = expected
        self._now = now
        self._started = now()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = f"{self._words}, {self.detail}" if self.detail else self._words
        text = Text(one_line(moving(words, self._now() - self._started, self._expected)), "cyan")
        text.truncate(options.max_width - 1, overflow="ellipsis")
        yield text


def lines(event: Event) -> list[str]:
    """Return the lines of an event that stay: the phase that it begins, and its own text."""
    phase = [beginning(event)] if event.phase else []
    return [*phase, *printable(event.line).splitlines()]


def beginning(event: Event) -> str:
    """`the platform is at work, usually about 3:10`."""
    words = event.phase.value if event.phase else ""
    return words if event.expected is None else f"{words}, usually about {clock(event.expected)}"


def moving(words: str, elapsed: float, expected: float | None) -> str:
    """`the platform is at work · 1:24 of about 3:10`, or a hint that it takes longer than usual."""
    if expected is None:
        return f"{words} · {clock(elapsed)}"
    if elapsed > expected:
        return f"{words} · {clock(elapsed)}, longer than the usual {clock(expected)}"
    return f"{words} · {clock(elapsed)} of about {clock(expected)}"
