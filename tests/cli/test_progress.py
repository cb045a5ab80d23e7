import argparse
import asyncio

import pytest

from slipway.cli import CommandLine
from slipway.records.progress import Event, Phase

LOUD, QUIET = (CommandLine(argparse.Namespace(quiet=quiet)) for quiet in (False, True))


async def test_events_of_a_run_are_printed_on_standard_error(capsys):
    with LOUD.run() as tell:
        tell(Event("one", Phase.LOOK))
    assert capsys.readouterr() == ("", "     0:00  reading the live state\n     0:00  one\n")


async def test_a_quiet_run_prints_nothing(capsys):
    with QUIET.run() as tell:
        tell(Event("one", Phase.LOOK))
    QUIET.progress.note("two")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("caller", [LOUD, QUIET], ids=["loud", "quiet"])
async def test_an_interrupted_run_says_that_the_platform_continues(capsys, caller):
    with pytest.raises(asyncio.CancelledError), caller.run():
        raise asyncio.CancelledError
    assert "the platform continues with what has started" in capsys.readouterr().err
