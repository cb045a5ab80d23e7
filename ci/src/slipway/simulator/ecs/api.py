"""Amazon ECS's operations that run and describe Fargate tasks.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.simulator.ecs.express.api import Express
from slipway.simulator.ecs.running import TaskRun
from slipway.simulator.ecs.task import Task, TaskDefinition, TaskDefinitions, cluster_of, task_arn
from slipway.simulator.platform import Platform

_RETENTION = timedelta(hours=1)  # how long a stopped task is described at least [M]
_TOKEN_LIFE = timedelta(hours=24)  # [G]; otherwise an hour after the task has stopped
_MOST_OVERRIDES = 8192  # characters [M]
_MOST_TASKS = 10  # in one call [M]


@dataclass(frozen=True)
class _Token:
    """A request with a client token, and the tasks that it started."""

    request: Mapping[str, Any]
    at: datetime
    tasks: tuple[Task, ...]

    def is_valid(self, now: datetime) -> bool:
        stopped = [task.stopped for task in self.tasks]
        ends = [self.at + _TOKEN_LIFE, *(time + _RETENTION for time in stopped if time)]
        return now < min(ends)


class Ecs:
    """Clusters by name (`default` always exists), and tasks by ARN."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tokens: dict[tuple[str, str], _Token] = {}
        self.definitions = TaskDefinitions()
        self.clusters = {"default"}
        self.tasks: dict[str, Task] = {}
        self.unplaced: list[str] = []  # the reasons why the next tasks cannot be placed
        self.express = Express(platform, self.definitions, self.clusters, self.tasks)
        self.operations: Operations = {
            **operations_of(self),
            **self.definitions.operations,
            **self.express.operations,
        }

    async def create_cluster(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Create a cluster, or return the existing one [F]."""
        name = request.get("clusterName", "default")
        self.clusters.add(name)
        return {"cluster": _described(name, "ACTIVE", call)}

    async def delete_cluster(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete a cluster. One with tasks is refused. The refusal for services without tasks is not simulated."""
        name = self._cluster(request)
        if any(task.stopped is None for task in self._visible(name, call)):
            message = "The Cluster cannot be deleted while Tasks are active."  # [F]
            raise AwsError("ClusterContainsTasksException", message)
        self.clusters.discard(name)
        return {"cluster": _described(name, "INACTIVE", call)}

    async def describe_clusters(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        names = [name.rpartition("/")[2] for name in request.get("clusters", ["default"])]
        return {
            "clusters": [self._described(name, call) for name in names if name in self.clusters],
            "failures": [
                {"arn": _cluster_arn(name, call), "reason": "MISSING"} for name in names if name not in self.clusters
            ],  # [G]
        }

    def _described(self, name: str, call: Call) -> dict[str, Any]:
        tasks = [task for task in self._visible(name, call) if not task.stopped]
        running = sum(task.status == "RUNNING" for task in tasks)
        return {
            "clusterName": name,
            "clusterArn": _cluster_arn(name, call),
            "status": "ACTIVE",
            "runningTasksCount": running,
            "pendingTasksCount": len(tasks) - running,
            "activeServicesCount": self.express.active_in(name),
            "registeredContainerInstancesCount": 0,
        }

    async def run_task(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Start tasks. A repeated client token returns the tasks that it started before."""
        cluster = self._cluster(request)
        token = request.get("clientToken")
        parameters = {key: value for key, value in request.items() if key != "clientToken"}
        known = self._tokens.get((cluster, token)) if token else None
        if known and known.is_valid(call.now):
            if known.request != parameters:
                raise AwsError("ConflictException", "The clientToken is in use with another request.")  # †
            return {"tasks": [task.description(tags=True) for task in known.tasks], "failures": []}
        definition = self._startable(request)
        _check(request)
        if self.unplaced:
            return {"tasks": [], "failures": [{"reason": self.unplaced.pop(0)}]}
        tasks = tuple(self._begin(cluster, definition, parameters, call) for _ in range(request.get("count", 1)))
        if token:
            self._tokens[cluster, token] = _Token(parameters, call.now, tasks)
        return {"tasks": [task.description(tags=True) for task in tasks], "failures": []}

    async def describe_tasks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        cluster = self._cluster(request)
        tags = "TAGS" in request.get("include", [])
        by_name = {name: self._find(cluster, name, call) for name in request["tasks"]}
        arn = f"arn:aws:ecs:{call.region}:{call.account}:task/{cluster}"
        return {
            "tasks": [task.description(tags=tags) for task in by_name.values() if task],
            "failures": [
                {"arn": f"{arn}/{name.rpartition('/')[2]}", "reason": "MISSING"}  # [G]
                for name, task in by_name.items()
                if task is None
            ],
        }

    async def list_tasks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """List tasks, by default those whose desired status is RUNNING. Stopped tasks are kept for an hour [M]."""
        cluster = self._cluster(request)
        started_by, family = request.get("startedBy"), request.get("family")
        service = request.get("serviceName", "").rpartition("/")[2] or None
        if started_by and family:
            raise AwsError("InvalidParameterException", "startedBy must be the only filter.")  # [M], words †
        wanted = request.get("desiredStatus", "RUNNING")
        arns = [
            task.arn
            for task in self._visible(cluster, call)
            if task.wanted == wanted
            and started_by in (None, task.started_by)
            and family in (None, task.definition.family)
            and service in (None, task.service)
        ]
        return paged("taskArns", arns, request)

    async def stop_task(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        task = self._find(self._cluster(request), request["task"], call)
        if task is None:
            raise AwsError("InvalidParameterException", "The referenced task was not found.")  # [F]
        if not task.stopped:
            task.stop("UserInitiated", request.get("reason", "Task stopped by user"))
        return {"task": task.description(tags=True)}

    def _begin(self, cluster: str, definition: TaskDefinition, request: Mapping[str, Any], call: Call) -> Task:
        owner = _cluster_arn(cluster, call)
        task = Task(arn=task_arn(owner), cluster=owner, definition=definition, created=call.now, request=request)
        self.tasks[task.arn] = task
        self._platform.tasks.start_soon(TaskRun(self._platform, task).run)
        return task

    def _startable(self, request: Mapping[str, Any]) -> TaskDefinition:
        definition = self.definitions.find(request["taskDefinition"])
        if definition is None:
            raise AwsError("ClientException", "TaskDefinition not found.")  # [F]
        if definition.deregistered:
            raise AwsError("ClientException", "TaskDefinition is inactive")  # [F]
        return definition

    def _cluster(self, request: Mapping[str, Any]) -> str:
        return cluster_of(request, self.clusters)

    def _visible(self, cluster: str, call: Call) -> Iterator[Task]:
        for task in self.tasks.values():
            if task.cluster.endswith(f"/{cluster}") and (task.stopped is None or call.now < task.stopped + _RETENTION):
                yield task

    def _find(self, cluster: str, name: str, call: Call) -> Task | None:
        return next((task for task in self._visible(cluster, call) if name in (task.arn, task.id)), None)


def _check(request: Mapping[str, Any]) -> None:
    if request.get("launchType") != "FARGATE":
        raise AwsError("InvalidParameterException", "The simulator runs tasks on Fargate only: launchType=FARGATE.")
    if "awsvpcConfiguration" not in request.get("networkConfiguration", {}):
        message = "Network Configuration must be provided when networkMode 'awsvpc' is specified."  # [F]
        raise AwsError("InvalidParameterException", message)
    if len(json.dumps(request.get("overrides", {}))) > _MOST_OVERRIDES:
        message = f"Container Overrides length must be at most {_MOST_OVERRIDES}"  # [F]
        raise AwsError("InvalidParameterException", message)
    if not 1 <= request.get("count", 1) <= _MOST_TASKS:
        raise AwsError("InvalidParameterException", f"Count must be 1 to {_MOST_TASKS}.")  # [M], words †


def _described(name: str, status: str, call: Call) -> dict[str, Any]:
    return {"clusterName": name, "clusterArn": _cluster_arn(name, call), "status": status}


def _cluster_arn(name: str, call: Call) -> str:
    return f"arn:aws:ecs:{call.region}:{call.account}:cluster/{name}"
