"""DoctorOptions, the inputs of every check, and how checks run programs."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slipway import settings
from slipway.errors import RefusedError, SlipwayError
from slipway.settings import Settings, SettingsError
from slipway.workload.load import longer

PROGRAM_SECONDS = 5.0  # limit on a free machine


@dataclass(frozen=True)
class DoctorOptions:
    """The service's folder, the database and the AWS emulator to check, and whether the network may be used."""

    folder: Path
    database_url: str | None = field(default=None, repr=False)  # not shown, because it contains a password
    endpoint_url: str | None = None
    offline: bool = False

    def settings(self) -> Settings | None:
        """Return the service's settings; None when they cannot be read, which another check reports."""
        try:
            return settings.load(self.folder, named=False)
        except SettingsError:
            return None

    def check_online(self) -> None:
        """Raise SkippedError with --offline."""
        if self.offline:
            raise SkippedError("skipped", "run doctor again without --offline")


# A function that returns what it found, or raises a SlipwayError with a remedy. It runs in its own thread and may
# block.
Check = Callable[[DoctorOptions], str]


class SkippedError(SlipwayError):
    """The check was skipped, or its subject is missing and optional."""


def output_of(command: Sequence[str], remedy: str, variables: Mapping[str, str] | None = None) -> str:
    """Return a program's output. Raise RefusedError with its error output when it fails, and TimeoutExpired."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=longer(PROGRAM_SECONDS),
            env=os.environ if variables is None else variables,
        )
    except OSError as error:  # such as a binary for another platform
        raise RefusedError(f"{name} cannot be run: {error.strerror}", remedy) from error
    if done.returncode:
        output = done.stderr.decode(errors="replace").strip()
        raise RefusedError(f"{name} failed: {output or f'exit code {done.returncode}'}", remedy)
    return done.stdout.decode(errors="replace").strip()
