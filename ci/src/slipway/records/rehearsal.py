"""Rehearsal: its acts, and the answers that clients of production got meanwhile."""

from dataclasses import dataclass

from slipway.records.form import Record


@dataclass(frozen=True)
class Moment:
    """A line that the platform reported, with the seconds since the step began, on the platform's clock."""

    seconds: float
    line: str


@dataclass(frozen=True)
class Step:
    """One step of an act.

    - seconds: time on this machine.
    - platform_seconds: time on the platform's clock; None for a step that does not use the platform.
    - course: the lines that the platform reported.
    """

    what: str
    seconds: float
    platform_seconds: float | None = None
    course: tuple[Moment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act.

    - happened: the result in words.
    - how: the form in which the release ran.
    - details: evidence, line by line.
    - passed: whether the act went as expected.
    - expects_failure: whether the act shows that a bad release is stopped.
    - why: what failed and the next step, in one sentence, if that is known.
    """

    name: str
    title: str
    happened: str
    how: str
    passed: bool
    seconds: float
    steps: tuple[Step, ...] = ()
    details: tuple[str, ...] = ()
    expects_failure: bool = False
    why: str = ""

    @property
    def platform_seconds(self) -> float:
        return sum(step.platform_seconds or 0 for step in self.steps)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Requests to production's public address.

    - taken_back: how many failures came from a release that the platform then rolled back, as an act expects.
    - longest_gap: the longest time between two answers, in seconds.
    """

    requests: int
    failed: int
    seconds: float
    longest_gap: float
    failures: tuple[str, ...] = ()
    taken_back: int = 0


@dataclass(frozen=True, kw_only=True)
class Rehearsal(Record, schema="slipway/rehearsal/1"):
    """A whole rehearsal."""

    service: str
    revision: str
    postgres: str
    acts: tuple[Act, ...]
    traffic: Traffic | None
    stand_ins: tuple[str, ...] = ()  # sentences about values that the rehearsal made up

    @property
    def passed(self) -> bool:
        return all(act.passed for act in self.acts)

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence for each act that did not go as expected."""
        return tuple(f"failed in {act.name}: {act.why or act.happened}" for act in self.acts if not act.passed)
