"""The ways in which slipway says no: four errors, each one sentence with a next step, each with its exit code.

They stand below every room, so that a command line, a Dagger function and a test tell them apart by type and never by text.
"""


class SlipwayError(Exception):
    """Something a person should read: `what` happened and what to do `next`.

    >>> print(BadInputError("pyproject.toml has no [tool.slipway]", "add the table"))
    pyproject.toml has no [tool.slipway]: add the table
    """

    exit_code = 1

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what}: {next_step}")
        self.what = what
        self.next_step = next_step


class RefusedError(SlipwayError):
    """The answer is no: a gate that failed, a release that is not live."""


class BadInputError(SlipwayError):
    """What was given cannot be used; nothing has been touched."""

    exit_code = 2


class UnknownOutcomeError(SlipwayError):
    """Nobody can say how it ended: a time-out, a lost answer. Running again finds out."""

    exit_code = 3


def within(error: BaseException) -> SlipwayError | None:
    """The error that a person should read, taken out of the groups that task groups wrap it in; None when there is none."""
    if isinstance(error, SlipwayError):
        return error
    return next((found for inner in getattr(error, "exceptions", ()) if (found := within(inner))), None)
