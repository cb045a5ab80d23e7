"""The foreign clients: their requirements, installation outside of the checkout, and start command.

A copy of the client's folder is kept in the user's cache under the hash of its files. The first process installs it, others wait.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from slipway.errors import BadInputError
from slipway.postgres.datadir import cache
from slipway.pytest_plugin.gate import once
from slipway.workload.dependencies import uv

_DOWNLOAD_SECONDS = 600  # then the tests of the client are skipped


class MissingError(Exception):
    """A client that is not available on this machine."""


@dataclass(frozen=True)
class Client:
    """A client."""

    name: str
    folder: Path
    needs: tuple[str, ...]  # programs on PATH
    install: Callable[[Path], list[str]]  # prepares a copy of the folder and returns the player's command
    tells_requests: bool = True

    def command(self) -> list[str]:
        """Return the player's command, installing it unless cached; raises MissingError."""
        if absent := [program for program in self.needs if shutil.which(program) is None]:
            raise MissingError(f"there is no {' and no '.join(absent)} on PATH")
        place = cache() / "foreign" / f"{self.folder.name}-{self._key()}"
        place.mkdir(parents=True, exist_ok=True)
        command, _ = once(place / "command", lambda: "\n".join(self._installed(place / "copy")))
        return command.split("\n")

    def _installed(self, copy: Path) -> list[str]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("__pycache__", "node_modules", ".venv"))
        return self.install(copy)

    def _key(self) -> str:
        files = sorted(file for file in self.folder.iterdir() if file.is_file())
        return sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()[:16]


def _aws_cli(copy: Path) -> list[str]:
    try:
        program = uv()
    except BadInputError as error:
        raise MissingError(error.what) from error
    fetch([program, "sync", "--frozen", "--quiet", "--project", str(copy), "--python", sys.executable], copy)
    return [str(copy / ".venv/bin/python"), str(copy / "player.py")]


def _javascript(copy: Path) -> list[str]:
    fetch(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], copy)
    return ["node", str(copy / "player.mjs")]


def _go(copy: Path) -> list[str]:
    fetch(["go", "mod", "download"], copy)
    # Without debug information the linker works half as long. A slow build is no failure, so it has no time limit.
    subprocess.run(["go", "build", "-ldflags=-s -w", "-o", "player", "."], cwd=copy, check=True)
    return [str(copy / "player")]


def fetch(command: list[str], folder: Path) -> None:
    """Download the locked packages; raises MissingError."""
    told = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    what = " ".join([Path(command[0]).name, *command[1:3]])
    try:
        done = subprocess.run(
            command, cwd=folder, env=told, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"`{what}` has not ended within {_DOWNLOAD_SECONDS} seconds") from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise MissingError(f"`{what}` failed: {said[0]}")


_HERE = Path(__file__).parent
CLIENTS = (
    Client("AWS CLI", _HERE / "aws_cli", (), _aws_cli, tells_requests=False),
    Client("SDK for JavaScript", _HERE / "javascript", ("node", "npm"), _javascript),
    Client("SDK for Go", _HERE / "go", ("go",), _go),
)
