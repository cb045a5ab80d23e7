"""The engine's view of a platform: a target, which is one service on it, and the platform's time."""

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
    """The status of an operation, in the same words for every target."""

    IN_FLIGHT = "in flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    ABORTED = ABORTED  # rolled back because a person requested it
    ROLLBACK_FAILED = "rollback failed"
    STOPPED = "stopped"  # stopped by another client
    GONE = "gone"  # deleted together with its service
    UNKNOWN = "unknown"  # the platform reports no status, or one that its API model lacks


@dataclass(frozen=True)
class Time:
    """The platform's time, from a wall clock or a simulator. `sleep` takes seconds.

    `elapsed` counts seconds independently of changes to the wall clock. It is None for a clock that is never changed,
    such as a simulator's.
    """

    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    elapsed: Callable[[], float] | None = None

    def seconds(self) -> float:
        """Return the monotonic seconds of `elapsed` for measuring durations; without it, the seconds of `now`."""
        return self.elapsed() if self.elapsed else self.now().timestamp()


@dataclass(frozen=True)
class Operation:
    """A change that the platform has accepted.

    - arn: the service's ARN.
    - creating: whether there is no earlier release to roll back to.
    - id: always unique, even for services that are deleted and created again. For changes that the platform does not
      number (ECS has no deployment for a deletion), the target derives an id from values that cannot recur.
    """

    arn: str
    id: str
    creating: bool


class Target(Protocol):
    """One service on one platform. Each method keeps its promises however the platform behaves.

    Platforms differ in how soon they show what has started, in whether they refuse a concurrent change, and in how long
    the old release answers beside the new one. A read that the platform refuses raises PlatformRefusedError.
    """

    @property
    def impossible(self) -> Mapping[Verb, str]:
        """The commands that this platform does not support, each with the reason and the alternative."""

    async def observe(self) -> Observed:
        """Return the live state.

        It is BUSY while `newest` is in flight. Its fields have the names of `ServiceSpec.fields`.
        The digest is that of the release that answers all requests; while two share the traffic, it is None.
        """

    async def newest(self) -> Operation | None:
        """Return the operation that started last, even if it has ended or another client started it.

        Return None when there is none.
        Platforms show an operation within ten seconds of its start, even to a client that lost the answer.
        """

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Start the change towards `spec`. Return None when the platform reports that nothing changes.

        The request is sent once. When this method returns, `newest` shows the operation to every run, because the
        deploy lock is then released. It takes a minute at most, the time for which the lock is valid. Raise BusyError,
        NotReadyError or PlatformRefusedError when nothing has started, and LostAnswerError when that is unknown.
        """

    async def take_back(self, operation: Operation) -> None:
        """Request the rollback of an operation in flight.

        Raise RefusedError when it has ended or is already being rolled back.
        """

    def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Yield events until the operation has ended and `observe` shows its result."""

    async def ending(self, operation: Operation) -> OperationStatus:
        """Return the operation's current status.

        A status that the API model lacks is UNKNOWN; an operation that is not shown yet is IN_FLIGHT.
        """

    async def ended(self, operation: Operation) -> datetime | None:
        """Return when the operation ended; None while it is in flight, or when the platform does not show it."""

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Return why the operation failed, or who stopped it."""
