"""What an examination is asked, and how it asks programs in turn."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slipway import settings
from slipway.errors import RefusedError, SlipwayError
from slipway.settings import Settings, SettingsError

PROGRAM_SECONDS = 5


@dataclass(frozen=True)
class Question:
    """Whose machine it is: the service's `folder`, a database and a stand-in for AWS that the person named, and whether the network may be asked."""

    folder: Path
    database_url: str | None = field(default=None, repr=False)  # it holds a password
    endpoint_url: str | None = None
    offline: bool = False

    def settings(self) -> Settings | None:
        """The service's settings, or None when they cannot be read: why, one examination says for all."""
        try:
            return settings.load(self.folder)
        except SettingsError:
            return None

    def ask_the_network(self) -> None:
        """Go on, unless the person said not to; raises NotExaminedError."""
        if self.offline:
            raise NotExaminedError("left out", "look again without --offline")


# What was found; what is wrong is a SlipwayError with a remedy. It runs in a thread of its own and may wait.
Examine = Callable[[Question], str]


class NotExaminedError(SlipwayError):
    """It was not looked at, or is missing where not everybody needs it."""


def answer_of(*command: str, remedy: str, variables: Mapping[str, str] | None = None) -> str:
    """What a program prints; raises RefusedError with its own words, and TimeoutExpired."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=PROGRAM_SECONDS,
            env=os.environ if variables is None else variables,
        )
    except OSError as error:  # made for another machine, say
        raise RefusedError(f"{name} cannot be run: {error.strerror}", remedy) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise RefusedError(f"{name} says: {said or f'exit code {done.returncode}'}", remedy)
    return done.stdout.decode(errors="replace").strip()
