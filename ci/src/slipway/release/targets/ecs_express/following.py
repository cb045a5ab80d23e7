"""The progress of an operation, until it has ended and the service shows its result."""

import re
from collections.abc import AsyncIterator, Mapping
from itertools import cycle
from typing import Any, TypeVar

from slipway.errors import UnknownOutcomeError
from slipway.records.plan import State
from slipway.release.engine.target import Operation, OperationStatus, Time
from slipway.release.errors import AwsRefusedError, or_absent
from slipway.release.targets.ecs_express.api import ABSENT, ExpressApi, events_of
from slipway.release.targets.ecs_express.deployment import Deployment, state_of
from slipway.settings import TargetGroupPace
from slipway.untrusted import one_line

POLL_SECONDS = 3.25  # between two calls
_MOST_SECONDS = 40 * 60.0
_UNPLACED = re.compile(r"unable to place a task\b[. ]*(?:Reason: )?(?P<reason>.*)")
_UNPLACED_SECONDS = 3 * 60.0  # without another running task; ECS would continue to try
_SETTLING_SECONDS = 120.0  # within this time an ended deployment must leave one active service revision
_DELETION = "deletion"
# Each task causes one of both lines; `slipway logs` shows them.
_ROUTINE = re.compile(r"\bregistered \d+ targets in |\bderegistered \d+ targets in ")
_WHOLE = 100  # percent of the traffic
T = TypeVar("T")


def deletion_of(service: Mapping[str, Any]) -> Operation:
    """Return the operation of deleting this service.

    ECS has no id for it, so the id contains the service's creation time, which no later service shares.
    """
    made = f"{_DELETION} {service['serviceName']} {service['createdAt'].isoformat()}"
    return Operation(service["serviceArn"], made, creating=False)


def is_deletion(operation: Operation) -> bool:
    return operation.id.startswith(_DELETION)


class Following:
    """One operation that is followed, with about one call every POLL_SECONDS."""

    def __init__(self, api: ExpressApi, time: Time, pace: TargetGroupPace, operation: Operation) -> None:
        self._api = api
        self._time = time
        self._pace = pace
        self._operation = operation
        self._began = time.seconds()
        self._deployment: Deployment | None = None
        self._shown = set[object]()
        self._is_tuned = False
        self._unplaced = ""  # why ECS could not place a task
        self._running, self._running_since = 0, self._began

    async def deletion(self) -> AsyncIterator[str]:
        """Yield one line, and wait until the service no longer exists."""
        yield "DRAINING"
        while (service := await self._api.service()) and deletion_of(service).id == self._operation.id:
            if service["status"]["statusCode"] == "INACTIVE":
                return
            await self._wait()

    async def deployment(self) -> AsyncIterator[str]:
        """Yield changes of state, stage and traffic, and new events.

        Yield an empty line each time that two releases share the traffic.
        During the deployment, set the pace of the target groups.
        """
        for look in cycle((self._where, self._tuning, self._where, self._events)):
            for line in await look():
                yield line
            if self._is_shared:
                yield ""
            if self._has_ended or await self._is_gone():
                break
            self._check_placed()
            await self._wait()
        for line in await self._events():
            yield line
        await self._settled()

    @property
    def _is_shared(self) -> bool:
        return self._deployment is not None and not self._has_ended and 0 < self._deployment.weight < _WHOLE

    @property
    def _has_ended(self) -> bool:
        return self._deployment is not None and self._deployment.status is not OperationStatus.IN_FLIGHT

    async def _is_gone(self) -> bool:
        """Return whether the deployment is not shown because its service is being deleted or no longer exists."""
        if self._deployment is not None:
            return False
        service = await self._api.service()
        return service is None or service["status"]["statusCode"] != "ACTIVE"

    async def _wait(self) -> None:
        """Wait until the next call. Raise UnknownOutcomeError after _MOST_SECONDS."""
        if self._time.seconds() - self._began > _MOST_SECONDS:
            raise UnknownOutcomeError(
                f"{self._api.name} is still being changed after {_MOST_SECONDS / 60:.0f} minutes",
                "ask again with `slipway status`, or roll it back with `slipway abort`",
            )
        await self._time.sleep(POLL_SECONDS)

    def _check_placed(self) -> None:
        """Raise UnknownOutcomeError when ECS places no more tasks: no circuit breaker counts this, so the stage would never end."""
        if self._deployment is None or not self._unplaced or not self._deployment.can_be_taken_back:
            return
        if self._deployment.running != self._running:
            self._running, self._running_since = self._deployment.running, self._time.seconds()
        waited = self._time.seconds() - self._running_since
        if self._running < self._deployment.requested and waited > _UNPLACED_SECONDS:
            raise UnknownOutcomeError(
                f"ECS places no task: {one_line(self._unplaced)}",
                "ECS keeps trying: mend the cause and run the same command again, or take the release back with `slipway abort`",
            )

    async def _where(self) -> list[str]:
        self._deployment = await or_absent(self._api.deployment(self._operation.id), *ABSENT)
        return self._new([self._deployment.line] if self._deployment else [])

    async def _events(self) -> list[str]:
        """Return the new events, and the deployment's progress when ECS no longer names it as the current one."""
        if self._deployment is None:
            return []
        try:
            service = await self._api.as_ecs()
        except AwsRefusedError as error:  # the end of the deployment is visible without events
            return self._new([f"the events cannot be read: {error.what}"])
        new = self._new(events_of(service, self._deployment.created))
        unplaced = [found["reason"] for _, message in new if (found := _UNPLACED.search(message))]
        self._unplaced = (unplaced or [self._unplaced])[-1]
        lines = [one_line(message) for _, message in new if not _ROUTINE.search(message)]
        is_over = not self._has_ended and service.get("currentServiceDeployment") != self._deployment.arn
        return lines + (await self._where() if is_over else [])

    async def _tuning(self) -> list[str]:
        """Set the pace once the target groups exist. After that, return the deployment's progress."""
        if self._is_tuned or self._deployment is None:
            return await self._where()
        try:
            self._is_tuned = await self._api.tune(self._pace, self._deployment.target)
        except AwsRefusedError as error:  # the deployment only takes longer, and the next plan shows the difference
            self._is_tuned = True
            return [f"the load balancer's check stays as it is: {error.what}"]
        return []

    def _new(self, found: list[T]) -> list[T]:
        """Return the items that were not returned before."""
        new = [each for each in found if each not in self._shown]
        self._shown |= set(new)
        return new

    async def _settled(self) -> None:
        """Wait until the service shows the result.

        Raise UnknownOutcomeError when more than one service revision stays active after a success.
        """
        if self._deployment is None:
            return
        until = self._time.seconds() + _SETTLING_SECONDS
        while await self._is_settling(self._deployment):
            if self._time.seconds() > until:
                raise UnknownOutcomeError(
                    f"the deployment of {self._api.name} is {self._deployment.word}, and its release is not the only active release",
                    "ask again with `slipway status`",
                )
            await self._time.sleep(POLL_SECONDS)

    async def _is_settling(self, deployment: Deployment) -> bool:
        """Return whether the active service revisions do not match the deployment's end yet."""
        service = await self._api.service()
        if (
            service is None
            or service["status"]["statusCode"] != "ACTIVE"
            or service.get("currentDeployment") not in (None, deployment.arn)
        ):
            return False
        active = [each["serviceRevisionArn"] for each in service.get("activeConfigurations", ())]
        state = state_of("ACTIVE", active, deployment, deployment.finished or self._time.now())
        return state is State.BUSY
