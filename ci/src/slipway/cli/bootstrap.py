"""The verbs that prepare an account: permissions."""

import argparse
import json
from typing import Any

from slipway.cli.arguments import add_verb, source


def add(verbs: Any) -> None:
    _permissions(add_verb(verbs, "permissions", permissions, "print the IAM policy that verbs need; AWS is not asked"))


def _permissions(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--environment", required=True, metavar="NAME", help="an environment of [tool.slipway.environments]"
    )
    verb.add_argument(
        "--verb",
        action="append",
        dest="wanted",
        metavar="VERB",
        help="only what this verb needs, such as destroy; may be given several times (default: all that a deploy role does)",
    )


async def permissions(given: argparse.Namespace) -> int:
    from slipway import settings
    from slipway.release.permissions import DEPLOY_ROLE, policy, scope_of

    scope = scope_of(settings.load(given.source), given.environment)
    print(json.dumps(policy(scope, given.wanted or DEPLOY_ROLE), indent=2))
    return 0
