"""The verbs that prepare an account: bootstrap, permissions."""

import argparse
import json
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, environment, source
from slipway.cli.progress import telling


def add(verbs: Any) -> None:
    _bootstrap(
        add_verb(
            verbs, "bootstrap", bootstrap, "show what an environment needs in its account, and make it when told to"
        )
    )
    _permissions(add_verb(verbs, "permissions", permissions, "print the IAM policy that verbs need; AWS is not asked"))


def _bootstrap(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    verb.add_argument(
        "--github",
        metavar="OWNER/NAME",
        help="whose jobs may deploy, also as OWNER@OWNER_ID/NAME@NAME_ID (default: [tool.slipway.github])",
    )
    what = verb.add_mutually_exclusive_group()
    what.add_argument(
        "--template",
        nargs="?",
        const="environment",
        choices=("environment", "shared"),
        help="print the environment's template, or that of what environments share; AWS is not asked",
    )
    what.add_argument("--apply", action="store_true", help="make it; without this flag it is only shown")


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


async def bootstrap(given: argparse.Namespace) -> int:
    from slipway import settings
    from slipway.release.aws.client import Aws
    from slipway.release.bootstrap.template import stacks
    from slipway.report import answers
    from slipway.verbs.bootstrap import Ground, trusting
    from slipway.verbs.environment import wall_clock

    wanted = trusting(settings.load(given.source), given.github)
    if given.template:
        shared, own = stacks(wanted, given.environment)
        print((shared if given.template == "shared" else own).text, end="")
        return 0
    aws = Aws(wanted.environment(given.environment).region, given.endpoint_url)
    ground = Ground(wanted, given.environment, aws, wall_clock())
    act = ground.apply if given.apply else ground.propose
    with telling(given) as tell:
        made = await act(tell)
    return say(given, answers.of_bootstrap(made))


async def permissions(given: argparse.Namespace) -> int:
    from slipway import settings
    from slipway.records.bootstrap import Permissions
    from slipway.release.permissions import DEPLOY_ROLE, policy, scope_of
    from slipway.report import answers

    verbs = tuple(given.wanted or DEPLOY_ROLE)
    scope = scope_of(settings.load(given.source), given.environment)
    document = json.dumps(policy(scope, verbs), indent=2)
    return say(given, answers.of_permissions(Permissions(given.environment, verbs, document)))
