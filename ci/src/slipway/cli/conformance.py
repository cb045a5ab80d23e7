"""`slipway conformance`: whether AWS is as the simulator's documentation says."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb
from slipway.errors import BadInputError

_SAID = "hold what the simulator's documentation says of AWS against an account: the simulator's own, or a real one that is named"
_MORE = """\
Without --account the simulator itself is asked: that takes seconds and touches nothing. With --account a real account is: services are
created there, led through every state that can be reached from outside, asked, and deleted. What that creates, takes and costs is said
first, and nothing is created until --yes, or the account's number typed again, agrees to it. After an interruption, too, everything is
deleted, which takes until nothing is in progress; a second interruption leaves it, and --clean-up finds it.

Exit codes: 0 all that can be reached is confirmed, 1 something differs, 2 bad input, 3 not finished: something was not reached, or could
not be deleted. Account numbers and ARNs are taken out of all that is printed as a result."""


def add(verbs: Any) -> None:
    _conformance(add_verb(verbs, "conformance", conformance, _SAID))


def _conformance(verb: argparse.ArgumentParser) -> None:
    verb.epilog, verb.formatter_class = _MORE, argparse.RawDescriptionHelpFormatter
    verb.add_argument("--account", metavar="NUMBER", help="the real account, by its twelve digits")
    verb.add_argument("--region", metavar="REGION", help="where (default: the profile's)")
    verb.add_argument("--yes", action="store_true", help="agree to what will be created and what it costs")
    verb.add_argument("--estimate", action="store_true", help="say what will be created and what it costs, and no more")
    verb.add_argument(
        "--clean-up", action="store_true", help="delete what earlier runs left, by name and tag, and no more"
    )
    verb.add_argument("--image", metavar="IMAGE", help="what the services run (default: AWS's sample in ECR Public)")
    verb.add_argument("--port", type=int, default=8000, help="with --image: the port it listens on (default: 8000)")
    verb.add_argument("--start-command", default="", metavar="COMMAND", help="with --image: the command that starts it")
    verb.add_argument(
        "--access-role", metavar="ARN", help="with an --image of a private repository: the role that pulls it"
    )
    verb.add_argument(
        "--endpoint-url", metavar="URL", help="with --account: what stands in for AWS; that confirms nothing"
    )


async def conformance(given: argparse.Namespace) -> int:
    from slipway.conformance.service import ProbeImage
    from slipway.conformance.suite import conform
    from slipway.conformance.walks import estimate
    from slipway.report import answers, conformance_text
    from slipway.verbs.conformance import Consent, clean_up, permitted, simulated_conformance

    if given.estimate:
        return say(given, answers.of_estimate(estimate()))
    image = ProbeImage(given.image, given.port, given.start_command, given.access_role) if given.image else ProbeImage()
    if given.account is None:
        if given.yes or given.clean_up or given.endpoint_url or given.region:
            raise BadInputError("no account is named", "give its twelve digits with --account")
        return say(given, answers.of_conformance(await simulated_conformance(image, _progress(given))))
    account = await permitted(Consent(given.account, given.region, given.endpoint_url))
    where = f"account {given.account}, {account.region}"
    if given.clean_up:
        _agreed(given, f"Everything of earlier runs in {where} will be deleted, also of one that is running now.\n")
        return say(given, answers.of_left(await clean_up(account, _progress(given))))
    _agreed(given, conformance_text.of_estimate(estimate(), where))
    return say(given, answers.of_conformance(await conform(account, image, _progress(given))))


def _agreed(given: argparse.Namespace, what: str) -> None:
    """Raises BadInputError unless somebody agrees to it."""
    print(what, end="", file=sys.stderr, flush=True)
    if given.yes:
        return
    if not sys.stdin.isatty():
        raise BadInputError("nobody has agreed to that, and nothing was touched", "give --yes")
    print("Type the account's number to agree: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != given.account:
        raise BadInputError("that is another number, and nothing was touched", f"type {given.account}, or give --yes")


def _progress(given: argparse.Namespace) -> Callable[[str], None]:
    return (lambda _line: None) if given.quiet else partial(print, file=sys.stderr, flush=True)
