"""`slipway doctor`: what is missing on this machine."""

import argparse
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, endpoint, source


def add(verbs: Any) -> None:
    _doctor(add_verb(verbs, "doctor", doctor, "look at what slipway needs on this machine; nothing is changed"))


def _doctor(verb: argparse.ArgumentParser) -> None:
    source(verb)
    verb.add_argument("--database-url", metavar="URL", help="a Postgres server to look at, too")
    verb.add_argument("--offline", action="store_true", help="ask neither registries nor AWS")
    endpoint(verb)


async def doctor(given: argparse.Namespace) -> int:
    from slipway.doctor.checkup import check_up
    from slipway.doctor.question import Question
    from slipway.report import answers
    from slipway.verbs.gate import folder_of

    question = Question(folder_of(given.source), given.database_url, given.endpoint_url, given.offline)
    checkup = await check_up(question)
    return say(given, answers.of_checkup(checkup))
