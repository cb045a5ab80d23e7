"""`python -m slipway.gate`: prove the history in this folder on the server named in the environment, and write the Proof as JSON."""

import argparse
import gc
import sys
from datetime import date
from pathlib import Path
from typing import TypeVar

from slipway.errors import BadInputError
from slipway.gate.databases import server_version
from slipway.gate.listing import listing
from slipway.gate.models import models_of
from slipway.gate.production_guard import refuse_production
from slipway.gate.prove import prove
from slipway.gate.question import Question, utc_today
from slipway.gate.rules.levels import read
from slipway.gate.supervision import supervised
from slipway.migration.answer import refuse
from slipway.migration.database import VARIABLE, named_in_environment
from slipway.records.form import from_json
from slipway.records.history import Listing, Since
from slipway.records.previous import Previous
from slipway.records.proof import Proof

T = TypeVar("T")


def main(arguments: list[str]) -> int:
    """Answers the exit code: 0 when a proof was written, whatever it says; otherwise why there is none stands in its place."""
    parser = argparse.ArgumentParser(
        "python -m slipway.gate", description=__doc__, epilog=f"The server is named in the variable {VARIABLE}."
    )
    parser.add_argument(
        "--config", type=Path, default=Path("alembic.ini"), help="alembic's settings file (default: %(default)s)"
    )
    parser.add_argument(
        "--extension",
        action="append",
        default=[],
        help="a Postgres extension that must exist before the first revision",
    )
    parser.add_argument(
        "--start-after", metavar="REVISION", help="findings in this revision and older ones do not count"
    )
    parser.add_argument(
        "--level",
        action="append",
        default=[],
        metavar="RULE=LEVEL",
        help="a rule that weighs otherwise here, or is off",
    )
    parser.add_argument(
        "--since", type=Path, metavar="FILE", help="in the place of it: what git knows by a name, as JSON"
    )
    parser.add_argument(
        "--previous", type=Path, metavar="FILE", help="what the release that is live says to the database, as JSON"
    )
    parser.add_argument(
        "--models", metavar="NAME", help="write what the models of this release name instead, and execute no revision"
    )
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=utc_today(),
        metavar="DATE",
        help="the day on which `# slipway: allow … until=DATE` is judged (default: today, UTC)",
    )
    parser.add_argument("--list", action="store_true", help="write which revisions there are instead, and execute none")
    parser.add_argument("--ask-server", action="store_true", help="with --list: see that the server answers, too")
    parser.add_argument(
        "--patience",
        type=float,
        default=120,
        metavar="SECONDS",
        help="how long one step of a revision may take, and env.py beside them (default: %(default)s)",
    )
    parser.add_argument(
        "--allow-production-like",
        action="store_true",
        help="the server can be thrown away, though it looks like production",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave what old revisions made on the server, for the next run to begin with",
    )
    parser.add_argument("proof", type=Path, help="the file to write")
    given = parser.parse_args(arguments)
    gc.freeze()  # what was imported stays: no collection need look at it, and no fork copies it

    try:
        server = named_in_environment()
        if not given.allow_production_like:
            refuse_production(server)
    except BadInputError as error:
        return refuse(given.proof, error)

    def ask() -> Proof:
        since, previous = _told(Since, given.since), _told(Previous, given.previous)
        return prove(
            Question(
                config=given.config,
                server=server,
                extensions=tuple(given.extension),
                start_after=given.start_after,
                today=given.today,
                since=since,
                previous=previous,
                levels=read(given.level),
                patience=given.patience,
                keep=given.keep,
            )
        )

    def tell_models() -> Previous:
        return models_of(given.config, server, given.extension, given.models)

    def enumerate_revisions() -> Listing:
        if given.ask_server:
            server_version(server)
        return listing(given.config, server, given.start_after, _told(Since, given.since))

    return supervised(given.proof, server, enumerate_revisions if given.list else tell_models if given.models else ask)


def _told(kind: type[T], file: Path | None) -> T | None:
    """The record that was put into a file for us."""
    return from_json(kind, file.read_text(encoding="utf-8"), str(file)) if file else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
