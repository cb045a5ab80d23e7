"""Rehearsal: what each act showed, and what the clients of production saw meanwhile."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Step:
    """One step of an act. `seconds` are ours; `platform_seconds` what it would take on the platform, where that is something else."""

    what: str
    seconds: float
    platform_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act. `passed` says whether it went as the story says; `details` are lines for a person."""

    name: str
    title: str
    happened: str
    how: str
    passed: bool
    seconds: float
    steps: tuple[Step, ...] = ()
    details: tuple[str, ...] = ()

    @property
    def platform_seconds(self) -> float:
        return sum(step.platform_seconds or 0 for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Requests to production's public address, on new and on kept connections; the gap is between two answers, in seconds."""

    requests: int
    failed: int
    seconds: float
    longest_gap: float
    failures: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """The whole play. `postgres` says which server it was, `speed` how much faster than ours the platform's clock ran."""

    SCHEMA: ClassVar[str] = "slipway/rehearsal/1"

    service: str
    revision: str
    postgres: str
    speed: float
    acts: tuple[Act, ...]
    traffic: Traffic | None

    @property
    def passed(self) -> bool:
        return all(act.passed for act in self.acts)
