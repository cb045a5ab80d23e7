"""A voice for people. What has happened stays as a line, on a terminal and in a pipe alike; what is going on is one line that moves, on a terminal only.

So a pipe gets each thing once, and nothing that moves a cursor, also where FORCE_COLOR asks for colours.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from slipway.records.progress import Event, Phase
from slipway.report.progress_text import beginning, clock, moving
from slipway.untrusted import one_line, printable


class TerminalProgress:
    """Says to `stream` what a verb is doing. `now` are seconds of a clock that never goes back."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(
            file=stream, highlight=False, soft_wrap=True, color_system=None if os.environ.get("NO_COLOR") else "auto"
        )
        self._moves = stream.isatty() and self._console.is_interactive
        self._now = now
        self._began: float | None = None
        self._phase: Phase | None = None
        self._going_on: Live | None = None
        self._line: _Line | None = None

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
        """One of a run's events: beside it stands how long the run had taken."""
        if event.phase and event.phase is not self._phase:
            self._phase = event.phase
            self._stop()
            self._timed(beginning(event), "bold")
            if self._moves:
                self._going_on = self._moving(event.phase.value, event.expected)
                self._going_on.start(refresh=True)
        self._timed(event.line, "dim")

    @contextmanager
    def run(self) -> Iterator[Callable[[Event], None]]:
        """Tells the events of one run; nothing moves any more when the block ends, however it does."""
        self._began, self._phase = self._now(), None
        try:
            yield self.event
        finally:
            self._stop()

    def _timed(self, text: str, style: str) -> None:
        if self._began is None:
            self._began = self._now()
        time_column = clock(self._now() - self._began)
        for line in text.splitlines():
            self._print(f"{time_column:>9}  {line}", style)
            time_column = ""

    def _moving(self, words: str, expected: float | None) -> Live:
        self._line = _Line(words, expected, self._now)
        return Live(
            self._line,
            console=self._console,
            transient=True,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _stop(self) -> None:
        if self._going_on:
            self._going_on.stop()
            self._going_on = None

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(printable(text), style))


class _Line:
    """What is going on, and for how long: always one line, for a second one would be left behind by the next."""

    def __init__(self, words: str, expected: float | None, now: Callable[[], float]) -> None:
        self._words = words
        self.detail = ""
        self._expected = expected
        self._now = now
        self._began = now()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = f"{self._words}, {self.detail}" if self.detail else self._words
        text = Text(one_line(moving(words, self._now() - self._began, self._expected)), "cyan")
        text.truncate(options.max_width - 1, overflow="ellipsis")
        yield text
