"""Preflight: what was looked at before the platform is touched, and what nobody could look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Verdict(Enum):
    """How one look ended. What was not covered may be well or not: it is never taken for OK, and refuses nothing."""

    OK = "OK"
    REFUSED = "REFUSED"
    NOT_COVERED = "NOT COVERED"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One look: a sentence each.

    - found: what was seen, or why it was not (untrusted text). remedy: what to do about a refusal.
    - lines: of a log that say so (untrusted text).
    """

    subject: str
    verdict: Verdict
    found: str
    remedy: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """The looks at one part of a service."""

    part: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """All that was looked at for an image in an environment."""

    SCHEMA: ClassVar[str] = "slipway/preflight/1"

    environment: str
    service: str
    image: str
    seconds: float
    branches: tuple[Branch, ...]

    @property
    def refusals(self) -> tuple[Check, ...]:
        return tuple(self._that_are(Verdict.REFUSED))

    @property
    def not_covered(self) -> tuple[Check, ...]:
        return tuple(self._that_are(Verdict.NOT_COVERED))

    def _that_are(self, verdict: Verdict) -> Iterator[Check]:
        return (check for branch in self.branches for check in branch.checks if check.verdict is verdict)
