"""Scripted misfortunes between a client and the account: which call, and what becomes of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slipway.structure import MismatchError


class Effect(Enum):
    """What becomes of a call."""

    THROTTLED = "throttled"  # refused, not done
    UNAVAILABLE = "unavailable"  # an internal error, not done
    CALL_LOST = "call lost"  # the connection ends before anything is done
    ANSWER_LOST = "answer lost"  # it is done, and the connection ends
    EXPIRED = "expired"  # the credentials are no longer good
    DENIED = "denied"  # the credentials do not allow it
    SKEWED = "skewed"  # the client's clock is wrong, so its signature is too old
    UNNAMED = "unnamed"  # it is done, and the answer lacks its OperationId
    UNHEARD_OF = "unheard of"  # the answer has a Status that the model does not have
    OVERTAKEN = "overtaken"  # somebody else acts just before


@dataclass(kw_only=True)
class Fault:
    """`operation` as in X-Amz-Target; the first `skip` calls of it go well, `times` do not. `other` is what somebody else does, if OVERTAKEN."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1
    other: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True)
class Scripted:
    """A fault as a file names it."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        if self.effect is Effect.OVERTAKEN:
            raise MismatchError("effect", "found 'overtaken', which needs somebody else, and a file names nobody")
        if min(self.skip, self.times) < 0:
            raise MismatchError("skip" if self.skip < 0 else "times", "found a number below 0")

    def fault(self) -> Fault:
        return Fault(operation=self.operation, effect=self.effect, skip=self.skip, times=self.times)


@dataclass(frozen=True)
class Script:
    """A file of faults; in TOML each is a `[[fault]]`."""

    fault: tuple[Scripted, ...] = ()


class Faults:
    """Those that are still to come; each call meets one at most."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self._faults += faults

    def clear(self) -> None:
        self._faults.clear()

    def take(self, operation: str) -> Fault | None:
        """What becomes of this call; None when all goes well."""
        for fault in self._faults:
            if fault.operation != operation or not fault.times:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault
        return None


def unheard_of(answer: Any) -> Any:
    """The same answer with a Status that nobody knows."""
    if isinstance(answer, Mapping):
        return {key: "QUARANTINED" if key == "Status" else unheard_of(value) for key, value in answer.items()}
    return [unheard_of(item) for item in answer] if isinstance(answer, list) else answer
