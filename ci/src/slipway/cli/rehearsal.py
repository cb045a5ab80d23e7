"""`slipway rehearse` and `slipway simulator`: the way to production, and the account, on one machine."""

import argparse
import sys
from pathlib import Path
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, source


def add(verbs: Any) -> None:
    _rehearse(
        add_verb(
            verbs, "rehearse", rehearse, "play the whole way to production on this machine, against a simulated account"
        )
    )
    _simulator(add_verb(verbs, "simulator", simulator, "run the simulated account alone, for anybody's tests"))


def _rehearse(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--settings", type=Path, metavar="FILE", help="a TOML file with [tool.slipway], for a service that has none"
    )
    verb.add_argument("--report", type=Path, metavar="DIR", help="write rehearsal.json and index.html there")
    verb.add_argument("--quiet", action="store_true", help="leave out the platform's own lines")


def _simulator(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1 (default: a free one)")
    verb.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="how many of the platform's seconds pass in one of ours (default: 1)",
    )


async def rehearse(given: argparse.Namespace) -> int:
    from slipway.report import answers, files
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.rehearse.here import rehearse as play

    rehearsal = await play(given.source, TerminalVoice(sys.stderr, lines=not given.quiet), given.settings)
    if given.report:
        files.write(given.report, files.of_rehearsal(rehearsal))
    print(file=sys.stderr)
    code = say(given, answers.of_rehearsal(rehearsal))
    if given.report:
        print(f"The page: {given.report / 'index.html'}", file=sys.stderr)
    return code


async def simulator(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs.simulate import simulate

    await simulate(given.port, given.speed, lambda listening: say(given, answers.of_listening(listening), indent=None))
    return 0
