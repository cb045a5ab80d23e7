"""Progress: what a run of the release engine tells while it goes on."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Phase(Enum):
    """Where a run stands, in a person's words."""

    LOOK = "looking at what is live"
    CHECK = "checking what can be checked before anything is touched"
    WAIT = "waiting for others"
    MIGRATE = "migrating the database"
    CHANGE = "the platform is at work"


@dataclass(frozen=True)
class Event:
    """Something that happened on the way.

    - line: of the platform's log, or in our own words (untrusted text); empty when only a phase begins.
    - phase: the phase that begins with it, or None when the last one goes on.
    - expected: how many seconds the phase took before, as the ledger has it; None when nobody knows.
    """

    line: str = ""
    phase: Phase | None = None
    expected: float | None = None


class Progress(Protocol):
    """`text` may hold lines of logs: it is made harmless where it is shown."""

    def section(self, text: str) -> None:
        """A new part begins."""
        ...

    def step(self, text: str) -> AbstractContextManager[object]:
        """Something is going on for as long as the block lasts."""
        ...

    def detail(self, text: str) -> None:
        """Replace the detail of the current step, on a terminal only."""
        ...

    def done(self, text: str, seconds: float) -> None:
        """A step has ended."""
        ...

    def note(self, text: str) -> None:
        """Something a person should know."""
        ...

    def line(self, text: str) -> None:
        """Something that was seen on the way."""
        ...

    def event(self, event: Event) -> None:
        """Something that a run of the release engine tells."""
        ...


class NullProgress:
    """Nobody listens."""

    def section(self, text: str) -> None: ...

    def step(self, text: str) -> AbstractContextManager[object]:  # noqa: ARG002 -- nothing is said
        return nullcontext()

    def detail(self, text: str) -> None: ...

    def done(self, text: str, seconds: float) -> None: ...

    def note(self, text: str) -> None: ...

    def line(self, text: str) -> None: ...

    def event(self, event: Event) -> None: ...
