import argparse
import asyncio

import pytest

from slipway.cli.progress import telling, voice
from slipway.records.progress import Event, Phase

LOUD, QUIET = argparse.Namespace(quiet=False), argparse.Namespace(quiet=True)


async def test_a_run_is_told_on_standard_error(capsys):
    with telling(LOUD) as tell:
        tell(Event("one", Phase.LOOK))
    assert capsys.readouterr() == ("", "     0:00  reading the live state\n     0:00  one\n")


async def test_nobody_hears_of_a_quiet_run(capsys):
    with telling(QUIET) as tell:
        tell(Event("one", Phase.LOOK))
    voice(QUIET).note("two")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("given", [LOUD, QUIET], ids=["loud", "quiet"])
async def test_whoever_interrupts_a_run_hears_that_the_platform_goes_on(capsys, given):
    with pytest.raises(asyncio.CancelledError), telling(given):
        raise asyncio.CancelledError
    assert "what the platform has begun goes on" in capsys.readouterr().err
