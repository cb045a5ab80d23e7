"""Scripted faults: which calls fail, and how."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slipway.structure import MismatchError


class Effect(Enum):
    """The effect of a fault on a call."""

    THROTTLED = "throttled"  # the call is refused and not performed
    UNAVAILABLE = "unavailable"  # an internal error; the call is not performed
    CALL_LOST = "call lost"  # the connection ends before the call is performed
    ANSWER_LOST = "answer lost"  # the call is performed, then the connection ends
    EXPIRED = "expired"  # the credentials have expired
    DENIED = "denied"  # the credentials do not allow the call
    CLOCK_SKEW = "clock skew"  # the client's clock is wrong, so its signature is too old
    MISSING_OPERATION_ID = "missing operation id"  # the call is performed, but the answer lacks its OperationId
    UNKNOWN_STATUS = "unknown status"  # the answer has a status that the API model lacks
    OVERTAKEN = "overtaken"  # another client acts just before the call


_STATUSES = ("Status", "status", "statusCode")


@dataclass(kw_only=True)
class Fault:
    """An effect on some calls of one operation."""

    operation: str  # the operation's name, as in X-Amz-Target
    effect: Effect
    skip: int = 0  # how many calls succeed first
    times: int = 1  # how many calls fail after that
    other: Callable[[], Awaitable[None]] | None = None  # with OVERTAKEN, the action of the other client


@dataclass(frozen=True)
class ScriptedFault:
    """A fault in a script file."""

    operation: str
    effect: Effect
    skip: int = 0
    times: int = 1

    def __post_init__(self) -> None:
        if self.effect is Effect.OVERTAKEN:
            raise MismatchError(
                "effect", "found 'overtaken', which needs a second client: only a test in Python can script one"
            )
        if min(self.skip, self.times) < 0:
            raise MismatchError("skip" if self.skip < 0 else "times", "found a number below 0")

    def fault(self) -> Fault:
        return Fault(operation=self.operation, effect=self.effect, skip=self.skip, times=self.times)


@dataclass(frozen=True)
class Script:
    """A file of faults. In TOML each fault is a `[[fault]]`."""

    fault: tuple[ScriptedFault, ...] = ()


class Faults:
    """The pending faults. At most one affects a call."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        self._faults += faults

    def clear(self) -> None:
        self._faults.clear()

    def take(self, operation: str) -> Fault | None:
        """Return the fault for this call, and use it up. Return None when the call succeeds."""
        for fault in self._faults:
            if fault.operation != operation or not fault.times:
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault
        return None


def with_unknown_status(answer: Any) -> Any:
    """Replace every status in an answer by one that the API model lacks."""
    if isinstance(answer, Mapping):
        return {
            key: "QUARANTINED" if key in _STATUSES and isinstance(value, str) else with_unknown_status(value)
            for key, value in answer.items()
        }
    return [with_unknown_status(item) for item in answer] if isinstance(answer, list) else answer
