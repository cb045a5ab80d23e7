"""What a verb says on the way, on standard error: to a person, or to nobody with --quiet."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.records.progress import Event, Progress


def voice(given: argparse.Namespace) -> "Progress":
    """Who speaks for a verb of several steps."""
    from slipway.records.progress import NullProgress
    from slipway.report.terminal import TerminalProgress

    return NullProgress() if given.quiet else TerminalProgress(sys.stderr)


@contextmanager
def telling(given: argparse.Namespace) -> "Iterator[Callable[[Event], None]]":
    """Who hears the events of one run of the release engine, for as long as the block lasts."""
    import anyio

    from slipway.report.terminal import TerminalProgress

    try:
        with TerminalProgress(sys.stderr).run() as tell:
            yield (lambda _: None) if given.quiet else tell
    except anyio.get_cancelled_exc_class():
        print(
            "slipway: what the platform has begun goes on; the same command finds it, and follows it to its end",
            file=sys.stderr,
        )
        raise
