"""Scripted misfortunes between a client and the account: which call, and what becomes of it."""

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What becomes of a call."""

    THROTTLED = "throttled"  # refused, not done
    UNAVAILABLE = "unavailable"  # an internal error, not done
    CALL_LOST = "call lost"  # the connection ends before anything is done
    ANSWER_LOST = "answer lost"  # it is done, and the connection ends
    EXPIRED = "expired"  # the credentials are no longer good


@dataclass
class Fault:
    """`operation` as in X-Amz-Target; the first `skip` calls of it go well, `times` do not."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1


class Faults:
    """Those that are still to come; each call meets one at most."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self._faults += faults

    def clear(self) -> None:
        self._faults.clear()

    def take(self, operation: str) -> Effect | None:
        """What becomes of this call; None when all goes well."""
        for fault in self._faults:
            if fault.operation != operation or not fault.times:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault.effect
        return None
