"""`python -m slipway.migration`: upgrade a database, or look where it stands, and write the Migration or the Standing as JSON.

The database is named in the variable SLIPWAY_DATABASE, or in the service's own.
"""

import argparse
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL

from slipway.migration.answer import answer
from slipway.migration.database import VARIABLE, named_in_environment
from slipway.migration.environment import Environment
from slipway.migration.look import look
from slipway.migration.own import discreet, own_database
from slipway.migration.upgrade import upgrade
from slipway.records.migration import Migration, Standing


def main(arguments: list[str]) -> int:
    """Answers the exit code: 0 when the database is at the head, or was looked at; otherwise why it is not stands in the file."""
    given = _parser().parse_args(arguments)

    def ask() -> Migration | Standing:
        url = _database(given)
        environment = Environment(given.config, url)
        if given.look:
            return look(environment, url)
        return upgrade(environment, url, partial(print, flush=True)) if given.own else upgrade(environment, url)

    with discreet(given.secret) if given.own else nullcontext():
        return answer(given.file, ask)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m slipway.migration", description=__doc__, epilog=f"Without --own the database is named in {VARIABLE}."
    )
    parser.add_argument(
        "--config", type=Path, default=Path("alembic.ini"), help="alembic's settings file (default: %(default)s)"
    )
    parser.add_argument("--look", action="store_true", help="change nothing, and write where the database stands")
    parser.add_argument(
        "--own", metavar="VARIABLE", help="the database is the service's own, whose URL stands in this variable"
    )
    parser.add_argument(
        "--variable",
        action="append",
        default=[],
        metavar="NAME=TEMPLATE",
        help="with --own: a variable for env.py where the service has none of that name",
    )
    parser.add_argument(
        "--secret", action="append", default=[], metavar="NAME", help="with --own: a variable that nobody may print"
    )
    parser.add_argument(
        "file", type=Path, nargs="?", help="the file to write (default: a line of standard output, with a mark)"
    )
    return parser


def _database(given: argparse.Namespace) -> URL:
    if given.own is None:
        return named_in_environment()
    templates = (text.partition("=") for text in given.variable)
    return own_database(given.own, {name: template for name, _, template in templates})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
