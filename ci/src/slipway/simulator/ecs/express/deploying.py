"""A deployment in progress. It goes through its steps on the platform's clock until it ends or is interrupted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import anyio.lowlevel

from slipway.simulator.ecs.express.fleet import Fleet
from slipway.simulator.ecs.express.rollout import PERIOD, Signal, Step, breaker_threshold, steps
from slipway.simulator.ecs.express.service import Deployment, Readings, Revision, Service
from slipway.simulator.platform import Platform

_ROLLED_BACK = "Service deployment rolled back because "
_WHY = {
    Signal.BREAKER: _ROLLED_BACK + "the circuit breaker threshold was exceeded.",  # [F]
    Signal.ALARM: _ROLLED_BACK + "of the following alarm(s) in ALARM state: {alarm}.",  # †
    Signal.REQUESTED: _ROLLED_BACK + "a user requested it.",  # †
}
_SUPERSEDED = "Service deployment stopped because a newer deployment was started."  # †
_FAILED = "The rollback failed."  # †
_NO_CANDIDATE = "No rollback candidate was found to run the rollback."  # [F]


@dataclass(kw_only=True)
class Rollout:
    """A deployment in progress."""

    platform: Platform
    readings: Readings
    service: Service
    deployment: Deployment
    before: "Rollout | None"  # it waits until this one has ended †
    begin_fleet: Callable[[Service, Deployment], Fleet]
    ended: anyio.Event = field(default_factory=anyio.Event)
    _cause: Signal | None = None
    _scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def run(self) -> None:
        """Deploy. An interruption leads to a stop, to a rollback, or directly to the end."""
        work: Callable[[], Awaitable[None]] | None = self._advance
        while work:
            with self._scope:
                await (self.before.ended.wait() if self.before else anyio.lowlevel.checkpoint())
                await work()
            cause, self._cause, self._scope = self._cause, None, anyio.CancelScope()
            work = self._after(cause)
        self.ended.set()

    def interrupt(self, signal: Signal) -> None:
        """Interrupt the deployment with a signal, unless the signal has no effect in this state."""
        if self._receive(signal):
            self._cause = signal
            self._scope.cancel()

    def _after(self, cause: Signal | None) -> Callable[[], Awaitable[None]] | None:
        match cause:
            case Signal.SUPERSEDED:
                return self._stop
            case Signal.REQUESTED if self.deployment.stage == "CLEAN_UP":
                return self._finish
            case Signal.REQUESTED:
                return self._revert_when_asked
            case Signal.ALARM | Signal.BREAKER:
                self._explain(cause)
                return self._revert
            case _:
                return None

    async def _advance(self) -> None:
        service, deployment, pace = self.service, self.deployment, self.service.pace
        await self.platform.clock.sleep(pace.pending)
        deployment.source = service.stable
        used = deployment.source.group if deployment.source else None
        group = service.gateway.other(used)
        wanted = deployment.target.configuration
        service.gateway.prepare(group, wanted["healthCheckPath"], wanted["primaryContainer"]["containerPort"])
        deployment.target.group = group.arn
        self._receive(Signal.BEGINS)
        service.gateway.alarm.rewrite(self.platform.clock.now())
        reconciles = len(service.active) > 1
        for step in steps(pace, creates=deployment.source is None, reconciles=reconciles):
            await self._take(step)
        await self._finish()

    async def _take(self, step: Step) -> None:
        deployment, gateway = self.deployment, self.service.gateway
        deployment.stage = step.stage
        if step.stage == "SCALE_UP":
            await self._scale_up()
        weights = {deployment.target.group: step.share}
        if deployment.source:
            weights[deployment.source.group] = 100 - step.share
        gateway.weigh(weights)
        if step.stage == "CLEAN_UP" and deployment.source:
            await self._retire(deployment.source)
        await (self._watched(step.seconds) if step.watched else self.platform.clock.sleep(step.seconds))

    async def _scale_up(self) -> None:
        """Start the revision's tasks, and wait until one is healthy. The circuit breaker counts failed starts."""
        balancer = self.service.gateway.balancer
        if balancer.state == "provisioning":
            await self.platform.clock.sleep(self.service.pace.provision)
            balancer.state = "active"
        fleet = self.begin_fleet(self.service, self.deployment)
        while not fleet.healthy:
            await fleet.changed.wait()
            self.deployment.failures = fleet.failures
            tripped = self.readings.breaker and fleet.failures >= breaker_threshold(self.deployment.desired)
            if tripped and self._may_revert and not fleet.healthy:
                self.interrupt(Signal.BREAKER)
                await anyio.lowlevel.checkpoint()

    async def _watched(self, seconds: float) -> None:
        """Wait. The alarm may interrupt at the end of each of its periods."""
        clock, deployment = self.platform.clock, self.deployment
        end = clock.now() + timedelta(seconds=seconds)
        while (now := clock.now()) < end:
            period = PERIOD - now.timestamp() % PERIOD
            await clock.sleep(min(period, (end - now).total_seconds()))
            if self.service.gateway.evaluate(deployment.started or now) and self._may_revert:
                deployment.triggered = True
                self.interrupt(Signal.ALARM)
                await anyio.lowlevel.checkpoint()

    @property
    def _may_revert(self) -> bool:
        return self.deployment.source is not None or self.readings.creation_reverts

    async def _finish(self) -> None:
        if self.deployment.source:
            await self._retire(self.deployment.source)
        self._receive(Signal.SUCCEEDS)
        self.service.tell(self.platform.clock.now(), f"(deployment ecs-svc/{self.deployment.id}) deployment completed.")
        self.service.tell(self.platform.clock.now(), "has reached a steady state.")

    async def _stop(self) -> None:
        """Give the traffic back and stop the new revision, because a newer deployment waits."""
        self.deployment.reason = _SUPERSEDED
        await self._give_back()
        await self.platform.clock.sleep(self.service.pace.stop)
        self._receive(Signal.STOPS)

    async def _revert_when_asked(self) -> None:
        self._explain(Signal.REQUESTED)
        self._give_traffic_back()
        await self.platform.clock.sleep(self.service.pace.stop)
        self._receive(Signal.REVERTS)
        await self._revert()

    async def _revert(self) -> None:
        """Go back to the last revision that was deployed successfully, if there is one."""
        await self._give_back()
        await self.platform.clock.sleep(self.service.pace.roll_back)
        name = f"(deployment ecs-svc/{self.deployment.id})"
        self.service.tell(self.platform.clock.now(), f"{name} deployment failed: {self.deployment.reason}")
        if self.deployment.source is None or "ROLLBACK" in self.service.failing:
            self.deployment.reason = _FAILED if self.deployment.source else _NO_CANDIDATE
            self._receive(Signal.STUCK)
            self.service.tell(self.platform.clock.now(), f"{name} rollback has failed. {self.deployment.reason}")
            return
        self._receive(Signal.REVERTED)
        self.service.tell(self.platform.clock.now(), "has reached a steady state.")

    def _explain(self, cause: Signal) -> None:
        reason = _WHY[cause].format(alarm=self.service.alarm_name)
        self.deployment.reason, self.deployment.rollback = reason, (reason, self.platform.clock.now())

    def _give_traffic_back(self) -> None:
        source = self.deployment.source or self.service.stable
        self.service.gateway.weigh({source.group: 100} if source else {})

    async def _give_back(self) -> None:
        self._give_traffic_back()
        await self._retire(self.deployment.target)

    async def _retire(self, revision: Revision) -> None:
        """Stop a revision's tasks after their last answers."""
        if revision.fleet is None:
            return
        group = self.service.gateway.group(revision.group)
        with self.platform.clock.held():
            for address in list(group.targets):
                await self.service.gateway.front.drained(address)
        revision.retire()

    def _receive(self, signal: Signal) -> bool:
        now = self.platform.clock.now()
        received = self.deployment.receive(signal, now)
        self.service.updated = now if received else self.service.updated
        return received
