"""`python -m slipway.migration CONFIG OUTPUT`: upgrade the database named in the environment, and write the Migration as JSON."""

import sys
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.migration.database import named_in_environment
from slipway.migration.environment import Environment
from slipway.migration.upgrade import upgrade
from slipway.records.form import to_json


def main(config: str, output: str) -> int:
    """Answers the exit code."""
    try:
        url = named_in_environment()
        Path(output).write_text(to_json(upgrade(Environment(Path(config), url), url)), encoding="utf-8")
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
