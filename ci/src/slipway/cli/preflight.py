"""`slipway preflight`: what can be known to fail, before anything is touched."""

import argparse
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, chosen, environment


def add(verbs: Any) -> None:
    said = "look at all that can be looked at before a deployment, and list what cannot; nothing is touched"
    verb = add_verb(verbs, "preflight", preflight, said)
    environment(verb)
    verb.add_argument("--image", required=True, metavar="REPOSITORY@DIGEST", help="what would be deployed, by digest")


async def preflight(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs.preflight import preflight as looked

    there = chosen(given, given.environment)
    spec = there.spec(there.digest_of(given.image))
    return say(given, answers.of_preflight(await looked(there.aws, spec, there.settings)))
