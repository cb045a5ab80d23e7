"""`python start.py ALEMBIC_ARGUMENTS… -- COMMAND…`: migrate the database, then become the command.

Mounted into a container for `dagger up` and the tests. It needs only the standard library, and no shell, because a distroless image has none.
"""

import os
import subprocess
import sys


def main(alembic: list[str], command: list[str]) -> str:
    """Return why the command was not started."""
    code = subprocess.run(["alembic", *alembic, "upgrade", "heads"], check=False).returncode
    if code:
        return f"alembic ended with the exit code {code}, so {command[0]} was not started"
    try:
        os.execvp(command[0], command)  # noqa: S606 -- the command takes this process's place
    except OSError as error:
        return f"{command[0]}: executable file not found, {error.strerror}: add its package to the dependencies, or correct the command in pyproject.toml"


if __name__ == "__main__":
    end = sys.argv.index("--")
    sys.exit(main(sys.argv[1:end], sys.argv[end + 1 :]))
