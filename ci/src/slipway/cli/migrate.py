"""`slipway migrate`: an environment's database, brought to a release's head, or looked at."""

import argparse
import sys
from typing import Any

from slipway.cli.arguments import add_verb, chosen, environment


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
    from slipway.oci.content import Reference
    from slipway.records.form import to_json
    from slipway.report import migration_text
    from slipway.report.terminal import TerminalVoice
    from slipway.verbs.migrate import Wanted, runner_of

    where, voice = chosen(given, given.environment), TerminalVoice(sys.stderr, lines=True)
    digest = Reference.parse(given.image).digest
    wanted = Wanted(where.settings, where.name, digest)
    runner = runner_of(wanted, where.aws, where.time, database_url_from=given.database_url_from)
    if given.look:
        standing = await runner.look()
        print(to_json(standing) if given.json else migration_text.of_standing(standing, where.name), end="")
        return 1 if standing.unknown else 0
    migration = await runner.migrate(lambda event: voice.line(event.line))
    print(to_json(migration) if given.json else migration_text.of_migration(migration, where.name), end="")
    return 0
