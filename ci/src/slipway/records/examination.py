"""Examination: what became of a service's newest change, and why."""

from dataclasses import dataclass
from typing import ClassVar

from slipway.records.outcome import Diagnosis

NOTHING = "nothing has been changed, or there is no service any more"


@dataclass(frozen=True)
class Examination:
    """`operation` is the platform's, None when there was none; `ending` how it ended, in our words; `diagnosis` why, when it did not go well."""

    SCHEMA: ClassVar[str] = "slipway/examination/1"

    environment: str
    operation: str | None
    ending: str
    diagnosis: Diagnosis | None = None

    @property
    def exit_code(self) -> int:
        """As of an outcome: 0 when it went well, 1 when it did not, 3 while nobody knows."""
        if self.ending in ("succeeded", NOTHING):
            return 0
        return 3 if self.ending in ("in flight", "unknown") else 1
