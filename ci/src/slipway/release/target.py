"""One interface for the places where a service can run; the engine knows nothing else of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.outcome import Diagnosis
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.release.settle import Ending
from slipway.release.spec import ServiceSpec


@dataclass(frozen=True)
class Operation:
    """A change that the platform has accepted; `arn` is the service's. `creating` is whether there is nothing to go back to."""

    arn: str
    id: str
    creating: bool


class BusyError(RefusedError):
    """The platform has not begun the change, for something else goes on; afterwards it may."""


class NotReadyError(RefusedError):
    """The platform has not begun the change, for something it needs is there but not known everywhere yet: a new role."""


class LostAnswerError(UnknownOutcomeError):
    """Nobody knows whether the platform has done what was asked."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "check the network, and run the same command again; it looks before it does anything")


class Target(Protocol):
    """A place where a service runs."""

    async def observe(self) -> Observed:
        """What is there now."""
        ...

    async def newest(self) -> Operation | None:
        """The operation that was begun last, by whomever, ended or not; None when there is none."""
        ...

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Start the change, to `spec` when a release is meant; None when the platform says that nothing changes.

        Raises BusyError, NotReadyError, LostAnswerError.
        """
        ...

    def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """What happens until the operation has ended."""
        ...

    async def ending(self, operation: Operation) -> Ending:
        """What the platform says of the operation now."""
        ...

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Why the operation failed."""
        ...
