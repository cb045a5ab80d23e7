"""One interface for the places where a service can run; the engine knows nothing else of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from slipway.records.outcome import Diagnosis
from slipway.records.plan import Observed, Plan
from slipway.release.spec import ServiceSpec


@dataclass(frozen=True)
class Operation:
    """A change that the platform has accepted; `arn` is the service's."""

    arn: str
    id: str
    creating: bool


@dataclass(frozen=True)
class Event:
    """Something that happened on the way: a state, or a line of the platform's log (untrusted text)."""

    line: str


class Target(Protocol):
    """A place where a service runs."""

    async def observe(self) -> Observed:
        """What is there now."""
        ...

    async def apply(self, spec: ServiceSpec, plan: Plan, observed: Observed) -> Operation | None:
        """Start the change; None when the platform says that nothing changes."""
        ...

    def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """What happens until the operation has ended."""
        ...

    async def ended(self, operation: Operation) -> str:
        """The operation's status now, in the platform's word."""
        ...

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Why the operation failed."""
        ...
