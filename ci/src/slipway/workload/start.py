"""`python start.py ALEMBIC_INI COMMAND…`: migrate the database, then become the service.

Mounted into the image for `dagger up`. It needs only the standard library, and no shell, because a distroless image has none.
"""

import os
import subprocess
import sys


def main(config: str, command: list[str]) -> str:
    """Return why the service was not started."""
    code = subprocess.run(["alembic", f"--config={config}", "upgrade", "heads"], check=False).returncode
    if code:
        return f"alembic ended with the exit code {code}, so the service was not started"
    try:
        os.execvp(command[0], command)  # noqa: S606 -- the service takes this process's place
    except OSError as error:
        return f"{command[0]!r} cannot be started, {error.strerror}: add its package to the dependencies, or correct command in [tool.slipway]"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
