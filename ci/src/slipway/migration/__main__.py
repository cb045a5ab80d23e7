"""`python -m slipway.migration`: upgrade the database named in the environment, and write the Migration as JSON."""

import argparse
import sys
from pathlib import Path

from slipway.migration.answer import answer
from slipway.migration.database import VARIABLE, named_in_environment
from slipway.migration.environment import Environment
from slipway.migration.upgrade import upgrade
from slipway.records.migration import Migration


def main(arguments: list[str]) -> int:
    """Answers the exit code: 0 when the database is at the head; otherwise why it is not stands in the file."""
    parser = argparse.ArgumentParser(
        "python -m slipway.migration", description=__doc__, epilog=f"The database is named in the variable {VARIABLE}."
    )
    parser.add_argument(
        "--config", type=Path, default=Path("alembic.ini"), help="alembic's settings file (default: %(default)s)"
    )
    parser.add_argument("migration", type=Path, help="the file to write")
    given = parser.parse_args(arguments)

    def migrate() -> Migration:
        url = named_in_environment()
        return upgrade(Environment(given.config, url), url)

    return answer(given.migration, migrate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
