"""The operations of Amazon ECS that run a task on Fargate, and look at it.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.simulator.app_runner.deployment import Platform
from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError
from slipway.simulator.ecs.definitions import TaskDefinition, TaskDefinitions
from slipway.simulator.ecs.running import Run
from slipway.simulator.ecs.task import Task

_SEEN = timedelta(hours=1)  # so long at least a stopped task is described [M]
_TOKEN_LIFE = timedelta(hours=24)  # [G], or an hour after the task has stopped
_MOST_OVERRIDES = 8192  # characters [M]
_MOST_TASKS = 10  # in one call [M]


@dataclass(frozen=True)
class _Token:
    """What was asked for with a client token, and what it came to."""

    request: Mapping[str, Any]
    at: datetime
    tasks: tuple[Task, ...]

    def is_good(self, now: datetime) -> bool:
        stopped = [task.stopped for task in self.tasks]
        ends = [self.at + _TOKEN_LIFE, *(time + _SEEN for time in stopped if time)]
        return now < min(ends)


class Ecs:
    """Clusters by name, of which `default` is there; tasks by ARN. `unplaced` are reasons for which the next tasks find no place."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tokens: dict[tuple[str, str], _Token] = {}
        self.definitions = TaskDefinitions()
        self.clusters = {"default"}
        self.tasks: dict[str, Task] = {}
        self.unplaced: list[str] = []
        self.operations: Operations = {
            **self.definitions.operations,
            "CreateCluster": self.create_cluster,
            "RunTask": self.run_task,
            "DescribeTasks": self.describe_tasks,
            "ListTasks": self.list_tasks,
            "StopTask": self.stop_task,
        }

    async def create_cluster(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """One that is there already is answered again [F]."""
        name = request.get("clusterName", "default")
        self.clusters.add(name)
        return {"cluster": {"clusterName": name, "clusterArn": _cluster_arn(name, call), "status": "ACTIVE"}}

    async def run_task(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Begin tasks; with a client token that was on_line before, those that were begun with it."""
        cluster = self._cluster(request)
        token = request.get("clientToken")
        asked = {key: value for key, value in request.items() if key != "clientToken"}
        known = self._tokens.get((cluster, token)) if token else None
        if known and known.is_good(call.now):
            if known.request != asked:
                raise AwsError("ConflictException", "The clientToken is in use with another request.")  # †
            return {"tasks": [task.described(tags=True) for task in known.tasks], "failures": []}
        definition = self._startable(request)
        _check(request)
        if self.unplaced:
            return {"tasks": [], "failures": [{"reason": self.unplaced.pop(0)}]}
        tasks = tuple(self._begin(cluster, definition, asked, call) for _ in range(request.get("count", 1)))
        if token:
            self._tokens[cluster, token] = _Token(asked, call.now, tasks)
        return {"tasks": [task.described(tags=True) for task in tasks], "failures": []}

    async def describe_tasks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        cluster = self._cluster(request)
        tags = "TAGS" in request.get("include", [])
        found = {name: self._find(cluster, name, call) for name in request["tasks"]}
        arn = f"arn:aws:ecs:{call.region}:{call.account}:task/{cluster}"
        return {
            "tasks": [task.described(tags=tags) for task in found.values() if task],
            "failures": [
                {"arn": f"{arn}/{name.rpartition('/')[2]}", "reason": "MISSING"}  # [G]
                for name, task in found.items()
                if task is None
            ],
        }

    async def list_tasks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Those that shall run, unless asked otherwise; of those that have stopped the latest [M]."""
        cluster = self._cluster(request)
        started_by, family = request.get("startedBy"), request.get("family")
        if started_by and family:
            raise AwsError("InvalidParameterException", "startedBy must be the only filter.")  # [M], words †
        wanted = request.get("desiredStatus", "RUNNING")
        found = [
            task.arn
            for task in self._seen(cluster, call)
            if task.wanted == wanted
            and started_by in (None, task.started_by)
            and family in (None, task.definition.family)
        ]
        first = int(request.get("nextToken", 0))
        page = found[first : first + request.get("maxResults", 100)]
        more = first + len(page)
        return {"taskArns": page} | ({"nextToken": str(more)} if more < len(found) else {})

    async def stop_task(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        task = self._find(self._cluster(request), request["task"], call)
        if task is None:
            raise AwsError("InvalidParameterException", "The referenced task was not found.")  # [F]
        if not task.stopped:
            task.stop("UserInitiated", request.get("reason", "Task stopped by user"))
        return {"task": task.described(tags=True)}

    def _begin(self, cluster: str, definition: TaskDefinition, request: Mapping[str, Any], call: Call) -> Task:
        identity = uuid.uuid4().hex
        arn = f"arn:aws:ecs:{call.region}:{call.account}:task/{cluster}/{identity}"
        task = Task(
            arn=arn,
            cluster=_cluster_arn(cluster, call),
            definition=definition,
            created=call.now,
            request=request,
            id=identity,
        )
        self.tasks[arn] = task
        self._platform.tasks.start_soon(Run(self._platform, task).run)
        return task

    def _startable(self, request: Mapping[str, Any]) -> TaskDefinition:
        definition = self.definitions.find(request["taskDefinition"])
        if definition is None:
            raise AwsError("ClientException", "TaskDefinition not found.")  # [F]
        if definition.deregistered:
            raise AwsError("ClientException", "TaskDefinition is inactive")  # [F]
        return definition

    def _cluster(self, request: Mapping[str, Any]) -> str:
        name: str = request.get("cluster", "default").rpartition("/")[2]
        if name not in self.clusters:
            raise AwsError("ClusterNotFoundException", "Cluster not found.")  # [F]
        return name

    def _seen(self, cluster: str, call: Call) -> Iterator[Task]:
        for task in self.tasks.values():
            if task.cluster.endswith(f"/{cluster}") and (task.stopped is None or call.now < task.stopped + _SEEN):
                yield task

    def _find(self, cluster: str, name: str, call: Call) -> Task | None:
        return next((task for task in self._seen(cluster, call) if name in (task.arn, task.id)), None)


def _check(request: Mapping[str, Any]) -> None:
    if request.get("launchType") != "FARGATE":
        raise AwsError("InvalidParameterException", "The simulator runs tasks on Fargate only: launchType=FARGATE.")
    if "awsvpcConfiguration" not in request.get("networkConfiguration", {}):
        said = "Network Configuration must be provided when networkMode 'awsvpc' is specified."  # [F]
        raise AwsError("InvalidParameterException", said)
    if len(json.dumps(request.get("overrides", {}))) > _MOST_OVERRIDES:
        said = f"Container Overrides length must be at most {_MOST_OVERRIDES}"  # [F]
        raise AwsError("InvalidParameterException", said)
    if not 1 <= request.get("count", 1) <= _MOST_TASKS:
        raise AwsError("InvalidParameterException", f"Count must be 1 to {_MOST_TASKS}.")  # [M], words †


def _cluster_arn(name: str, call: Call) -> str:
    return f"arn:aws:ecs:{call.region}:{call.account}:cluster/{name}"
