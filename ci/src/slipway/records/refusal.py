"""Refusal: an error on its way from one process to another."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError

_KINDS = {kind.exit_code: kind for kind in (RefusedError, BadInputError, UnknownOutcomeError)}


@dataclass(frozen=True)
class Refusal:
    """The fields of a SlipwayError."""

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
