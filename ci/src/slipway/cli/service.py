"""The verbs of a service that is there: status, history, diagnose, pause, resume, destroy."""

import argparse
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, chosen, dry_run, environment
from slipway.cli.progress import telling


def add(verbs: Any) -> None:
    environment(
        add_verb(
            verbs,
            "status",
            status,
            "show what is live, how it came there, what goes on, and what the release says of itself",
        )
    )
    environment(add_verb(verbs, "history", history, "show what has been deployed, newest first"))
    _diagnose(
        add_verb(
            verbs, "diagnose", diagnose, "say why the newest change of a service failed, and the lines that show it"
        )
    )
    _changing(add_verb(verbs, "pause", pause, "let a service rest; its configuration and its address stay"))
    _changing(add_verb(verbs, "resume", resume, "wake a paused service with the release that it had"))
    _destroy(add_verb(verbs, "destroy", destroy, "delete a service and its address for good; images and history stay"))


def _diagnose(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    verb.add_argument(
        "--number",
        type=int,
        metavar="NUMBER",
        help="a deployment, as `slipway history` numbers them (default: the newest change of the service, whoever made it)",
    )


def _changing(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    dry_run(verb)


def _destroy(verb: argparse.ArgumentParser) -> None:
    _changing(verb)
    verb.add_argument(
        "--confirm", default="", metavar="SERVICE", help="the service's name once more: there is no way back"
    )


async def status(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import status as verb

    return say(given, answers.of_situation(await verb.status(chosen(given, given.environment))))


async def history(given: argparse.Namespace) -> int:
    from slipway.report import answers

    return say(given, answers.of_history(await chosen(given, given.environment).history()))


async def diagnose(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import diagnose as verb

    return say(given, answers.of_examination(await verb.diagnose(chosen(given, given.environment), given.number)))


async def pause(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import pause as verb

    environment = chosen(given, given.environment)
    if given.dry_run:
        return await _planned(given, environment, verb.paused(environment))
    with telling(given) as tell:
        outcome = await verb.pause(environment, tell)
    return say(given, answers.of_outcome(outcome))


async def resume(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import pause as verb

    environment = chosen(given, given.environment)
    if given.dry_run:
        return await _planned(given, environment, await verb.awake(environment))
    with telling(given) as tell:
        outcome = await verb.resume(environment, tell)
    return say(given, answers.of_outcome(outcome))


async def destroy(given: argparse.Namespace) -> int:
    from slipway.report import answers
    from slipway.verbs import destroy as verb

    environment = chosen(given, given.environment)
    if given.dry_run:
        return await _planned(given, environment, verb.gone(environment))
    with telling(given) as tell:
        outcome = await verb.destroy(environment, tell, given.confirm)
    return say(given, answers.of_outcome(outcome))


async def _planned(given: argparse.Namespace, environment: Any, goal: Any) -> int:
    from slipway.release.engine.goal import check_sensible
    from slipway.report import answers

    check_sensible(goal, environment.target)
    return say(given, answers.of_plan(goal.plan(await environment.status())))
