"""One interface for the places where a service can run; the engine knows nothing else of them."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from slipway.records.outcome import Diagnosis, Verb
from slipway.records.plan import Observed, Plan
from slipway.records.progress import Event
from slipway.release.engine.settle import OperationStatus
from slipway.release.engine.spec import ServiceSpec


@dataclass(frozen=True)
class Operation:
    """A change that the platform has accepted; `arn` is the service's. `creating` is whether there is nothing to go back to.

    `id` is never given twice, also not to a service that was deleted and has come again. Where the platform numbers only some of its changes
    (ECS has no deployment for a deletion), the target makes one up from what cannot come again.
    """

    arn: str
    id: str
    creating: bool


class Target(Protocol):
    """A place where a service runs. The engine builds on what each method promises, whatever the manners of the platform behind it.

    Platforms differ in how soon they show what they have begun, in whether they refuse a second change meanwhile, and in how long the old
    release answers beside the new one.
    """

    @property
    def impossible(self) -> Mapping[Verb, str]:
        """What nobody can want of a service here, each with why and what there is instead; every other verb works."""
        ...

    async def observe(self) -> Observed:
        """What is there now. It is BUSY as long as `newest` is in flight; its fields have the names of `ServiceSpec.fields`.

        The digest is that of the release which answers alone: with half of the traffic nothing is live.
        """
        ...

    async def newest(self) -> Operation | None:
        """The operation that was begun last, by whomever, ended or not; None when there is none.

        What has begun is shown within ten seconds, also to who has not heard the platform's answer.
        """
        ...

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Start the change, to `spec` when a release is meant; None when the platform says that nothing changes.

        It sends the change once. When it answers, `newest` shows the operation to everybody, for from then on others may have their turn;
        it takes a minute at most, for so long one's own turn is good. Raises BusyError, NotReadyError and AwsRefusedError when nothing has
        begun, and LostAnswerError when nobody knows.
        """
        ...

    def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """What happens until the operation has ended, and `observe` shows what has come of it."""
        ...

    async def ending(self, operation: Operation) -> OperationStatus:
        """What the platform says of the operation now. A word that nobody knows is UNKNOWN; what is not shown yet is IN_FLIGHT."""
        ...

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Why the operation failed, or who has stopped it."""
        ...
