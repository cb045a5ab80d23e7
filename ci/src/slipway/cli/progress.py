"""What a verb says on the way, on standard error: to a person, or to nobody with --quiet."""

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.records.progress import Event
    from slipway.verbs.voice import Voice


def voice(given: argparse.Namespace) -> "Voice":
    """Who speaks for a verb of several steps."""
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.voice import Silence

    return Silence() if given.quiet else TerminalVoice(sys.stderr)


def telling(given: argparse.Namespace) -> "AbstractContextManager[Callable[[Event], None]]":
    """Who hears the events of one run of the release engine, for as long as the block lasts."""
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.voice import Silence

    return nullcontext(Silence().event) if given.quiet else TerminalVoice(sys.stderr).run()
