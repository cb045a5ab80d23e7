"""Refusal: an error as a record that passes between processes."""

from dataclasses import dataclass

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.form import Record

_KINDS = {kind.exit_code: kind for kind in (RefusedError, BadInputError, UnknownOutcomeError)}


@dataclass(frozen=True)
class Refusal(Record, schema="slipway/refusal/1"):
    """An error. Programs decide by `exit_code`; the wording may change.

    - what: what failed and what was found. next_step: what to do about it.
    - exit_code: 1, 2 or 3, as every command exits.
    """

    what: str
    next_step: str
    exit_code: int

    @classmethod
    def of(cls, error: SlipwayError) -> "Refusal":
        return cls(error.what, error.next_step, error.exit_code)

    @classmethod
    def every(cls, error: SlipwayError) -> "tuple[Refusal, ...]":
        """Return one for each obstacle of an error."""
        return tuple(map(cls.of, error.obstacles))

    def error(self) -> SlipwayError:
        kind = _KINDS.get(self.exit_code, UnknownOutcomeError)  # a process of another version may send any number
        return kind(self.what, self.next_step)
