"""Stacks: their resources, events and change sets."""

import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.resource_kinds import ResourceKind
from slipway.simulator.cloudformation.changes import StackChange, Subject
from slipway.simulator.cloudformation.template import Template
from slipway.simulator.cloudformation.values import Difference
from slipway.simulator.databases import INSTANCE

Tags = list[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class StackResource:
    """A resource of a stack."""

    logical: str
    kind: ResourceKind
    block: Mapping[str, Any]  # its part of the template
    properties: Mapping[str, Any]  # as deployed; references are resolved, secrets are not
    identifier: str
    attributes: Mapping[str, Any]  # `Ref` included
    changed: datetime

    @property
    def physical(self) -> str:
        return str(self.attributes["Ref"])

    @property
    def subject(self) -> Subject:
        return Subject(self.logical, self.kind.name, self.physical)

    def policy(self, name: str) -> str:
        """Return what happens to it on deletion or replacement: Delete, Retain, RetainExceptOnCreate or Snapshot."""
        default = "Snapshot" if self.kind.name == INSTANCE and name == "DeletionPolicy" else "Delete"  # [G]
        return str(self.block.get(name, default))

    def retained(self, policy: str = "DeletionPolicy") -> bool:
        return self.policy(policy).startswith("Retain")


@dataclass(kw_only=True)
class Drift:
    """The result of one comparison of a resource with its template."""

    status: str  # IN_SYNC, MODIFIED, DELETED
    checked: datetime
    expected: Mapping[str, Any]
    actual: Mapping[str, Any]
    differences: tuple[Difference, ...] = ()


@dataclass(kw_only=True)
class SimulatedChangeSet:
    """A change set."""

    name: str
    arn: str
    template: Template
    tags: Tags
    capabilities: list[str]
    changes: list[StackChange]
    created: datetime
    ready: datetime  # when its creation ends
    reason: str | None = None  # why it cannot be executed
    mode: str | None = None  # REVERT_DRIFT
    role: str | None = None  # that CloudFormation assumes

    def status(self, now: datetime) -> str:
        if now < self.ready:
            return "CREATE_IN_PROGRESS"
        return "FAILED" if self.reason else "CREATE_COMPLETE"

    def summary(self, stack: "SimulatedStack", now: datetime) -> dict[str, Any]:
        """Return the API's ChangeSetSummary."""
        status = self.status(now)
        return {
            "ChangeSetName": self.name,
            "ChangeSetId": self.arn,
            "StackId": stack.arn,
            "StackName": stack.name,
            "CreationTime": self.created,
            "Status": status,
            "ExecutionStatus": "AVAILABLE" if status == "CREATE_COMPLETE" else "UNAVAILABLE",
            "StatusReason": self.reason if status == "FAILED" else None,
        }


@dataclass(kw_only=True)
class SimulatedStack:
    """A stack."""

    name: str
    arn: str
    created: datetime
    status: str = "REVIEW_IN_PROGRESS"
    reason: str | None = None
    token: str | None = None  # of the call that started the newest operation
    template: Template | None = None
    tags: Tags = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    role: str | None = None
    protected: bool = False  # from deletion
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    change_sets: dict[str, SimulatedChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)  # oldest first
    drifts: dict[str, Drift] = field(default_factory=dict)  # by logical id
    # Continues a failed one, without some resources.
    rollback: Callable[[Sequence[str]], Coroutine[Any, Any, None]] | None = None

    @property
    def exports(self) -> dict[str, str]:
        return exports_of(self.outputs)

    @property
    def drift(self) -> str:
        """Return the API's StackDriftStatus."""
        if not self.drifts:
            return "NOT_CHECKED"
        return "IN_SYNC" if all(each.status == "IN_SYNC" for each in self.drifts.values()) else "DRIFTED"

    def made(self) -> dict[str, Mapping[str, Any]]:
        return {name: held.attributes for name, held in self.resources.items()}

    def enter(self, now: datetime, status: str, reason: str | None = None) -> None:
        self.status, self.reason = status, reason
        self.record(now, Subject(self.name, "AWS::CloudFormation::Stack", self.arn), status, reason)

    def record(self, now: datetime, subject: Subject, status: str, reason: str | None = None) -> None:
        """Add the event that a resource, or the stack itself, has entered a status."""
        self.events.append(
            {
                "StackId": self.arn,
                "EventId": f"{subject.logical}-{status}-{uuid.uuid4()}",
                "StackName": self.name,
                "LogicalResourceId": subject.logical,
                "PhysicalResourceId": subject.physical or "",
                "ResourceType": subject.kind,
                "Timestamp": now,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "ClientRequestToken": self.token,
            }
        )

    def description(self) -> dict[str, Any]:
        outputs = [
            {
                "OutputKey": key,
                "OutputValue": str(output["Value"]),
                "Description": output.get("Description"),
                "ExportName": output.get("Export", {}).get("Name"),
            }
            for key, output in self.outputs.items()
        ]
        return {
            "StackId": self.arn,
            "StackName": self.name,
            "Description": self.template.document.get("Description") if self.template else None,
            "Parameters": [],
            "CreationTime": self.created,
            "StackStatus": self.status,
            "StackStatusReason": self.reason,
            "DisableRollback": False,
            "NotificationARNs": [],
            "Capabilities": self.capabilities,
            "Outputs": outputs,
            "RoleARN": self.role,
            "Tags": self.tags,
            "EnableTerminationProtection": self.protected,
            "DriftInformation": {"StackDriftStatus": self.drift},
        }


def exports_of(outputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the exported values by name."""
    exported = (output for output in outputs.values() if "Export" in output)
    return {str(output["Export"]["Name"]): str(output["Value"]) for output in exported}
