"""CommandLine: a caller that shows progress on standard error and reads files of this machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from slipway.cli.answer import say
from slipway.commands.command import Flags

if TYPE_CHECKING:
    from slipway.environment.environment import ServiceEnvironment
    from slipway.records.progress import Event, Progress
    from slipway.report.answers import CommandResult
    from slipway.settings import Settings

R = TypeVar("R")


@dataclass(frozen=True)
class CommandLine:
    """One call from a command line."""

    flags: Flags

    @property
    def progress(self) -> "Progress":
        from slipway.records.progress import Progress
        from slipway.report.terminal import TerminalProgress

        return Progress() if self.flags.quiet else TerminalProgress(sys.stderr)

    @contextmanager
    def run(self) -> "Iterator[Callable[[Event], None]]":
        """Show the events of one run, and tell a person who interrupts it that the platform continues."""
        import anyio

        from slipway.report.terminal import TerminalProgress

        try:
            with TerminalProgress(sys.stderr).run() as tell:
                yield (lambda _: None) if self.flags.quiet else tell
        except anyio.get_cancelled_exc_class():
            print(
                "slipway: the platform continues with what has started; run the same command again to follow it",
                file=sys.stderr,
            )
            raise

    def say(self, answer: "CommandResult") -> None:
        say(self.flags, answer, indent=None)

    async def settings(self) -> "Settings":
        from slipway import settings

        return settings.load(self.flags.source)

    async def environment(self, name: str) -> "ServiceEnvironment":
        from slipway.environment import environment

        settings = await self.settings()
        settings.environment(name)
        return environment.ServiceEnvironment(
            settings=settings,
            name=name,
            endpoint_url=self.flags.endpoint_url,
            time=environment.wall_clock(),
            starts=not vars(self.flags).get("without_start", False),
        )

    async def text(self, file: Path, what: str) -> str:
        from slipway.records.form import text_of

        return text_of(file, what)

    async def record(self, kind: type[R], file: Path, what: str) -> R:
        from slipway.records.form import from_json

        return from_json(kind, await self.text(file, what), str(file))
