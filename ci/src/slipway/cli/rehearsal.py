"""`slipway rehearse` and `slipway simulator`: the way to production, and the account, on one machine."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, source
from slipway.cli.progress import voice


def add(verbs: Any) -> None:
    _rehearse(
        add_verb(
            verbs, "rehearse", rehearse, "play the whole way to production on this machine, against a simulated account"
        )
    )
    _simulator(
        add_verb(
            verbs,
            "simulator",
            simulator,
            "run the simulated AWS account alone, for anybody's tests, until it is interrupted",
        )
    )


def _rehearse(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--settings", type=Path, metavar="FILE", help="a TOML file with [tool.slipway], for a service that has none"
    )
    verb.add_argument(
        "--report", type=Path, metavar="DIR", help="write the page index.html there, report.txt and rehearsal.json"
    )


def _simulator(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, default=0, metavar="N", help="the port on 127.0.0.1 (default: a free one)")
    verb.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="how many of the platform's seconds pass in one of ours; 60 makes its minutes seconds (default: 1); what is deployed starts no faster, so far above 60 its health check comes too early",
    )
    verb.add_argument(
        "--state", type=Path, metavar="FILE", help="what is there at the start: repositories, roles, secrets"
    )
    verb.add_argument("--faults", type=Path, metavar="FILE", help="what will go wrong: calls throttled, answers lost")


async def rehearse(given: argparse.Namespace) -> int:
    from slipway.rehearsal.here import rehearse as play
    from slipway.report import answers, files

    rehearsal = await play(given.source, voice(given), given.settings)
    if given.report:
        files.write(given.report, files.of_rehearsal(rehearsal))
    if not given.quiet:
        print(file=sys.stderr)
    code = say(given, answers.of_rehearsal(rehearsal))
    if given.report and not given.quiet:
        print(f"The page: {given.report / 'index.html'}", file=sys.stderr)
    return code


async def simulator(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs.simulate import Beginning, simulate

    def tell(listening: Any) -> None:
        say(given, answers.of_listening(listening), indent=None)

    beginning = Beginning.of(given.state, given.faults, os.environ)
    await simulate(given.port, given.speed, tell, beginning)
    return 0
