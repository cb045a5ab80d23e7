"""Conformance: what the simulator's documentation expects of AWS, and how an account behaved."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.form import Record

AWS = "AWS"


class ConformanceVerdict(Enum):
    """The verdict on one expectation.

    - OUT_OF_REACH: only AWS itself can cause the behaviour.
    - NOT_REACHED: this run could have caused the behaviour, but did not.
    """

    CONFIRMED = "confirmed"
    DIFFERS = "differs"
    NOT_REACHED = "not reached"
    OUT_OF_REACH = "out of reach"


@dataclass(frozen=True, kw_only=True)
class ConformanceFinding:
    """One expectation and its verdict. `seen` is the behaviour that differs, or why none was observed (untrusted text)."""

    subject: str
    expected: str
    mark: str
    verdict: ConformanceVerdict
    seen: str = ""


@dataclass(frozen=True, kw_only=True)
class Estimate(Record, schema="slipway/estimate/1"):
    """The resources that a run creates, its duration in minutes, and its highest cost in dollars."""

    creates: tuple[str, ...]
    least_minutes: int
    most_minutes: int
    dollars: float
    prices: str


@dataclass(frozen=True, kw_only=True)
class Conformance(Record, schema="slipway/conformance/1"):
    """A whole run. It contains no account id and no ARN, so it can be published.

    - against: AWS, or "an emulator".
    - left: the resources that could not be deleted.
    """

    against: str
    region: str
    day: str
    botocore: str
    image: str
    seconds: float
    findings: tuple[ConformanceFinding, ...]
    left: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[ConformanceFinding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict is ConformanceVerdict.DIFFERS)

    @property
    def finished(self) -> bool:
        """Whether the run reached every expectation it can reach and deleted everything it created."""
        return not self.left and all(finding.verdict is not ConformanceVerdict.NOT_REACHED for finding in self.findings)

    @property
    def exit_code(self) -> int:
        if self.differing:
            return 1
        return 0 if self.finished else 3


@dataclass(frozen=True)
class Left(Record, schema="slipway/left/1"):
    """Resources of earlier runs that could not be deleted, with the reasons (untrusted text)."""

    things: tuple[str, ...]
