"""`python -m slipway.migration`: upgrade a database, or read its revision, and write the Migration or the Standing as JSON.

The database's URL is in the variable SLIPWAY_DATABASE, or in the service's own variable.
"""

import argparse
import os
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL

from slipway.migration.alembic_config import SECTION, Call
from slipway.migration.database import VARIABLE, named_in_environment, own_database
from slipway.migration.environment import Environment
from slipway.migration.initial_schema import Beginning
from slipway.migration.output import answer, discreet
from slipway.migration.upgrade import read_standing, upgrade
from slipway.records.migration import Baseline, Migration, Standing


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 when the database is at the head or was read. Otherwise the file contains the reason."""
    options = _parser().parse_args(arguments)

    def ask() -> Migration | Standing | Baseline:
        url = _database(options)
        os.chdir(options.directory or ".")
        call = Call(
            config=options.config,
            section=options.name,
            x_arguments=options.x,
            directory=options.directory,
            scripts=options.scripts,
            app=options.app,
        )
        environment = Environment(call, url)
        if options.snapshot:
            from slipway.migration.snapshot import snapshot  # task definitions do not contain this module

            return snapshot(environment, url)
        if options.status:
            return read_standing(environment, url, options.baseline)
        report = partial(print, flush=True) if options.own else lambda _: None
        beginning = Beginning(baseline=options.baseline, extensions=tuple(options.extension))
        return upgrade(environment, url, report, options.transactions, beginning)

    with discreet(options.secret) if options.own else nullcontext():
        return answer(options.file, ask)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m slipway.migration",
        description=__doc__,
        epilog=f"Without --own the variable {VARIABLE} names the database.",
    )
    add = parser.add_argument
    repeated = partial(add, action="append", default=[])
    add("--config", type=Path, default=Path("alembic.ini"), help="alembic's settings file (default: %(default)s)")
    add("--name", default=SECTION, help="the section of that file (default: %(default)s)")
    add("--directory", default="", help="the working directory of alembic (default: this one)")
    add("--scripts", default="", help="the folder with env.py, if the settings file names none")
    add("--app", help="the Flask application in whose context env.py runs, as FLASK_APP names it")
    add("--baseline", default="", help="the schema that an empty database is given first")
    repeated("--extension", metavar="NAME", help="one that an empty database is given first")
    repeated("-x", metavar="KEY=VALUE", help="an argument for env.py")
    add("--status", action="store_true", help="change nothing, and write the revision of the database")
    add("--snapshot", action="store_true", help="change nothing, and write the models as a baseline")
    add("--transactions", default="", metavar="WORDS", help="refuse unless env.py runs the revisions in these")
    add("--own", metavar="VARIABLE", help="use the service's own database, whose URL is in this variable")
    template = "with --own: a variable for env.py, unless the service has one of that name"
    repeated("--variable", metavar="NAME=TEMPLATE", help=template)
    repeated("--secret", metavar="NAME", help="with --own: a variable whose value is removed from all output")
    file = "the file to write (default: one marked line of standard output)"
    add("file", type=lambda text: Path(text).absolute(), nargs="?", help=file)
    return parser


def _database(options: argparse.Namespace) -> URL:
    if options.own is None:
        return named_in_environment()
    templates = (text.partition("=") for text in options.variable)
    return own_database(options.own, {name: template for name, _, template in templates})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
