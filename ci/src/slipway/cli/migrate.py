"""`slipway migrate`: an environment's database, brought to a release's head, or looked at."""

import argparse
from typing import Any

from slipway.cli.answer import say
from slipway.cli.arguments import add_verb, chosen, environment
from slipway.cli.progress import telling


def add(verbs: Any) -> None:
    _migrate(
        add_verb(
            verbs,
            "migrate",
            migrate,
            "bring an environment's database to the head of an image, or look where it stands",
        )
    )


def _migrate(verb: argparse.ArgumentParser) -> None:
    environment(verb)
    verb.add_argument(
        "--image", required=True, metavar="REPOSITORY@DIGEST", help="the release whose revisions are run, by digest"
    )
    verb.add_argument(
        "--look",
        action="store_true",
        help="change nothing, and show where the database stands; exit code 1 when it is ahead of the image",
    )
    verb.add_argument(
        "--database-url-from",
        metavar="NAME",
        help="migrate from this machine, and read the database's URL from this variable (default: as "
        "[tool.slipway.environments.NAME.migration] says)",
    )


async def migrate(given: argparse.Namespace) -> int:
    from slipway.report import answers

    where = chosen(given, given.environment)
    runner = await where.migrating(where.digest_of(given.image), url_from=given.database_url_from)
    if given.look:
        return say(given, answers.of_standing(await runner.look(), where.name))
    with telling(given) as tell:
        migration = await runner.migrate(tell)
    return say(given, answers.of_migration(migration, where.name))
