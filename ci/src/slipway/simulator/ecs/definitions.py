"""Task definitions: revisions of a family, of which a deregistered one is INACTIVE and starts nothing any more.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.simulator.call import Call, Operations
from slipway.simulator.contract import AwsError

_MOST_BYTES = 64 * 1024  # [G]
_MEMORY_OF_CPU = {  # of Fargate [M]
    256: (512, 1024, 2048),
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
# What a container's definition has when nobody says otherwise, as it is described afterwards [M].
_DEFAULTS: Mapping[str, Any] = {
    "cpu": 0,
    "essential": True,
    "portMappings": [],
    "environment": [],
    "mountPoints": [],
    "volumesFrom": [],
    "systemControls": [],
}


@dataclass(kw_only=True)
class TaskDefinition:
    """One revision; `asked` is the request it was registered with."""

    arn: str
    family: str
    revision: int
    asked: Mapping[str, Any]
    registered: datetime
    deregistered: datetime | None = None

    @property
    def container(self) -> Mapping[str, Any]:
        """The only one: there is no more than one here."""
        found: Mapping[str, Any] = self.asked["containerDefinitions"][0]
        return found

    def described(self) -> dict[str, Any]:
        """As TaskDefinition in the API."""
        facts = {key: value for key, value in self.asked.items() if key != "tags"}
        containers = [{**_DEFAULTS, **container} for container in self.asked["containerDefinitions"]]
        gone = {"deregisteredAt": self.deregistered} if self.deregistered else {}
        return facts | gone | {
            "containerDefinitions": containers,
            "taskDefinitionArn": self.arn,
            "revision": self.revision,
            "status": "INACTIVE" if self.deregistered else "ACTIVE",
            "volumes": self.asked.get("volumes", []),
            "placementConstraints": [],
            "compatibilities": ["EC2", "FARGATE"],
            "registeredAt": self.registered,
        }  # fmt: skip


class TaskDefinitions:
    """Families of revisions."""

    def __init__(self) -> None:
        self._families: dict[str, list[TaskDefinition]] = {}
        self.operations: Operations = {
            "RegisterTaskDefinition": self.register,
            "DescribeTaskDefinition": self.describe,
            "ListTaskDefinitions": self.list_definitions,
            "DeregisterTaskDefinition": self.deregister,
        }

    async def register(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        _check(request)
        revisions = self._families.setdefault(request["family"], [])
        number = len(revisions) + 1
        arn = f"arn:aws:ecs:{call.region}:{call.account}:task-definition/{request['family']}:{number}"
        revisions.append(
            TaskDefinition(arn=arn, family=request["family"], revision=number, asked=request, registered=call.now)
        )
        return {"taskDefinition": revisions[-1].described(), "tags": request.get("tags", [])}

    async def describe(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        found = self.find(request["taskDefinition"])
        if found is None:
            raise AwsError("ClientException", "Unable to describe task definition.")  # [F]
        tags = {"tags": found.asked.get("tags", [])} if "TAGS" in request.get("include", []) else {}
        return {"taskDefinition": found.described(), **tags}

    async def list_definitions(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Active ones, the newest of a family last, unless asked otherwise [M]."""
        gone = request.get("status", "ACTIVE") == "INACTIVE"
        wanted = request.get("familyPrefix")
        there = [
            found.arn
            for family, revisions in sorted(self._families.items())
            for found in revisions
            if wanted in (None, family) and bool(found.deregistered) == gone
        ]
        ordered = there[::-1] if request.get("sort") == "DESC" else there
        first = int(request.get("nextToken", 0))
        page = ordered[first : first + request.get("maxResults", 100)]
        more = first + len(page)
        return {"taskDefinitionArns": page} | ({"nextToken": str(more)} if more < len(ordered) else {})

    async def deregister(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["taskDefinition"]
        found = self.find(name)
        if found is None or ":" not in name.rpartition("/")[2]:
            raise AwsError("ClientException", "The specified task definition does not exist.")  # †
        found.deregistered = found.deregistered or call.now
        return {"taskDefinition": found.described()}

    def find(self, name: str) -> TaskDefinition | None:
        """By ARN, by family:revision, or the newest active one of a family."""
        family, _, number = name.rpartition("/")[2].partition(":")
        revisions = self._families.get(family, [])
        if not number:
            return next((found for found in reversed(revisions) if not found.deregistered), None)
        return next((found for found in revisions if str(found.revision) == number), None)


def _check(request: Mapping[str, Any]) -> None:
    """What Fargate asks of a definition; raises AwsError."""
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
        said = f"No Fargate configuration exists for given values: {cpu or 0} CPU, {memory or 0} memory."  # [F]
        raise AwsError("ClientException", said)
    if request.get("executionRoleArn") is None:
        for what, there in (("log driver awslogs", "logConfiguration"), ("secrets", "secrets")):
            if containers[0].get(there):
                said = f"Fargate requires task definition to have execution role ARN to support {what}."  # [F]
                raise AwsError("ClientException", said)
