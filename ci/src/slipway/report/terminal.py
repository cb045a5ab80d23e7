"""Progress output of long-running commands.

Events become lines that stay, on a terminal and in a pipe. The current step is a moving line, which only a terminal
shows: a pipe never receives cursor movements, even when FORCE_COLOR asks for colours.
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
from slipway.report.format import clock
from slipway.report.lines import LineProgress
from slipway.untrusted import one_line, printable


class TerminalProgress(LineProgress):
    """Progress with colours, and on a terminal with a moving line for the current step."""

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream, now)
        self._console = Console(
            file=stream, highlight=False, soft_wrap=True, color_system=None if os.environ.get("NO_COLOR") else "auto"
        )
        self._moves = stream.isatty() and self._console.is_interactive
        self._current: Live | None = None
        self._line: _MovingLine | None = None

    def step(self, text: str) -> AbstractContextManager[object]:
        return self._moving(text, None) if self._moves else nullcontext()

    def stage(self, text: str) -> None:
        if self._line:
            self.detail(text)
        else:
            super().stage(text)

    def detail(self, text: str) -> None:
        if self._line:
            self._line.detail = text

    @contextmanager
    def run(self) -> Iterator[Callable[[Event], None]]:
        """Print the events of one run. Remove the moving line at the end of the block, even after an error."""
        try:
            with super().run() as tell:
                yield tell
        finally:
            self._stop()

    def _begin(self, phase: Phase, words: str, expected: float | None) -> None:
        self._stop()
        super()._begin(phase, words, expected)
        if self._moves:
            self._current = self._moving(phase.value, expected)
            self._current.start(refresh=True)

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
    """Yield a function that shows a text; on a terminal, each text replaces the previous one. The last text stays."""
    console = Console(file=stream, highlight=False)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda text: live.update(Text(printable(text).rstrip("\n")), refresh=True)


class _MovingLine:
    """The current step and its duration. They are cut to one line, because `Live` cannot remove a wrapped line."""

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


def moving(words: str, elapsed: float, expected: float | None) -> str:
    """Return a line such as `the platform is at work · 1:24 of about 3:10`, or with a hint that it takes longer than usual."""
    if expected is None:
        return f"{words} · {clock(elapsed)}"
    if elapsed > expected:
        return f"{words} · {clock(elapsed)}, longer than the usual {clock(expected)}"
    return f"{words} · {clock(elapsed)} of about {clock(expected)}"
