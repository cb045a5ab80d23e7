"""Refusal: an error as a record that passes between processes."""

from dataclasses import dataclass, replace

from slipway.errors import BadInputError, RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.form import Record
from slipway.records.migration import Migration, MigrationFailedError

_KINDS = {kind.exit_code: kind for kind in (RefusedError, BadInputError, UnknownOutcomeError)}


@dataclass(frozen=True, kw_only=True)
class Refusal(Record, schema="slipway/refusal/1"):
    """An error as data. Programs decide by `exit_code`; the wording may change.

    - what: what failed and what was found.
    - next_step: what to do about it.
    - exit_code: the exit code of a command that fails with this error: 1, 2 or 3.
    - reason: the part of `what` that quotes the application, when a migration failed.
    - migration: the revisions that were applied nevertheless, if they are known.
    """

    what: str
    next_step: str
    exit_code: int
    reason: str = ""
    migration: Migration | None = None

    @classmethod
    def of(cls, error: SlipwayError) -> "Refusal":
        refusal = cls(what=error.what, next_step=error.next_step, exit_code=error.exit_code)
        if isinstance(error, MigrationFailedError):
            return replace(refusal, reason=error.reason, migration=error.migration)
        return refusal

    @classmethod
    def every(cls, error: SlipwayError) -> "tuple[Refusal, ...]":
        return tuple(map(cls.of, error.obstacles))

    @property
    def where(self) -> str:
        """The failure, without the application's words."""
        return self.what.removesuffix(f": {self.reason}")

    def error(self) -> SlipwayError:
        if self.reason:
            return MigrationFailedError(self.where, self.reason, self.next_step, self.migration)
        kind = _KINDS.get(self.exit_code, UnknownOutcomeError)  # another version of slipway may send any number
        return kind(self.what, self.next_step)
