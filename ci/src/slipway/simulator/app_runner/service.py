"""A service and its operations, as they are between two calls."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.app_runner.configuration import Configuration
from slipway.simulator.app_runner.instance import Instance
from slipway.simulator.app_runner.shared import Revision, scaling_summary
from slipway.simulator.front import Front


@dataclass(kw_only=True)
class Operation:
    """One change of a service, with the states of the API."""

    type: str
    target_arn: str
    started: datetime
    status: str = "IN_PROGRESS"
    ended: datetime | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def deployment(self) -> str:
        """Its id as the logs have it, without dashes [F]."""
        return self.id.replace("-", "")

    def described(self) -> dict[str, Any]:
        """As OperationSummary; there is no message, image or actor in it."""
        times = {"StartedAt": self.started, "UpdatedAt": self.ended or self.started}
        ended = {"EndedAt": self.ended} if self.ended else {}
        return {"Id": self.id, "Type": self.type, "Status": self.status, "TargetArn": self.target_arn} | times | ended


@dataclass(kw_only=True)
class Service:
    """A service: `configuration` is the one that is live, or being created.

    `failing` are operations that the platform itself will not bring to an end, by their types, and ROLLBACK; for scripts.
    """

    name: str
    arn: str
    created: datetime
    configuration: Configuration
    front: Front
    scaling: Revision
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "OPERATION_IN_PROGRESS"
    updated: datetime | None = None
    deleted: datetime | None = None
    operations: list[Operation] = field(default_factory=list)
    instance: Instance | None = None
    failing: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def log_group(self) -> str:
        """Without its last part, which is `service` or `application`."""
        return f"/aws/apprunner/{self.name}/{self.id}"

    def described(self) -> dict[str, Any]:
        """As Service in the API."""
        facts = {
            "ServiceName": self.name,
            "ServiceId": self.id,
            "ServiceArn": self.arn,
            "ServiceUrl": self.front.address,
            "CreatedAt": self.created,
            "UpdatedAt": self.updated or self.created,
            "Status": self.status,
            "AutoScalingConfigurationSummary": scaling_summary(self.scaling),
        }
        return facts | dict(self.configuration) | ({"DeletedAt": self.deleted} if self.deleted else {})
