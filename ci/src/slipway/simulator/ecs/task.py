"""Task definitions and tasks: one container each, with the states of the API.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import json
import uuid
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

_MOST_BYTES = 64 * 1024  # [G]
_MEMORY_OF_CPU = {  # memory sizes that Fargate allows for each cpu [M]
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
KILLED = 137  # the exit code after SIGKILL
EXITED = ("EssentialContainerExited", "Essential container in task exited")
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"  # [F]
# The defaults in a described container definition [M].
_LISTS = ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls")
_DEFAULTS: Mapping[str, Any] = {"cpu": 0, "essential": True, **{name: [] for name in _LISTS}}


@dataclass(kw_only=True)
class TaskDefinition:
    """A revision of a task definition's family. A deregistered one is INACTIVE and cannot start a task."""

    arn: str
    family: str
    revision: int
    asked: Mapping[str, Any]  # the request that registered the revision
    registered: datetime
    deregistered: datetime | None = None

    @property
    def container(self) -> Mapping[str, Any]:
        """The only container. The simulator accepts exactly one."""
        only: Mapping[str, Any] = self.asked["containerDefinitions"][0]
        return only

    def description(self) -> dict[str, Any]:
        facts = {key: value for key, value in self.asked.items() if key != "tags"}
        containers = [{**_DEFAULTS, **container} for container in self.asked["containerDefinitions"]]
        return facts | {
            "containerDefinitions": containers,
            "taskDefinitionArn": self.arn,
            "revision": self.revision,
            "status": "INACTIVE" if self.deregistered else "ACTIVE",
            "volumes": self.asked.get("volumes", []),
            "placementConstraints": [],
            "compatibilities": ["EC2", "FARGATE"],
            "registeredAt": self.registered,
            "deregisteredAt": self.deregistered,
        }


class TaskDefinitions:
    """The registered families of task definitions, with their revisions."""

    def __init__(self) -> None:
        self._families: dict[str, list[TaskDefinition]] = {}
        self.operations: Operations = operations_of(self)

    async def register_task_definition(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        return {"taskDefinition": self.register(request, call).description(), "tags": request.get("tags", [])}

    def register(self, request: Mapping[str, Any], call: Call) -> TaskDefinition:
        """Add a revision to its family. Raise AwsError for an invalid request."""
        check_definition(request)
        revisions = self._families.setdefault(request["family"], [])
        number = len(revisions) + 1
        arn = f"arn:aws:ecs:{call.region}:{call.account}:task-definition/{request['family']}:{number}"
        revisions.append(
            TaskDefinition(arn=arn, family=request["family"], revision=number, asked=request, registered=call.now)
        )
        return revisions[-1]

    async def describe_task_definition(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        definition = self.find(request["taskDefinition"])
        if definition is None:
            raise AwsError("ClientException", "Unable to describe task definition.")  # [F]
        tags = {"tags": definition.asked.get("tags", [])} if "TAGS" in request.get("include", []) else {}
        return {"taskDefinition": definition.description(), **tags}

    async def list_task_definitions(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """List the revisions, by default the active ones. The newest one of a family is last [M]."""
        inactive = request.get("status", "ACTIVE") == "INACTIVE"
        prefix = request.get("familyPrefix")
        arns = [
            definition.arn
            for family, revisions in sorted(self._families.items())
            for definition in revisions
            if prefix in (None, family) and bool(definition.deregistered) == inactive
        ]
        return paged("taskDefinitionArns", arns[::-1] if request.get("sort") == "DESC" else arns, request)

    async def deregister_task_definition(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["taskDefinition"]
        definition = self.find(name)
        if definition is None or ":" not in name.rpartition("/")[2]:
            raise AwsError("ClientException", "The specified task definition does not exist.")  # †
        definition.deregistered = definition.deregistered or call.now
        return {"taskDefinition": definition.description()}

    def find(self, name: str) -> TaskDefinition | None:
        """Return the revision with an ARN or family:revision, or the newest active one of a family; None when there is none."""
        family, _, number = name.rpartition("/")[2].partition(":")
        revisions = self._families.get(family, [])
        if not number:
            return next((each for each in reversed(revisions) if not each.deregistered), None)
        return next((each for each in revisions if str(each.revision) == number), None)


def check_definition(request: Mapping[str, Any]) -> None:
    """Raise AwsError for a definition that Fargate refuses."""
    size = len(json.dumps(request, separators=(",", ":")).encode())
    if size > _MOST_BYTES:
        raise AwsError("ClientException", f"The task definition has {size} bytes, {_MOST_BYTES} are allowed.")  # †
    containers = request["containerDefinitions"]
    if len(containers) != 1:
        raise AwsError("ClientException", "The simulator runs tasks of one container.")
    if "FARGATE" not in request.get("requiresCompatibilities", []):
        return
    if request.get("networkMode") != "awsvpc":
        raise AwsError("ClientException", "Fargate only supports network mode 'awsvpc'.")  # [F]
    cpu, memory = request.get("cpu", ""), request.get("memory", "")
    if not cpu.isdecimal() or not memory.isdecimal() or int(memory) not in _MEMORY_OF_CPU.get(int(cpu), ()):
        message = f"No Fargate configuration exists for given values: {cpu or 0} CPU, {memory or 0} memory."  # [F]
        raise AwsError("ClientException", message)
    if request.get("executionRoleArn") is None:
        for feature, member in (("log driver awslogs", "logConfiguration"), ("secrets", "secrets")):
            if containers[0].get(member):
                message = f"Fargate requires task definition to have execution role ARN to support {feature}."  # [F]
                raise AwsError("ClientException", message)


def cluster_of(request: Mapping[str, Any], clusters: Container[str]) -> str:
    """Return the name of a request's cluster. Raise AwsError when there is no such cluster."""
    name: str = request.get("cluster", "default").rpartition("/")[2]
    if name not in clusters:
        raise AwsError("ClusterNotFoundException", "Cluster not found.")  # [F]
    return name


def task_arn(cluster: str) -> str:
    """Return a new ARN for a task in a cluster, which is given by its ARN."""
    return f"{cluster.replace(':cluster/', ':task/')}/{uuid.uuid4().hex}"


@dataclass(kw_only=True)
class Task:
    """A task."""

    arn: str
    cluster: str
    definition: TaskDefinition
    created: datetime
    request: Mapping[str, Any]
    service: str | None = None  # the name of the service that started the task
    digest: str | None = None  # the image's digest, once the image is pulled
    status: str = "PROVISIONING"
    stopping: tuple[str, str] | None = None  # code and reason, once the task must stop
    exit_code: int | None = None
    started: datetime | None = None
    stopped: datetime | None = None

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def started_by(self) -> str | None:
        value: str | None = self.request.get("startedBy")
        return value

    @property
    def wanted(self) -> str:
        """The API's desiredStatus."""
        return "STOPPED" if self.stopping or self.stopped else "RUNNING"

    @property
    def security_groups(self) -> list[str]:
        """The security groups of the task's address in the VPC."""
        network = self.request.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        groups: list[str] = network.get("securityGroups", [])
        return groups

    @property
    def override(self) -> Mapping[str, Any]:
        """The changes to the container in RunTask's request."""
        overrides = self.request.get("overrides", {}).get("containerOverrides", [])
        name = self.definition.container["name"]
        return next((each for each in overrides if each.get("name") == name), {})

    def stop(self, code: str, reason: str) -> None:
        """Record why the task must stop. Only the first reason counts."""
        self.stopping = self.stopping or (code, reason)

    def description(self, *, tags: bool = False) -> dict[str, Any]:
        asked, container = self.definition.asked, self.definition.container
        code, reason = self.stopping or (None, None)
        return {
            "createdAt": self.created,
            "startedAt": self.started,
            "stoppedAt": self.stopped,
            "startedBy": self.started_by,
            "stopCode": code,
            "stoppedReason": reason,
            "taskArn": self.arn,
            "clusterArn": self.cluster,
            "taskDefinitionArn": self.definition.arn,
            "group": f"service:{self.service}" if self.service else f"family:{self.definition.family}",
            "launchType": "FARGATE",
            "cpu": asked.get("cpu", "256"),
            "memory": asked.get("memory", "512"),
            "lastStatus": self.status,
            "desiredStatus": self.wanted,
            "containers": [self._container(container)],
            "overrides": self.request.get("overrides", {}),
            "tags": self.request.get("tags", []) if tags else [],
        }

    def _container(self, container: Mapping[str, Any]) -> dict[str, Any]:
        arn = self.arn.replace(":task/", ":container/")
        status = "RUNNING" if self.status == "RUNNING" else "STOPPED" if self.stopped else "PENDING"
        was_killed = self.exit_code == KILLED and self.stopping == EXITED
        return {
            "containerArn": arn,
            "taskArn": self.arn,
            "name": container["name"],
            "image": container["image"],
            "imageDigest": self.digest,
            "lastStatus": status,
            "exitCode": self.exit_code,
            "reason": _OUT_OF_MEMORY if was_killed else None,
        }
