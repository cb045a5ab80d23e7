"""The verbs that bring a release to an environment: plan, deploy, promote, rollback."""

import argparse
from pathlib import Path
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import (
    add_verb,
    certificate,
    chosen,
    dry_run,
    endpoint,
    environment,
    evidence,
    proof,
    source,
    start,
)
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
    _promote(
        add_verb(verbs, "promote", promote, "deploy to one environment the digest that is live and healthy in another")
    )
    _rollback(
        add_verb(verbs, "rollback", rollback, "bring a recorded release back, by digest; the database stays as it is")
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
    certificate(verb)
    start(verb)


def _promote(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument(
        "--from", required=True, dest="origin", metavar="NAME", help="where the digest is live and healthy"
    )
    verb.add_argument("--to", required=True, metavar="NAME", help="where it goes")
    proof(verb)
    start(verb)
    dry_run(verb)
    endpoint(verb)


def _rollback(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    verb.add_argument(
        "--to",
        type=int,
        metavar="NUMBER",
        help="the deployment to go back to, as `slipway history` numbers them (default: the last one that was live before)",
    )
    proof(verb)
    dry_run(verb)


async def plan(given: argparse.Namespace) -> int:
    from slipway.report import answers

    environment = chosen(given, given.environment)
    return say(given, answers.of_plan(await environment.plan(environment.digest_of(given.image))))


async def deploy(given: argparse.Namespace) -> int:
    from slipway.report import answers

    environment, proven = chosen(given, given.environment), evidence(given).certificate
    with telling(given) as tell:
        if given.plan:
            outcome = await environment.apply(_saved_plan(given.plan), tell, proven)
        else:
            outcome = await environment.deploy(environment.digest_of(given.image), tell, proven)
    return say(given, answers.of_outcome(outcome))


async def promote(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import promote as verb

    origin, target = chosen(given, given.origin), chosen(given, given.to)
    if given.dry_run:
        return say(given, answers.of_plan(await verb.plan_promotion(origin, target, evidence(given))))
    with telling(given) as tell:
        outcome = await verb.promote(origin, target, tell, evidence(given))
    return say(given, answers.of_outcome(outcome))


async def rollback(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import rollback as verb

    environment = chosen(given, given.environment)
    if given.dry_run:
        return say(given, answers.of_plan(await verb.plan_rollback(environment, given.to, evidence(given))))
    with telling(given) as tell:
        outcome = await verb.rollback(environment, tell, given.to, evidence(given))
    return say(given, answers.of_outcome(outcome))


def _saved_plan(file: Path) -> Any:
    from slipway.records.form import from_json, text_of
    from slipway.records.plan import Plan

    return from_json(Plan, text_of(file, "the plan"), str(file))
