"""Conformance: what the simulator's documentation says of AWS, and what an account answered to it."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

AWS = "AWS"


class Verdict(Enum):
    """What became of one expectation. OUT_OF_REACH cannot be brought about from outside; NOT_REACHED could have been, and was not."""

    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    NOT_REACHED = "not reached"
    OUT_OF_REACH = "out of reach"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One expectation and its verdict. `seen` is what came instead (untrusted text), or why nothing did."""

    subject: str
    expected: str
    mark: str
    verdict: Verdict
    seen: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run creates, how many minutes it takes, and what it costs at most, in dollars."""

    SCHEMA: ClassVar[str] = "slipway/estimate/1"

    creates: tuple[str, ...]
    least_minutes: int
    most_minutes: int
    dollars: float
    prices: str


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """A whole run. `against` is AWS, or says that something stood in for it; `left` names what could not be deleted.

    Neither account nor ARN stands in it: it is made to be shown.
    """

    SCHEMA: ClassVar[str] = "slipway/conformance/1"

    against: str
    region: str
    day: str
    botocore: str
    image: str
    seconds: float
    findings: tuple[Finding, ...]
    left: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[Finding, ...]:
        return tuple(found for found in self.findings if found.verdict is Verdict.DIFFERS)

    @property
    def finished(self) -> bool:
        """Whether everything that can be seen from outside was seen, and everything created is gone again."""
        return not self.left and all(found.verdict is not Verdict.NOT_REACHED for found in self.findings)

    @property
    def exit_code(self) -> int:
        if self.differing:
            return 1
        return 0 if self.finished else 3


@dataclass(frozen=True)
class Left:
    """What earlier runs had left and nobody could delete, with the reasons (untrusted text)."""

    SCHEMA: ClassVar[str] = "slipway/left/1"

    things: tuple[str, ...]
