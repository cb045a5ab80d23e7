"""The verbs of an environment: plan, deploy, promote, status, history."""

import argparse
from pathlib import Path
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, chosen, endpoint, environment, source
from slipway.cli.progress import telling

_IMAGE: Any = {"metavar": "REPOSITORY@DIGEST", "help": "what to deploy: an image, named by digest"}


def add(verbs: Any) -> None:
    _plan(add_verb(verbs, "plan", plan, "show what a deployment would change; nothing is touched"))
    _deploy(
        add_verb(
            verbs,
            "deploy",
            deploy,
            "deploy an image by digest, or what a plan says; yes only when it is live and healthy",
        )
    )
    environment(add_verb(verbs, "status", status, "show what is live"))
    environment(add_verb(verbs, "history", history, "show what has been deployed, newest first"))
    _promote(
        add_verb(verbs, "promote", promote, "deploy to one environment the digest that is live and healthy in another")
    )


def _plan(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    verb.add_argument("--image", required=True, **_IMAGE)


def _deploy(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    what = verb.add_mutually_exclusive_group(required=True)
    what.add_argument("--image", **_IMAGE)
    what.add_argument(
        "--plan",
        type=Path,
        metavar="FILE",
        help="an approved plan, as `slipway plan --json` printed it; refused when it is no longer true",
    )


def _promote(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--from", required=True, dest="origin", metavar="NAME", help="where the digest is live and healthy"
    )
    verb.add_argument("--to", required=True, metavar="NAME", help="where it goes")
    endpoint(verb)


async def plan(given: argparse.Namespace) -> int:
    from slipway.oci.content import Reference
    from slipway.report import answers

    made = await chosen(given, given.environment).plan(Reference.parse(given.image).digest)
    return say(given, answers.of_plan(made))


async def deploy(given: argparse.Namespace) -> int:
    from slipway.oci.content import Reference
    from slipway.report import answers

    environment = chosen(given, given.environment)
    with telling(given) as tell:
        if given.plan:
            outcome = await environment.apply(_saved_plan(given.plan), tell)
        else:
            outcome = await environment.deploy(Reference.parse(given.image).digest, tell)
    return say(given, answers.of_outcome(outcome))


async def promote(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import environment

    with telling(given) as tell:
        outcome = await environment.promote(chosen(given, given.origin), chosen(given, given.to), tell)
    return say(given, answers.of_outcome(outcome))


async def status(given: argparse.Namespace) -> int:
    from slipway.report import answers

    observed = await chosen(given, given.environment).status()
    return say(given, answers.of_observed(observed, given.environment))


async def history(given: argparse.Namespace) -> int:
    from slipway.report import answers

    return say(given, answers.of_history(await chosen(given, given.environment).history()))


def _saved_plan(file: Path) -> Any:
    from slipway.records.form import from_json, text_of
    from slipway.records.plan import Plan

    return from_json(Plan, text_of(file, "the plan"), str(file))
