"""The life of a task: provisioning, image, secrets and log, the container until it ends, deprovisioning.

The reasons are those that users quote [F]; the durations are those that users see on Fargate, in the platform's seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.simulator.app_runner.deployment import Platform
from slipway.simulator.app_runner.service import SimulatedInstance
from slipway.simulator.ecs.task import Task
from slipway.simulator.registry import Repository
from slipway.workload.workload import LaunchSpec, Workload

_PROVISION_SECONDS = 15.0
_PULL_SECONDS = 15.0
_POLL_SECONDS = 2.0
_DEPROVISION_SECONDS = 10.0
_PORT = 65535  # a task serves no port; no command contains this one
_KILLED = 137
_NOT_INITIALIZED = "ResourceInitializationError: "


class _NotStartedError(Exception):
    """A container that does not start, with the task's stopped reason."""


@dataclass(frozen=True)
class TaskRun:
    """A running task."""

    platform: Platform
    task: Task

    async def run(self) -> None:
        """Run the task until it has stopped."""
        clock, task = self.platform.clock, self.task
        await clock.sleep(_PROVISION_SECONDS)
        task.status = "PENDING"
        try:
            order = self._order()
            await clock.sleep(_PULL_SECONDS)
            if not task.stopping:
                await self._execute(order)
        except _NotStartedError as error:
            task.stop("TaskFailedToStart", str(error))
        task.status = "DEPROVISIONING"
        await clock.sleep(_DEPROVISION_SECONDS)
        task.status, task.stopped = "STOPPED", clock.now()

    async def _execute(self, order: LaunchSpec) -> None:
        """Run the container until it ends or the task is stopped."""
        platform, task = self.platform, self.task
        instance = SimulatedInstance(platform.backend, order, self._on_line)
        with platform.clock.held():
            await platform.tasks.start(instance.run)
        if instance.failure:
            raise _NotStartedError(f"CannotStartContainerError: {instance.failure}")
        assert instance.workload is not None
        task.status, task.started = "RUNNING", platform.clock.now()
        await self._ended(instance.workload)
        with platform.clock.held():
            await instance.stop()
        task.exit_code = _as_in_a_container(instance.workload.exit_code)
        task.stop("EssentialContainerExited", "Essential container in task exited")

    async def _ended(self, workload: Workload) -> None:
        """Wait until the container ends or the task is stopped; a task is RUNNING for one poll at least."""
        clock, task = self.platform.clock, self.task
        while True:
            with clock.held():
                await anyio.sleep(0.001)  # lets the process continue where time is virtual
            await clock.sleep(_POLL_SECONDS)
            if workload.exit_code is not None or task.stopping:
                return

    def _order(self) -> LaunchSpec:
        """Build the launch order; raises _NotStartedError, in Fargate's order of checks."""
        container, override = self.task.definition.container, self.task.override
        variables = self._secrets(container.get("secrets", []))
        self._check_log(container)
        for pair in (*container.get("environment", []), *override.get("environment", [])):
            variables[pair["name"]] = pair["value"]
        command = (*container.get("entryPoint", ()), *override.get("command", container.get("command", ())))
        image, repository = self._image(container["image"])
        return LaunchSpec(
            repository=repository.path,
            digest=image.digest,
            port=_PORT,
            variables=variables,
            command=command or None,
        )

    def _image(self, name: str) -> tuple[Reference, Repository]:
        try:
            image = Reference.parse(name)
        except BadInputError:
            image = None
        repository = self.platform.store.at(image.repository) if image else None
        if image is None or repository is None or repository.resolve(image.digest) is None:
            raise _NotStartedError(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
                f"failed to resolve ref {name}: {name}: not found"
            )
        return image, repository

    def _secrets(self, references: list[Mapping[str, str]]) -> dict[str, str]:
        values: dict[str, str] = {}
        for secret in references:
            arn = secret["valueFrom"]
            value = self.platform.references.value(arn)
            if value is None:
                raise _NotStartedError(
                    f"{_NOT_INITIALIZED}unable to pull secrets or registry auth: {_not_retrieved(arn)}"
                )
            values[secret["name"]] = value
        return values

    def _check_log(self, container: Mapping[str, Any]) -> None:
        options = container.get("logConfiguration", {}).get("options", {})
        group = options.get("awslogs-group")
        if group and options.get("awslogs-create-group") == "true":
            self.platform.logs.create(group)
        if group and not self.platform.logs.has(group):
            raise _NotStartedError(
                f"{_NOT_INITIALIZED}failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch "
                "log stream: ResourceNotFoundException: The specified log group does not exist."
            )

    def _on_line(self, line: str) -> None:
        container = self.task.definition.container
        options = container.get("logConfiguration", {}).get("options", {})
        if "awslogs-group" not in options:
            return
        stream = f"{options.get('awslogs-stream-prefix', '')}/{container['name']}/{self.task.id}"
        self.platform.logs.write(options["awslogs-group"], stream, self.platform.clock.now(), line)


def _not_retrieved(arn: str) -> str:
    execution = "execution resource retrieval failed: unable to retrieve"
    if ":ssm:" in arn:
        return f"{execution} secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: {arn.partition(':parameter')[2]}"
    return (
        f"{execution} secret from asm: service call has been retried 1 time(s): failed to fetch secret {arn} from secrets "
        "manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )


def _as_in_a_container(code: int | None) -> int:
    """Convert a process's exit code to a container's: 128 + N for a signal, 137 for a container that was killed."""
    if code is None:
        return _KILLED
    return code if code >= 0 else 128 - code
