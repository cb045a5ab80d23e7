"""`python -m slipway.gate`: prove the history in this folder on the server named in the environment, and write the Proof as JSON."""

import argparse
import sys
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.gate.prove import Question, prove
from slipway.migration.database import URL_VARIABLE, named_in_environment
from slipway.records.form import to_json


def main(arguments: list[str]) -> int:
    """Answers the exit code: 0 when a proof was written, whatever it says; 2 for bad input."""
    parser = argparse.ArgumentParser("python -m slipway.gate", description=__doc__, epilog=f"The server's URL stands in the variable {URL_VARIABLE}.")
    parser.add_argument("--config", type=Path, default=Path("alembic.ini"), help="alembic's settings file (default: %(default)s)")
    parser.add_argument("--extension", action="append", default=[], help="a Postgres extension that must exist before the first revision")
    parser.add_argument("--start-after", metavar="REVISION", help="findings in this revision and older ones do not count")
    parser.add_argument("--proof", type=Path, required=True, metavar="FILE", help="where to write the proof")
    given = parser.parse_args(arguments)
    try:
        proof = prove(Question(given.config, named_in_environment(), tuple(given.extension), given.start_after))
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    given.proof.write_text(to_json(proof), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
