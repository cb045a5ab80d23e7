"""The logs of a service on ECS Express Mode: the lines of its tasks, and ECS's reports on deployments and tasks."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from slipway.records.logs import LogSource
from slipway.release.aws import logs
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import Line, Lines
from slipway.release.engine.target import Operation
from slipway.release.errors import or_absent
from slipway.release.targets.ecs_express.api import ABSENT, ExpressApi, events_of
from slipway.release.targets.ecs_express.deployment import Deployment
from slipway.release.targets.ecs_express.following import is_deletion


async def since(aws: Aws, arn: str, time: datetime) -> Lines:
    """Return the lines that the service and ECS have written since a time."""
    api = ExpressApi(aws, arn)
    service = await api.service() or {}
    groups = await api.log_groups(each["serviceRevisionArn"] for each in service.get("activeConfigurations", ()))
    application = [line for group in groups for line in await logs.read(aws, group, since=time)]
    return {LogSource.APPLICATION: tuple(application), LogSource.PLATFORM: await _reported(api, time)}


async def of_operation(aws: Aws, operation: Operation) -> Lines:
    """Return ECS's reports on a deployment until its end, and the lines of the tasks that it started."""
    api = ExpressApi(aws, operation.arn)
    deployment = None if is_deletion(operation) else await or_absent(api.deployment(operation.id), *ABSENT)
    return await of_deployment(api, deployment) if deployment else {}


async def of_deployment(api: ExpressApi, deployment: Deployment) -> Lines:
    """Return the reports on a deployment and the lines of its own tasks. ECS does not wait for a container's last lines."""
    begin, end = deployment.created, deployment.finished
    application: tuple[Line, ...] = ()
    for group in await api.log_groups([deployment.target]):
        application += await logs.of_new_streams(api.aws, group, begin, end)
    platform = [line for line in await _reported(api, begin) if end is None or line.at <= end]
    turned = deployment.turned or end or begin
    platform += [_line(turned, text, number) for number, text in enumerate(deployment.reasons)]
    platform.sort(key=lambda line: line.at)
    last = _line(end or begin, deployment.line, "state")
    return {LogSource.PLATFORM: (*platform, last), LogSource.APPLICATION: application}


async def _reported(api: ExpressApi, time: datetime) -> tuple[Line, ...]:
    """Return the service's events and the ends of its tasks, in order of time."""
    lines = [_line(at, message, "event") for at, message in events_of(await api.as_ecs(), time)]
    lines += [line for task in await api.stopped_tasks(time) for line in _end_of(task)]
    return tuple(sorted(lines, key=lambda line: line.at))


def _end_of(task: Mapping[str, Any]) -> Iterator[Line]:
    """Yield how a task and its containers ended. A container that ECS stopped has the signal's exit code."""
    at, name = task.get("stoppedAt") or task["createdAt"], task["taskArn"].rpartition("/")[2]
    yield _line(at, f"task {name} stopped: {task.get('stoppedReason', 'no reason is given')}", name)
    is_own = task.get("stopCode") == "EssentialContainerExited"
    for container in task.get("containers", ()):
        code = f"exit code: {container['exitCode']}" if is_own and "exitCode" in container else ""
        parts = [container.get("reason", ""), code]
        if said := ", ".join(filter(None, parts)):
            yield _line(at, f"container {container['name']}: {said}", name)


def _line(at: datetime, message: str, origin: object) -> Line:
    return Line(message=message, stream="ecs", id=f"{at.isoformat()} {origin} {message}", at=at)
