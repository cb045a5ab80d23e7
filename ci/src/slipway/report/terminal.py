"""A voice for people: on a terminal what is going on moves, in a pipe every line stays."""

from contextlib import AbstractContextManager, nullcontext
from typing import TextIO

from rich.console import Console
from rich.text import Text

from slipway.untrusted import printable


class TerminalVoice:
    """Says to `stream` what a verb is doing."""

    def __init__(self, stream: TextIO, *, lines: bool) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._lines = lines

    def heading(self, text: str) -> None:
        self._print(f"\n{text}", "bold")

    def doing(self, text: str) -> AbstractContextManager[object]:
        if not self._console.is_terminal:
            return nullcontext()
        return self._console.status(Text(printable(text)))

    def done(self, text: str, seconds: float) -> None:
        self._print(f"  {seconds:5.1f} s  {text}", "")

    def note(self, text: str) -> None:
        self._print(f"           {text}", "")

    def line(self, text: str) -> None:
        if self._lines:
            for line in text.splitlines():
                self._print(f"           {line}", "dim")

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(printable(text), style))
