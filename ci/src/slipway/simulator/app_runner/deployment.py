"""App Runner's operations: a deployment (pull, provision, health check, routing, rollback), a pause, a deletion.

The log lines are those that users quote [F]. The durations, in seconds of the platform, are those that users see: 5
minutes for a creation, 2 to 5 for an update, 6 to 19 for a failed health check.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.simulator.app_runner.service import (
    Configuration,
    Service,
    ServiceOperation,
    health_check,
)
from slipway.simulator.platform import Platform, SimulatedInstance
from slipway.workload.workload import LaunchSpec, Workload, ask

# SERVICE_UPDATE [F], the others †
_TRIGGERS = {
    "CREATE_SERVICE": "SERVICE_CREATE",
    "UPDATE_SERVICE": "SERVICE_UPDATE",
    "START_DEPLOYMENT": "MANUAL_DEPLOYMENT",
    "RESUME_SERVICE": "SERVICE_RESUME",
}
# The service's status after a failed operation without a rollback; PAUSED †
_WITHOUT_ROLLBACK = {"CREATE_SERVICE": "CREATE_FAILED", "RESUME_SERVICE": "PAUSED"}
_STOPPED = "Your application stopped or failed to start. See logs for more information."


class _FailedError(Exception):
    """A failed deployment; the message is the last line of its log."""


@dataclass(kw_only=True)
class Deployment:
    """A running operation that deploys a configuration."""

    platform: Platform
    service: Service
    operation: ServiceOperation
    configuration: Configuration
    groups: Sequence[str] = ()  # the security groups of its VPC connector
    _instance: SimulatedInstance | None = None

    async def run(self) -> None:
        """Deploy the configuration, or roll back."""
        trigger = _TRIGGERS[self.operation.type]
        self._log("Service status is set to OPERATION_IN_PROGRESS.")
        self._log(f"Deployment with ID : {self.operation.deployment} started. Triggering event : {trigger}")
        try:
            await self._provision(await self._pull())
            await self._until_healthy()
        except _FailedError as failure:
            await self._give_up(str(failure))
        else:
            await self._take_over()

    async def _pull(self) -> LaunchSpec:
        image = self.configuration["SourceConfiguration"]["ImageRepository"]
        identifier = image["ImageIdentifier"]
        self._log(f"Pulling image {identifier.partition('@')[0]} from ECR repository.")
        await self.platform.clock.sleep(self.service.pace.pull)
        found = self.platform.store.find(identifier)
        if found is None:
            self._log(f"Failed to pull your application image. Reason: Image {identifier} was not found.")
            raise _FailedError("Failed to pull your application image.")
        self._log("Successfully pulled your application image from ECR.")
        return self._order(found[0].path, found[1])

    def _order(self, repository: str, digest: str) -> LaunchSpec:
        settings = self._settings
        variables = dict(settings.get("RuntimeEnvironmentVariables", {}))
        for name, arn in settings.get("RuntimeEnvironmentSecrets", {}).items():
            value = self.platform.references.value(arn)
            if value is None:
                self._log(f"Failed to retrieve the secret {arn}.")
                raise _FailedError("Failed to retrieve a secret.")
            variables[name] = value
        try:
            command = tuple(shlex.split(settings.get("StartCommand", ""))) or None
        except ValueError as error:
            self._log(f"{_STOPPED} The start command cannot be parsed: {error}.")  # †
            raise _FailedError("Container failed to start.") from error
        return LaunchSpec(
            repository=repository,
            digest=digest,
            port=int(settings.get("Port", "8080")),
            variables=variables,
            command=command,
        )

    async def _provision(self, order: LaunchSpec) -> None:
        self._log("Provisioning instances and deploying image for publicly accessible service.")
        pace = self.service.pace
        began = self.platform.clock.now()
        self._instance = SimulatedInstance(self.platform, order, self._on_line, self.groups)
        with self.platform.clock.held():
            await self.platform.tasks.start(self._instance.run)
        if self._instance.failure:
            self._log(f"{_STOPPED} {self._instance.failure}")
            raise _FailedError("Container failed to start.")
        took = (self.platform.clock.now() - began).total_seconds()
        whole = pace.create if self.operation.type == "CREATE_SERVICE" else pace.update
        await self.platform.clock.sleep(max(0, whole - took))

    async def _until_healthy(self) -> None:
        workload, clock = self._workload, self.platform.clock
        check = health_check(self.configuration)
        path = f" [Path: '{check.path}']" if check.path else ""
        place = f"protocol `{'HTTP' if check.path else 'TCP'}`{path}, [Port: '{self._settings.get('Port', '8080')}']."
        self._log(f"Performing health check on {place}")
        # With a high threshold, a service may take longer to start.
        timeout = max(self.service.pace.timeout, check.interval * check.unhealthy_threshold)
        began, in_a_row = clock.now(), 0
        while in_a_row < check.healthy_threshold:
            if workload.exit_code is not None:
                self._log(f"{_STOPPED} Container exit code: {workload.exit_code}")
                raise _FailedError("Container exited.")
            if (clock.now() - began).total_seconds() > timeout:
                place = place.replace(" [Path", "[Path")
                self._log(f"Health check failed on {place} Check your configured port number.")
                raise _FailedError("Health check failed.")
            with clock.held():
                answer = await ask(workload.address, check)
            in_a_row = in_a_row + 1 if answer.healthy else 0
            await clock.sleep(check.interval)
        self._log("Health check is successful. Routing traffic to application.")

    @property
    def _workload(self) -> Workload:
        assert self._instance is not None
        assert self._instance.workload is not None
        return self._instance.workload

    @property
    def _settings(self) -> Mapping[str, Any]:
        repository = self.configuration["SourceConfiguration"]["ImageRepository"]
        settings: Mapping[str, Any] = repository.get("ImageConfiguration", {})
        return settings

    async def _take_over(self) -> None:
        """Move the traffic. The previous instance answers its last requests and then stops."""
        assert self._instance is not None
        service, before = self.service, self.service.instance
        await self.platform.clock.sleep(self.service.pace.route)
        service.front.route(self._workload.address)
        service.instance, service.configuration = self._instance, self.configuration
        self.platform.tasks.start_soon(watch, self.platform, service, self._instance)
        self._log("Successfully routed incoming traffic to application.")
        if before and before.workload:
            with self.platform.clock.held():
                await service.front.drained(before.workload.address)
                await before.stop()
        self._end("SUCCEEDED", "RUNNING")

    async def _give_up(self, reason: str) -> None:
        if self._instance:
            with self.platform.clock.held():
                await self._instance.stop()
        self._log(f"Deployment with ID : {self.operation.deployment} failed. Failure reason : {reason}")
        if self.operation.type in _WITHOUT_ROLLBACK:
            self._end("FAILED", _WITHOUT_ROLLBACK[self.operation.type])
            return
        self.operation.status = "ROLLBACK_IN_PROGRESS"
        await self.platform.clock.sleep(self.service.pace.roll_back)
        self._end("ROLLBACK_FAILED" if "ROLLBACK" in self.service.failing else "ROLLBACK_SUCCEEDED", "RUNNING")  # †

    def _end(self, operation_status: str, service_status: str) -> None:
        _end(self.platform, self.service, self.operation, operation_status, service_status)
        self._log(f"Service status is set to {service_status}.")

    def _log(self, line: str) -> None:
        for stream in (f"deployment/{self.operation.deployment}", "events"):
            _log(self.platform, self.service, stream, line)

    def _on_line(self, line: str) -> None:
        assert self._instance is not None
        group, stream = f"{self.service.log_group}/application", f"instance/{self._instance.id}"
        self.platform.logs.write(group, stream, self.platform.clock.now(), line)


async def watch(platform: Platform, service: Service, instance: SimulatedInstance) -> None:
    """Check the instance of a RUNNING service. An unhealthy instance gets no traffic until it is healthy again."""
    workload, healthy, in_a_row = instance.workload, True, 0
    assert workload is not None
    while service.instance is instance:
        check = health_check(service.configuration)
        await platform.clock.idle(check.interval)
        if not service.serves_from(instance):
            continue
        with platform.clock.held():
            answer = await ask(workload.address, check)
        in_a_row = in_a_row + 1 if answer.healthy is not healthy else 0
        threshold = check.unhealthy_threshold if healthy else check.healthy_threshold
        if in_a_row >= threshold and service.serves_from(instance):  # only if no operation has begun during the check
            healthy, in_a_row = answer.healthy, 0
            service.front.route(workload.address if healthy else None)
            words = "is successful" if healthy else "failed"
            _log(platform, service, "events", f"Health check {words}: {answer.detail}.")  # †


async def pause(platform: Platform, service: Service, operation: ServiceOperation) -> None:
    """Stop the instance. The address answers 503; configuration and address stay."""
    await _stop(platform, service, operation, success="PAUSED", failure="RUNNING")


async def delete(platform: Platform, service: Service, operation: ServiceOperation) -> None:
    """Stop the instance and free the name. The service is still described for a while [G]."""
    await _stop(platform, service, operation, success="DELETED", failure="DELETE_FAILED")
    if service.status == "DELETED":
        with platform.clock.held():
            await service.front.close()
        service.deleted = service.updated


async def _stop(
    platform: Platform, service: Service, operation: ServiceOperation, *, success: str, failure: str
) -> None:
    service.front.route(None)
    with platform.clock.held():
        if service.instance:
            await service.instance.stop()
    service.instance = None
    await platform.clock.sleep(service.pace.route)
    ended = ("FAILED", failure) if operation.type in service.failing else ("SUCCEEDED", success)
    _end(platform, service, operation, *ended)
    _log(platform, service, "events", f"Service status is set to {service.status}.")


def _end(platform: Platform, service: Service, operation: ServiceOperation, ended: str, status: str) -> None:
    operation.status, operation.ended = ended, platform.clock.now()
    service.status, service.updated = status, operation.ended


def _log(platform: Platform, service: Service, stream: str, line: str) -> None:
    platform.logs.write(f"{service.log_group}/service", stream, platform.clock.now(), f"[AppRunner] {line}")
