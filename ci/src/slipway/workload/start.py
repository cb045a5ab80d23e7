"""`python start.py ARGUMENTS… -- COMMAND…`: migrate the database with `slipway.migration`, then run the command in this process's place.

This script and slipway are mounted into a container for `dagger up` and the tests. The script needs no shell, because a
distroless image has none.
"""

import os
import subprocess
import sys

_SLIPWAY = "/opt/slipway"


def main(migration: list[str], command: list[str]) -> str:
    """Start the command. Return the reason when it was not started."""
    path = os.pathsep.join(filter(None, (_SLIPWAY, os.environ.get("PYTHONPATH"))))  # for the migration only
    program = [sys.executable, "-m", "slipway.migration", *migration]
    code = subprocess.run(program, env=os.environ | {"PYTHONPATH": path}, check=False).returncode
    if code:
        return f"the migration ended with the exit code {code}, so {command[0]} was not started"
    try:
        os.execvp(command[0], command)  # noqa: S606 -- the command takes this process's place
    except OSError as error:
        return f"{command[0]}: executable file not found, {error.strerror}: add its package to the dependencies, or correct the command in pyproject.toml"


if __name__ == "__main__":
    end = sys.argv.index("--")
    sys.exit(main(sys.argv[1:end], sys.argv[end + 1 :]))
