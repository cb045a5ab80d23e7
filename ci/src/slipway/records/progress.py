"""Progress: what a run of the release engine tells while it goes on."""

from dataclasses import dataclass
from enum import Enum


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
