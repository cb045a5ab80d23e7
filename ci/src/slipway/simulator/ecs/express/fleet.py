"""The tasks of a revision: one runs at a time, and another replaces it when it ends or becomes unhealthy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio

from slipway.simulator.balancing import Target, TargetGroup
from slipway.simulator.ecs.express.gateway import Gateway
from slipway.simulator.ecs.express.rollout import Pace
from slipway.simulator.ecs.running import TaskRun
from slipway.simulator.ecs.task import Task
from slipway.simulator.platform import Platform
from slipway.workload.workload import ask

_PATIENCE = 10  # failed starts after which retries wait for other work: virtual time would never end
_RETRY_SECONDS = 5.0


@dataclass(kw_only=True)
class Fleet:
    """The tasks of a revision; `changed` is set at every start that succeeds or fails."""

    platform: Platform
    pace: Pace
    gateway: Gateway
    group: str  # the ARN of the revision's target group
    port: int
    begin: Callable[[], Task]  # makes a task
    tell: Callable[[datetime, str], None]  # adds an event of the service
    failures: int = 0
    healthy: bool = False  # once a task was
    running: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def run(self) -> None:
        """Keep a task running until the revision is retired."""
        with self._scope:
            while True:
                await self._one_task()
                self.failures += 1
                self._announce()
                endless = self.healthy or self.failures >= _PATIENCE
                await (self.platform.clock.idle if endless else self.platform.clock.sleep)(_RETRY_SECONDS)

    def retire(self) -> None:
        """Stop the tasks."""
        self._scope.cancel()

    async def _one_task(self) -> None:
        """Run a task until it ends, fails to start or fails its health checks."""
        clock, task = self.platform.clock, self.begin()
        self._tell(f"has started 1 tasks: (task {task.id}).")
        run = TaskRun(self.platform, task)
        self.platform.tasks.start_soon(run.run)
        why = f"Scaling activity initiated by (deployment {task.started_by})"  # [F]
        try:
            await run.decided.wait()
            if run.workload is None:
                self._tell(f"failed to start a task (task {task.id}): {(task.stopping or ('', ''))[1]}")  # †
                return
            self.running = 1
            why = await self._checked(run, Target(run.workload.address), clock.now()) or why
        finally:
            self.running = 0
            task.stop("ServiceSchedulerInitiated", why)

    async def _checked(self, run: TaskRun, target: Target, since: datetime) -> str | None:
        """Check a task's health until it ends, or until it must be stopped; return the reason for the latter."""
        group, clock = self.gateway.group(self.group), self.platform.clock
        group.targets[target.address] = target
        self._tell(f"registered 1 targets in (target-group {group.arn})")
        assert run.workload is not None
        try:
            while True:
                await (clock.idle if self.healthy else clock.sleep)(group.interval)
                if run.workload.exit_code is not None or run.task.stopping:
                    return None
                with clock.held():
                    result = await ask(target.address, group.check)
                target.checked(group, result)
                self.gateway.refresh()
                if target.state == "healthy" and not self.healthy:
                    self.healthy = True
                    self._announce()
                grace = timedelta(seconds=self.pace.grace)
                if target.state == "unhealthy" and (self.healthy or clock.now() - since >= grace):
                    return self._unhealthy(group, target)
        finally:
            group.targets.pop(target.address, None)
            self.gateway.refresh()
            self._tell(f"deregistered 1 targets in (target-group {group.arn})")

    def _unhealthy(self, group: TargetGroup, target: Target) -> str:
        why = f"(port {self.port}) is unhealthy in (target-group {group.arn}) due to (reason {target.description})."  # [F]
        self._tell(why)
        return f"Task failed ELB health checks in (target-group {group.arn})"  # [F]

    def _announce(self) -> None:
        changed, self.changed = self.changed, anyio.Event()
        changed.set()

    def _tell(self, message: str) -> None:
        self.tell(self.platform.clock.now(), message)
