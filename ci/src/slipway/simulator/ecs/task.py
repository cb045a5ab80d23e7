"""A task: one container of a task definition, with the states of the API."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.ecs.definitions import TaskDefinition


@dataclass(kw_only=True)
class Task:
    """`stopping` is why it shall stop, as code and reason, as soon as anybody or anything wants it to."""

    arn: str
    cluster: str
    definition: TaskDefinition
    created: datetime
    request: Mapping[str, Any]
    status: str = "PROVISIONING"
    stopping: tuple[str, str] | None = None
    exit_code: int | None = None
    started: datetime | None = None
    stopped: datetime | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def started_by(self) -> str | None:
        found: str | None = self.request.get("startedBy")
        return found

    @property
    def wanted(self) -> str:
        """What ECS calls desiredStatus."""
        return "STOPPED" if self.stopping or self.stopped else "RUNNING"

    @property
    def override(self) -> Mapping[str, Any]:
        """What RunTask changed about the container."""
        found = self.request.get("overrides", {}).get("containerOverrides", [])
        name = self.definition.container["name"]
        return next((each for each in found if each.get("name") == name), {})

    def stop(self, code: str, reason: str) -> None:
        """The first reason is the one that is told."""
        self.stopping = self.stopping or (code, reason)

    def described(self, *, tags: bool = False) -> dict[str, Any]:
        """As Task in the API."""
        asked, container = self.definition.asked, self.definition.container
        times = {"createdAt": self.created, "startedAt": self.started, "stoppedAt": self.stopped}
        code, reason = self.stopping or (None, None)
        known = {**times, "startedBy": self.started_by, "stopCode": code, "stoppedReason": reason}
        return {key: value for key, value in known.items() if value is not None} | {
            "taskArn": self.arn,
            "clusterArn": self.cluster,
            "taskDefinitionArn": self.definition.arn,
            "group": f"family:{self.definition.family}",
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
        ended = {} if self.exit_code is None else {"exitCode": self.exit_code}
        status = "RUNNING" if self.status == "RUNNING" else "STOPPED" if self.stopped else "PENDING"
        return {
            "containerArn": arn,
            "taskArn": self.arn,
            "name": container["name"],
            "image": container["image"],
            "lastStatus": status,
            **ended,
        }
