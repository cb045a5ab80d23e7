"""The errors that slipway reports. Each is one sentence with a next step, and its class decides the exit code.

They are in the lowest layer, so the command line, Dagger functions and tests can distinguish them by class.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

# The meaning of each exit code; help, records and pages take it from here.
EXIT_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "success",
        1: "failed or refused",
        2: "unusable input (nothing changed)",
        3: "outcome unknown (the message says how to find out)",
        4: "deployment aborted by a person",
    }
)


class SlipwayError(Exception):
    """An error written for a person: `what` happened and the `next_step`.

    >>> print(BadInputError("pyproject.toml has no [tool.slipway]", "add the table"))
    pyproject.toml has no [tool.slipway]: add the table
    """

    exit_code = 1
    meanwhile = ""  # what a person can do while the failed work is repeated

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}: {next_step}")
        self.what = what
        self.next_step = next_step

    @property
    def obstacles(self) -> "tuple[SlipwayError, ...]":
        """The errors of which this error consists."""
        return (self,)


class RefusedError(SlipwayError):
    """A refusal or a failure: the gate failed, the release is not live."""


class BadInputError(SlipwayError):
    """Unusable input; nothing was changed."""

    exit_code = 2


class ObstaclesError(BadInputError):
    """Several obstacles that one run found. Each is an error itself."""

    def __init__(self, obstacles: Sequence[SlipwayError]) -> None:
        super().__init__(*together(obstacles))
        self._obstacles = tuple(obstacles)

    @property
    def obstacles(self) -> tuple[SlipwayError, ...]:
        return self._obstacles


class RefusalsError(ObstaclesError, RefusedError):
    """Several refusals that one run found. Each is an error itself."""

    exit_code = RefusedError.exit_code


def together(errors: Sequence[SlipwayError]) -> tuple[str, str]:
    """Join several errors into one; return its failure and its next step."""
    first, *others = errors
    numbered = "".join(f"; ({number}) {other}" for number, other in enumerate(others, start=2))
    return first.what, f"{first.next_step}{numbered}"


class Obstacles:
    """The errors of independent checks, which are raised together."""

    def __init__(self) -> None:
        self.found: list[SlipwayError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note the error of a block instead of raising it."""
        try:
            yield
        except SlipwayError as error:
            self.found += error.obstacles

    def refuse(self) -> None:
        """Raise the noted errors. A single one is raised itself."""
        different = list({str(error): error for error in self.found}.values())
        if different:
            raise different[0] if len(different) == 1 else ObstaclesError(different)


class UnknownOutcomeError(SlipwayError):
    """An unknown outcome, after a timeout or a lost answer.

    The next step says how to determine it; a deployment is run again.
    """

    exit_code = 3


def within(error: BaseException) -> SlipwayError | None:
    """Return the error written for a person, even from inside exception groups; None when there is none."""
    if isinstance(error, SlipwayError):
        return error
    return next((found for inner in getattr(error, "exceptions", ()) if (found := within(inner))), None)
