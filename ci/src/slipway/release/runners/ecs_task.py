"""A one-off Fargate task in the VPC, with the release's own image, for a database without a public address.

When a run dies, its task continues. The next run for the same digest finds the task by its mark and follows it. Two
tasks at once are harmless, because the migration acquires a lock in the database.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.access import ServerAccess
from slipway.records.command import CommandRun
from slipway.records.form import MARK
from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event, Tell
from slipway.release.aws import logs
from slipway.release.aws.client import Aws
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError, or_absent
from slipway.release.runners.definition import CONTAINER, PREFIX, TaskOrder, definition, label_of, overrides, request
from slipway.release.runners.ending import Ended, answer_of, migration_of, standing_of, why
from slipway.untrusted import one_line

POLL_SECONDS = 3.0
_LAST_LINES_SECONDS = 15.0  # for the last lines of a command; its log has no answer that would mark the end
_ANSWER_SECONDS = 60.0  # lines reach CloudWatch seconds after they were written, sometimes later


@dataclass(frozen=True)
class _Task:
    """An existing task. `created` is in AWS's time."""

    arn: str
    created: datetime

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def stream(self) -> str:
        return f"{PREFIX}/{CONTAINER}/{self.id}"


@dataclass(frozen=True, kw_only=True)
class EcsTask:
    """A migration by an ECS task.

    `deployment` identifies its deployment, so that a second run finds the task even after its end.
    """

    aws: Aws
    time: Time
    order: TaskOrder
    deployment: str | None = None
    how: str = "a Fargate task"

    async def migrate(self, tell: Tell) -> Migration:
        order = replace(self.order, only_reads=False)
        return migration_of(await self._run(order, tell).ended(self.deployment), order)

    async def standing(self) -> Standing:
        order = replace(self.order, only_reads=True)
        return standing_of(await self._run(order, lambda _: None).ended(None), order)

    async def access(self, tell: Tell) -> ServerAccess:
        """Read or create the roles and database of an AccessOrder. Raise SlipwayError when the task fails."""
        return answer_of(ServerAccess, await self._run(self.order, tell).ended(None), self.order)

    async def execute(self, command: Sequence[str], tell: Tell, heard: Callable[[str], None]) -> CommandRun:
        """Run a command once in a task like the migrating one, and pass on each line that it prints.

        Raise SlipwayError when it does not start.
        """
        return await self._run(self.order, tell, heard).executed(command)

    def _run(self, order: TaskOrder, tell: Tell, heard: Callable[[str], None] | None = None) -> "_Run":
        return _Run(aws=self.aws, time=self.time, order=order, tell=tell, heard=heard)


@dataclass(kw_only=True)
class _Run:
    """One task, from its definition to its end.

    - lines: the task's log; None when it is `unreadable`.
    - heard: receives the lines instead of `tell`.
    """

    aws: Aws
    time: Time
    order: TaskOrder
    tell: Tell
    lines: tuple[str, ...] | None = ()
    unreadable: str = ""
    heard: Callable[[str], None] | None = None

    async def executed(self, command: Sequence[str]) -> CommandRun:
        """Start a task for a command, follow it to its end without a time limit, and return the exit code."""
        arn = await self._registered(definition(self.order))
        token = secrets.token_hex(32)
        task = _task(await self._started_once(request(self.order, arn, token) | overrides(self.order, command, token)))
        self._say(f"the command runs in the task {task.id}; its log is {self.order.log_group}, {task.stream}")
        while (tasks := await self._described([task.arn])) and tasks[0]["lastStatus"] != "STOPPED":
            await self.time.sleep(POLL_SECONDS)
            if tasks[0]["lastStatus"] == "RUNNING":
                await self._listen(task)
        ended = await self._ended(tasks[0], task, _LAST_LINES_SECONDS) if tasks else None
        if ended and ended.stop_code == "TaskFailedToStart":
            raise why(ended, self.order)
        if ended is None or ended.exit_code is None:
            raise UnknownOutcomeError(
                f"the task {task.id} ended without an exit code ({one_line(ended.reason) if ended else 'ECS has forgotten it'})",
                f"read {self.order.log_group}, {task.stream}, before you run the command again",
            )
        return CommandRun(
            environment=self.order.environment, image=str(self.order.image), task=task.id, exit_code=ended.exit_code
        )

    async def ended(self, deployment: str | None) -> Ended:
        """Find the task or start it, and follow it to its end."""
        wanted = definition(self.order)
        task = await self._running()
        if task is None:
            arn = await self._registered(wanted)
            task = await self._started(arn, deployment)
            await self._tidy(arn)
        try:
            return await self._followed(task)
        except RefusedError as error:
            raise UnknownOutcomeError(
                f"the {self.order.noun} continues as the task {task.id}, but cannot be followed: {error.what}",
                f"{error.next_step}; then run `{self.order.again}`, which finds it",
            ) from error

    async def _running(self) -> _Task | None:
        """Return a running task for this digest, or None."""
        listed = await self._call("list_tasks", cluster=self.order.runner.cluster, startedBy=self.order.started_by)
        for description in await self._described(listed["taskArns"]):
            if description["lastStatus"] != "STOPPED":
                task = _task(description)
                self._say(f"following the task {task.id}, which another run started at {task.created:%H:%M:%S %Z}")
                return task
        return None

    async def _registered(self, wanted: Mapping[str, Any]) -> str:
        """Return the newest definition if it is unchanged. Otherwise register a new one."""
        call = self._call("describe_task_definition", taskDefinition=self.order.family)
        newest = await or_absent(call, "ClientException")  # ECS's answer when there is no definition [F]
        if newest and label_of(newest["taskDefinition"]) == label_of(wanted):
            return str(newest["taskDefinition"]["taskDefinitionArn"])
        answer = await self._explained(self.aws.call_idempotent("ecs", "register_task_definition", **wanted))
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    async def _started(self, definition_arn: str, deployment: str | None) -> _Task:
        """Start the task. For a known token, ECS returns the task that it started earlier, even one that has stopped."""
        token = deployment and hashlib.sha256(f"{self.order.started_by} {deployment}".encode()).hexdigest()
        try:
            description = await self._run_task(definition_arn, token)
        except AwsRefusedError as error:
            # this deployment started a task earlier, and the settings have changed since
            if error.code != "ConflictException":
                raise
            description = await self._run_task(definition_arn)
        if description["lastStatus"] == "STOPPED" and _exit_code(description) != 0:
            self._say(f"the task {_task(description).id} of this deployment has failed; trying once more")
            description = await self._run_task(definition_arn)
        task = _task(description)
        self._say(f"the {self.order.noun} runs in the task {task.id}; its log is {self.order.log_group}, {task.stream}")
        return task

    async def _run_task(self, definition_arn: str, token: str | None = None) -> Mapping[str, Any]:
        return await self._started_once(request(self.order, definition_arn, token or secrets.token_hex(32)))

    async def _started_once(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._explained(self.aws.call_idempotent("ecs", "run_task", **parameters))
        for failure in answer.get("failures", []):
            reason = one_line(f"{failure.get('reason', '')} {failure.get('detail', '')}")
            raise RefusedError(
                f"ECS found no capacity for the task of the {self.order.noun} ({reason})",
                "run the same command again in a while",
            )
        return dict(answer["tasks"][0])

    async def _followed(self, task: _Task) -> Ended:
        """Poll log and task in turn, one call every POLL_SECONDS, until the task has stopped."""
        began = self.time.seconds()
        while True:
            tasks = await self._described([task.arn])
            if not tasks:
                raise UnknownOutcomeError(
                    f"ECS does not know the task {task.id} any more",
                    f"run `{self.order.again}`, which looks for it again",
                )
            if tasks[0]["lastStatus"] == "STOPPED":
                return await self._ended(tasks[0], task)
            if self.time.seconds() - began > self.order.runner.timeout:
                raise self._timeout(task, str(tasks[0]["lastStatus"]))
            await self.time.sleep(POLL_SECONDS)
            if tasks[0]["lastStatus"] == "RUNNING":
                await self._listen(task)
                await self.time.sleep(POLL_SECONDS)

    async def _ended(self, description: Mapping[str, Any], task: _Task, patience: float = _ANSWER_SECONDS) -> Ended:
        """Return the end of the task with its log. Wait `patience` seconds for the last lines."""
        ended = Ended(
            exit_code=_exit_code(description),
            stop_code=str(description.get("stopCode", "")),
            reason=str(description.get("stoppedReason", "")),
            why=str(_container(description).get("reason", "")),
        )
        since = self.time.seconds()
        while ended.exit_code is not None:
            await self._listen(task)
            ended = replace(ended, lines=self.lines, unreadable=self.unreadable)
            waited = self.time.seconds() - since
            if ended.answer or ended.lines is None or waited > patience:
                break
            await self.time.sleep(POLL_SECONDS)
        return ended

    async def _listen(self, task: _Task) -> None:
        """Report new lines of the log. When it cannot be read, continue without it."""
        if self.lines is None:
            return
        try:
            read = await logs.read(self.aws, self.order.log_group, since=task.created, prefix=task.stream)
        except AwsRefusedError as error:
            self.lines, self.unreadable = None, error.what
            self._say(f"the log cannot be read: {error.what}")
            return
        lines = tuple(line.message for line in read)
        for line in lines[len(self.lines) :]:
            if self.heard:
                self.heard(line)
            elif not line.startswith(MARK):
                self._say(one_line(line))
        self.lines = lines

    def _timeout(self, task: _Task, status: str) -> UnknownOutcomeError:
        minutes = self.order.runner.timeout / 60
        stuck = "" if status == "RUNNING" else "; its subnets may have no route to ECR"
        return UnknownOutcomeError(
            f"after {minutes:.0f} minutes the task {task.id} of the {self.order.noun} is still {one_line(status)}{stuck}",
            f"it continues; run `{self.order.again}`, which finds it",
        )

    async def _tidy(self, ours: str) -> None:
        """Deregister older revisions of the definition; running tasks are not affected [M].

        A newer revision belongs to another run.
        """
        family, _, number = ours.rpartition(":")
        with suppress(SlipwayError):  # revisions that remain are harmless
            listed = await self._call("list_task_definitions", familyPrefix=self.order.family, status="ACTIVE")
            for arn in listed["taskDefinitionArns"]:
                its, _, revision = arn.rpartition(":")
                if its == family and int(revision) < int(number):
                    await self._call("deregister_task_definition", taskDefinition=arn)

    async def _described(self, arns: list[str]) -> list[Mapping[str, Any]]:
        if not arns:
            return []
        answer = await self._call("describe_tasks", cluster=self.order.runner.cluster, tasks=arns)
        return list(answer["tasks"])

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._explained(self.aws.call("ecs", operation, **parameters))

    async def _explained(self, answer: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        try:
            return await answer
        except AwsRefusedError as error:
            raise _explained(error, self.order) from error

    def _say(self, line: str) -> None:
        self.tell(Event(line))


def _explained(error: AwsRefusedError, order: TaskOrder) -> RefusedError:
    """Return the error with a remedy in the settings, if there is one."""
    table = f"migration of [tool.slipway.environments.{order.environment}]"
    if error.code == "ClusterNotFoundException":
        return RefusedError(error.what, f"create the cluster {order.runner.cluster}, or correct cluster in {table}")
    if "iam:PassRole" in error.message:
        return RefusedError(
            error.what, "allow the deploy role iam:PassRole on the task's roles, to ecs-tasks.amazonaws.com"
        )
    if error.code == "InvalidParameterException":
        return RefusedError(error.what, f"correct {table}")
    return error


def _task(description: Mapping[str, Any]) -> _Task:
    return _Task(str(description["taskArn"]), description["createdAt"])


def _container(description: Mapping[str, Any]) -> dict[str, Any]:
    return dict(next(iter(description.get("containers", [])), {}))


def _exit_code(description: Mapping[str, Any]) -> int | None:
    return _container(description).get("exitCode")
