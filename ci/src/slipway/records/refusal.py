"""Refusal: an error on its way from one process to another."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError

_KINDS = {kind.exit_code: kind for kind in (RefusedError, BadInputError, UnknownOutcomeError)}


@dataclass(frozen=True)
class Refusal:
    """What an error says. A program may go by `exit_code`; the words are for people, and may be others tomorrow.

    - what: what failed, and what was found. next_step: what to do about it.
    - exit_code: 1 no, 2 bad input and nothing has been touched, 3 nobody knows.
    """

    SCHEMA: ClassVar[str] = "slipway/refusal/1"

    what: str
    next_step: str
    exit_code: int

    @classmethod
    def of(cls, error: SlipwayError) -> "Refusal":
        return cls(error.what, error.next_step, error.exit_code)

    def error(self) -> SlipwayError:
        kind = _KINDS.get(self.exit_code, UnknownOutcomeError)  # the other process may be another version, or lie
        return kind(self.what, self.next_step)


@dataclass(frozen=True)
class Listening:
    """`url` of the simulated account, on this machine only."""

    SCHEMA: ClassVar[str] = "slipway/listening/1"

    url: str
