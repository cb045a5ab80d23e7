"""The life of a task: provisioning, image, secrets and log, the container until its end, deprovisioning.

The reasons are those that users quote [F]. The durations, in the platform's seconds, are those that users see on
Fargate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from slipway.simulator.ecs.task import EXITED, KILLED, Task
from slipway.simulator.platform import Platform, SimulatedInstance
from slipway.simulator.registry import Repository
from slipway.simulator.secrets import MARKED
from slipway.workload.workload import LaunchSpec, Workload

_PROVISION_SECONDS = 15.0
_PULL_SECONDS = 15.0
_POLL_SECONDS = 2.0
_SERVICE_POLL_SECONDS = 5.0
_DEPROVISION_SECONDS = 10.0
_PORT = 65535  # tasks serve no port, and no command contains this number
TASKS = "ecs-tasks.amazonaws.com"  # the principal with which ECS assumes the tasks' roles [G]
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
_NOT_INITIALIZED = "ResourceInitializationError: "


class _NotStartedError(Exception):
    """A container that does not start. The message is the task's stopped reason."""


@dataclass
class TaskRun:
    """A running task. `decided` is set when its container runs, or certainly never will."""

    platform: Platform
    task: Task
    workload: Workload | None = None
    decided: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
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
        self.decided.set()
        task.status = "DEPROVISIONING"
        await clock.sleep(_DEPROVISION_SECONDS)
        task.status, task.stopped = "STOPPED", clock.now()

    async def _execute(self, order: LaunchSpec) -> None:
        """Run the container until it ends or the task is stopped."""
        platform, task = self.platform, self.task
        instance = SimulatedInstance(platform, order, self._on_line, task.security_groups)
        with platform.clock.held():
            await platform.tasks.start(instance.run)
        if instance.failure:
            raise _NotStartedError(f"CannotStartContainerError: {instance.failure}")
        assert instance.workload is not None
        self.workload = instance.workload
        task.status, task.started = "RUNNING", platform.clock.now()
        self.decided.set()
        await self._ended(instance.workload)
        with platform.clock.held():
            await instance.stop()
        task.exit_code = _as_in_a_container(instance.workload.exit_code)
        task.stop(*EXITED)

    async def _ended(self, workload: Workload) -> None:
        """Wait until the container ends or the task is stopped. A task is RUNNING for at least one poll."""
        clock, task = self.platform.clock, self.task
        while True:
            if task.service:  # a service's task runs for days, so waiting for it must not advance virtual time
                await clock.idle(_SERVICE_POLL_SECONDS)
            else:
                with clock.held():
                    await anyio.sleep(0.001)  # lets the process continue while time is virtual
                await clock.sleep(_POLL_SECONDS)
            if workload.exit_code is not None or task.stopping:
                return

    def _order(self) -> LaunchSpec:
        """Return the launch order. Raise _NotStartedError; the order of the checks is Fargate's."""
        container, override = self.task.definition.container, self.task.override
        self._check_roles()
        variables = self._secrets(container.get("secrets", []))
        self._check_log(container)
        for pair in (*container.get("environment", []), *override.get("environment", [])):
            variables[pair["name"]] = pair["value"]
        command = (*container.get("entryPoint", ()), *override.get("command", container.get("command", ())))
        repository, self.task.digest = self._image(container["image"])
        ports = container.get("portMappings") or [{"containerPort": _PORT}]
        return LaunchSpec(
            repository=repository.path,
            digest=self.task.digest,
            port=ports[0]["containerPort"],
            variables=variables,
            command=command or None,
        )

    def _check_roles(self) -> None:
        """Check that ECS may assume the roles of a service's task. Roles of single tasks are not checked."""
        for key in ("executionRoleArn", "taskRoleArn") if self.task.service else ():
            role = self.task.definition.asked.get(key)
            if role and not self.platform.iam.may_assume(role, TASKS, self.platform.clock.now()):
                raise _NotStartedError(
                    f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being"
                    " passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
                )

    def _image(self, name: str) -> tuple[Repository, str]:
        found = self.platform.store.find(name)
        if found is None:
            raise _NotStartedError(
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): "
                f"failed to resolve ref {name}: {name}: not found"
            )
        wanted = self.task.definition.asked.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
        if (found[0].architecture(found[1]) or _ARCHITECTURES[wanted]) != _ARCHITECTURES[wanted]:
            raise _NotStartedError(
                "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain"
                f" descriptor matching platform 'linux/{_ARCHITECTURES[wanted]}'"
            )
        return found

    def _secrets(self, references: list[Mapping[str, str]]) -> dict[str, str]:
        values: dict[str, str] = {}
        for secret in references:
            arn = secret["valueFrom"]
            value = self.platform.references.value(arn)
            if value is None:
                raise _NotStartedError(
                    f"{_NOT_INITIALIZED}unable to pull secrets or registry auth: {_not_retrieved(arn, is_deleted=self.platform.references.secrets.is_deleted(arn))}"
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


def _not_retrieved(arn: str, *, is_deleted: bool) -> str:
    execution = "execution resource retrieval failed: unable to retrieve"
    if ":ssm:" in arn:
        return f"{execution} secrets from ssm: service call has been retried 1 time(s): invalid ssm parameters: {arn.partition(':parameter')[2]}"
    absent = "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    return (
        f"{execution} secret from asm: service call has been retried 1 time(s): failed to fetch secret {arn} from secrets "
        f"manager: {f'InvalidRequestException: {MARKED}' if is_deleted else absent}"
    )


def _as_in_a_container(code: int | None) -> int:
    """Convert a process's exit code to a container's: 128 + N for a signal, 137 for a killed container."""
    if code is None:
        return KILLED
    return code if code >= 0 else 128 - code
