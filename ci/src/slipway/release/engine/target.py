"""The engine's view of a platform: a target where one service runs, and the platform's time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from slipway.records.outcome import ABORTED, Diagnosis, Verb
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.release.engine.plan import ServiceSpec


class OperationStatus(Enum):
    """An operation's status, in the words of every target."""

    IN_FLIGHT = "in flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    ABORTED = ABORTED  # rolled back because a person asked for it
    ROLLBACK_FAILED = "rollback failed"
    STOPPED = "stopped"  # by another client
    GONE = "gone"  # with its service
    UNKNOWN = "unknown"  # a status that the platform's model does not have, or none


@dataclass(frozen=True)
class Time:
    """The platform's time: a wall clock's or a simulator's. `sleep` takes seconds.

    `elapsed` counts seconds whatever becomes of the wall clock; None for one that is never set, such as a simulator's.
    """

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    elapsed: Callable[[], float] | None = None

    def seconds(self) -> float:
        """Return the seconds of `elapsed`, a monotonic clock to measure durations with, or of `now` without one."""
        return self.elapsed() if self.elapsed else self.now().timestamp()


@dataclass(frozen=True)
class Operation:
    """A change that the platform has accepted.

    - arn: the service's. creating: whether there is no earlier release to roll back to.
    - id: unique for ever, also across services that are deleted and created again. Where the platform numbers only some of its changes
      (ECS has no deployment for a deletion), the target derives one from what cannot recur.
    """

    arn: str
    id: str
    creating: bool


class Target(Protocol):
    """One service on one platform. The engine relies on what each method promises, however the platform behaves.

    Platforms differ in how soon they show what has started, in whether they refuse a second change meanwhile, and in how long the old
    release answers beside the new one. A read that the platform refuses raises PlatformRefusedError.
    """

    @property
    def impossible(self) -> Mapping[Verb, str]:
        """The verbs that this platform does not have, each with the reason and the alternative; every other verb works."""

    async def observe(self) -> Observed:
        """Return the live state. It is BUSY while `newest` is in flight; its fields have the names of `ServiceSpec.fields`.

        The digest is that of the release which answers alone: while two share the traffic, none is live.
        """

    async def newest(self) -> Operation | None:
        """Return the operation that started last, finished or not, also another client's; None when there is none.

        An operation is shown within ten seconds of its start, also to a client that lost the platform's answer.
        """

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Start the change, to `spec` when a release is wanted; None when the platform reports that nothing changes.

        The request is sent once. When this returns, `newest` shows the operation to every run, because the deploy lock is released then; it
        takes a minute at most, as long as the lock is good. Raises BusyError, NotReadyError and PlatformRefusedError when nothing has
        started, and LostAnswerError when that is unknown.
        """

    async def take_back(self, operation: Operation) -> None:
        """Ask for the rollback of an operation in flight; raises RefusedError when it has ended, or goes back already."""

    def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Yield events until the operation has ended and `observe` shows its result."""

    async def ending(self, operation: Operation) -> OperationStatus:
        """Return the operation's status now. An unknown status is UNKNOWN; an operation that is not shown yet is IN_FLIGHT."""

    async def ended(self, operation: Operation) -> datetime | None:
        """Return when the operation ended; None while it is in flight, or when the platform does not show it."""

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Return why the operation failed, or who stopped it."""
