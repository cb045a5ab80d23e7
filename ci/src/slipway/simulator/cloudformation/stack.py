"""A stack and its change sets, as they are told."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.cloudformation.template import Template


@dataclass
class Held:
    """A resource of a stack: its properties as the template has them, with references followed, and its attributes."""

    kind: str
    template: Mapping[str, Any]
    properties: Mapping[str, Any]
    made: Mapping[str, str]

    @property
    def retained(self) -> bool:
        return bool(self.template.get("DeletionPolicy", "Delete") != "Delete")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource of a change set; `action` and `replacement` in CloudFormation's words."""

    action: str
    logical: str
    kind: str
    physical: str | None = None
    replacement: str | None = None

    def described(self) -> dict[str, Any]:
        facts = {
            "Action": self.action,
            "LogicalResourceId": self.logical,
            "PhysicalResourceId": self.physical,
            "ResourceType": self.kind,
            "Replacement": self.replacement,
            "Scope": ["Properties"] if self.action == "Modify" else [],
            "Details": [],
        }
        return {"Type": "Resource", "ResourceChange": {key: value for key, value in facts.items() if value is not None}}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an event says of one resource; `token` is that of the call that began all this."""

    logical: str
    kind: str
    status: str
    physical: str
    reason: str | None
    token: str | None


@dataclass(kw_only=True)
class ChangeSet:
    """`ready` is when its creation has ended; `reason` says why it cannot be executed."""

    name: str
    arn: str
    body: str
    template: Template
    tags: list[Mapping[str, str]]
    capabilities: list[str]
    changes: list[Change]
    created: datetime
    ready: datetime
    reason: str | None = None

    def status(self, now: datetime) -> str:
        if now < self.ready:
            return "CREATE_IN_PROGRESS"
        return "FAILED" if self.reason else "CREATE_COMPLETE"


@dataclass(kw_only=True)
class Stack:
    """`events` in order; they are told newest first."""

    name: str
    arn: str
    created: datetime
    status: str = "REVIEW_IN_PROGRESS"
    reason: str | None = None
    body: str = ""
    template: Template = field(default_factory=dict)
    tags: list[Mapping[str, str]] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    resources: dict[str, Held] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, now: datetime, told: Told) -> None:
        event = {
            "StackId": self.arn,
            "EventId": f"{told.logical}-{told.status}-{uuid.uuid4()}",
            "StackName": self.name,
            "LogicalResourceId": told.logical,
            "PhysicalResourceId": told.physical,
            "ResourceType": told.kind,
            "Timestamp": now,
            "ResourceStatus": told.status,
            "ResourceStatusReason": told.reason,
            "ClientRequestToken": told.token,
        }
        self.events.append({key: value for key, value in event.items() if value is not None})

    def become(self, now: datetime, status: str, token: str | None, reason: str | None = None) -> None:
        self.status, self.reason = status, reason
        self.tell(
            now,
            Told(
                logical=self.name,
                kind="AWS::CloudFormation::Stack",
                status=status,
                physical=self.arn,
                reason=reason,
                token=token,
            ),
        )

    def described(self) -> dict[str, Any]:
        outputs = [
            {"OutputKey": key, "OutputValue": str(found["Value"]), "Description": found.get("Description", "")}
            for key, found in self.outputs.items()
        ]
        facts = {
            "StackId": self.arn,
            "StackName": self.name,
            "Description": self.template.get("Description"),
            "CreationTime": self.created,
            "StackStatus": self.status,
            "StackStatusReason": self.reason,
            "DisableRollback": False,
            "NotificationARNs": [],
            "Capabilities": self.capabilities,
            "Outputs": outputs,
            "Tags": self.tags,
        }
        return {key: value for key, value in facts.items() if value is not None}
