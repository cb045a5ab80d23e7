"""The tasks of a service revision: how many are desired, and the replacement of those that end or become unhealthy."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import anyio

from slipway.simulator.balancing import Target, TargetGroup
from slipway.simulator.ecs.express.gateway import Gateway
from slipway.simulator.ecs.express.rollout import Pace
from slipway.simulator.ecs.running import TaskRun
from slipway.simulator.ecs.task import EXITED, Task
from slipway.simulator.platform import Platform
from slipway.workload.workload import ask

SCALING_METRICS = {
    "AVERAGE_CPU": "ECSServiceAverageCPUUtilization",
    "AVERAGE_MEMORY": "ECSServiceAverageMemoryUtilization",
    "REQUEST_COUNT_PER_TARGET": "ALBRequestCountPerTarget",
}
_OUT, _IN = 3, 15  # minutes until it scales out or in [G]
_LOW = 0.9  # share of the target below which it scales in [G]


@dataclass(kw_only=True)
class Scaling:
    """The scalable target of a service, and the policy that changes the number of desired tasks."""

    least: int = 1
    most: int = 1
    desired: int = 1
    metric: str = "AVERAGE_CPU"
    target: float = 60
    _seen: list[float] = field(default_factory=list)  # the metric's values of the last minutes, the newest last

    def limit(self, wanted: Mapping[str, Any]) -> None:
        """Apply the scaling target of a revision.

        If the number of desired tasks exceeds its limits, it changes to the limit [G].
        """
        self.metric, self.target = wanted["autoScalingMetric"], wanted["autoScalingTargetValue"]
        self.least, self.most = wanted["minTaskCount"], wanted["maxTaskCount"]
        self.desired = min(max(self.desired, self.least), self.most)

    def follow(self, value: float | None, *, deploys: bool) -> None:
        """Apply one minute's value of the metric, or None when there is no value."""
        self._seen = [*self._seen[-_IN + 1 :], value] if value is not None else []
        out, low = self._seen[-_OUT:], self._seen[-_IN:]
        if len(out) == _OUT and min(out) > self.target:
            self._move(math.ceil(self.desired * out[-1] / self.target))
        elif len(low) == _IN and max(low) < self.target * _LOW and not deploys:
            self._move(math.ceil(self.desired * low[-1] / self.target))

    def _move(self, desired: int) -> None:
        before, self.desired = self.desired, min(max(desired, self.least), self.most)
        self._seen = self._seen if before == self.desired else []


# after this many failed starts, retries wait for other work, because virtual time would otherwise never end
_PATIENCE = 10
_RETRY_SECONDS = 5.0
_NO_PLACE_SECONDS = 60.0
_NO_PLACE = (  # [F]
    "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
)


@dataclass(kw_only=True)
class Fleet:
    """The tasks of a service revision. `changed` is set at every start that succeeds or fails."""

    platform: Platform
    pace: Pace
    gateway: Gateway
    group: str  # the ARN of the revision's target group
    port: int
    begin: Callable[[], Task]  # creates a task
    has_place: Callable[[], bool]  # returns whether the account's quota allows another task
    tell: Callable[[datetime, str], None]  # adds an event of the service
    failures: int = 0
    healthy: bool = False  # whether all desired tasks have been healthy at the same time
    running: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)
    _healthy: int = 0  # the number of healthy tasks
    _places: list[anyio.CancelScope] = field(default_factory=list)  # one for each desired task

    @property
    def desired(self) -> int:
        return len(self._places)

    def scale(self, desired: int) -> None:
        """Start or stop tasks until `desired` are running. The newest ones are stopped first."""
        while len(self._places) < desired:
            self._places.append(anyio.CancelScope())
            self.platform.tasks.start_soon(self._keep, self._places[-1])
        while len(self._places) > desired:
            self._places.pop().cancel()

    async def _keep(self, place: anyio.CancelScope) -> None:
        """Keep a task running until its place is removed."""
        with place:
            while True:
                while not self.has_place():
                    self._tell(_NO_PLACE)
                    await self.platform.clock.idle(_NO_PLACE_SECONDS)
                await self._one_task()
                self.failures += 1
                self._announce()
                endless = self.healthy or self.failures >= _PATIENCE
                await (self.platform.clock.idle if endless else self.platform.clock.sleep)(_RETRY_SECONDS)

    async def _one_task(self) -> None:
        """Run a task until it ends, fails to start or fails its health checks."""
        clock, task = self.platform.clock, self.begin()
        self._tell(f"has started 1 tasks: (task {task.id}).")
        run = TaskRun(self.platform, task)
        self.platform.tasks.start_soon(run.run)
        why = "ServiceSchedulerInitiated", f"Scaling activity initiated by (deployment {task.started_by})"  # [F]
        try:
            await run.decided.wait()
            if run.workload is None:
                self._tell(f"failed to start a task (task {task.id}): {(task.stopping or ('', ''))[1]}")  # †
                return
            self.running += 1
            try:
                why = await self._checked(run, Target(address=run.workload.address), clock.now())
            finally:
                self.running -= 1
        finally:
            task.stop(*why)

    async def _checked(self, run: TaskRun, target: Target, since: datetime) -> tuple[str, str]:
        """Check a task's health until it ends or must be stopped. Return the code and the reason."""
        group, clock, was_healthy = self.gateway.group(self.group), self.platform.clock, False
        group.targets[target.address] = target
        self._tell(f"registered 1 targets in (target-group {group.arn})")
        assert run.workload is not None
        try:
            while True:
                await (clock.idle if self.healthy else clock.sleep)(group.interval)
                if run.workload.exit_code is not None or run.task.stopping:
                    return EXITED
                with clock.held():
                    result = await ask(target.address, group.check)
                target.checked(group, result)
                self.gateway.refresh()
                if target.state == "healthy" and not was_healthy:
                    was_healthy = True
                    self._count_healthy(1)
                grace = timedelta(seconds=self.pace.grace)
                if target.state == "unhealthy" and (was_healthy or clock.now() - since >= grace):
                    return "ServiceSchedulerInitiated", self._unhealthy(group, target)
        finally:
            if was_healthy:
                self._count_healthy(-1)
            group.targets.pop(target.address, None)
            self.gateway.refresh()
            self._tell(f"deregistered 1 targets in (target-group {group.arn})")

    def _count_healthy(self, more: int) -> None:
        self._healthy += more
        if self._healthy >= self.desired and not self.healthy:
            self.healthy = True
            self._announce()

    def _unhealthy(self, group: TargetGroup, target: Target) -> str:
        why = f"(port {self.port}) is unhealthy in (target-group {group.arn}) due to (reason {target.description})."  # [F]
        self._tell(why)
        return f"Task failed ELB health checks in (target-group {group.arn})"  # [F]

    def _announce(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    def _tell(self, message: str) -> None:
        self.tell(self.platform.clock.now(), message)
