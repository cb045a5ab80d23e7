"""What a verb says on the way, on standard error: to a person, or to nobody with --quiet."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.records.progress import Event
    from slipway.verbs.voice import Voice


def voice(given: argparse.Namespace) -> "Voice":
    """Who speaks for a verb of several steps."""
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.voice import Silence

    return Silence() if given.quiet else TerminalVoice(sys.stderr)


@contextmanager
def telling(given: argparse.Namespace) -> "Iterator[Callable[[Event], None]]":
    """Who hears the events of one run of the release engine, for as long as the block lasts."""
    import anyio

    from slipway.report.terminal import TerminalVoice

    try:
        with TerminalVoice(sys.stderr).run() as tell:
            yield (lambda _: None) if given.quiet else tell
    except anyio.get_cancelled_exc_class():
        print(
            "slipway: what the platform has begun goes on; the same command finds it, and follows it to its end",
            file=sys.stderr,
        )
        raise
