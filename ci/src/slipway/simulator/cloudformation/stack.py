"""Stacks: their resources, events and change sets."""

import json
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.resource_kinds import ResourceKind
from slipway.simulator.cloudformation.template import Template
from slipway.simulator.cloudformation.values import Difference, as_text
from slipway.simulator.databases import INSTANCE

DIRECT = "DirectModification"


@dataclass(frozen=True, kw_only=True)
class ChangeDetail:
    """The change of a resource's property or attribute."""

    attribute: str  # Properties, Tags, Metadata, …
    path: str  # the path below the properties
    recreation: str = "Never"  # Never, Always or Conditionally
    source: str | None = DIRECT
    cause: str | None = None
    dynamic: bool = False  # whether the new value is known only at the execution
    before: Any = None
    after: Any = None
    # The value of the last deployment, the actual value, and when it was read.
    drifted: tuple[Any, Any, datetime] | None = None

    @property
    def replacement(self) -> str:
        if self.recreation == "Never":
            return "False"
        return "Conditional" if self.dynamic or self.recreation == "Conditionally" else "True"

    def description(self, *, values: bool) -> dict[str, Any]:
        """Return the API's ResourceChangeDetail."""
        name = self.path.partition("/")[0] if self.attribute == "Properties" else None
        target: dict[str, Any] = {
            "Attribute": self.attribute,
            "Name": name,
            "RequiresRecreation": self.recreation,
            "Path": f"/{'Properties/' if self.path else ''}{self.path or self.attribute}",
        }
        how = "Add" if self.before is None else "Remove" if self.after is None else "Modify"
        target |= (
            {"AttributeChangeType": how, "BeforeValue": _text(self.before), "AfterValue": _text(self.after)}
            if values
            else {}
        )
        if self.drifted:
            previous, actual, read = self.drifted
            drift = {
                "PreviousValue": as_text(previous),
                "ActualValue": as_text(actual),
                "DriftDetectionTimestamp": read,
            }
            target |= {"Drift": drift, "BeforeValueFrom": "ACTUAL_STATE", "AfterValueFrom": "TEMPLATE"}
        evaluation = "Dynamic" if self.dynamic else "Static"
        return {"Target": target, "Evaluation": evaluation, "ChangeSource": self.source, "CausingEntity": self.cause}


@dataclass(frozen=True)
class Subject:
    """A resource, or the stack itself, as it appears in events."""

    logical: str
    kind: str
    physical: str | None = None


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """A resource in a change set."""

    action: str  # Add, Modify, Remove or Import
    logical: str
    kind: str
    physical: str | None = None
    details: tuple[ChangeDetail, ...] = ()
    policy: str | None = None  # what happens to the old resource, such as Delete or ReplaceAndRetain
    drift: str | None = None  # the drift status, in a drift-aware change set
    contexts: tuple[Any, Any] = field(default=(None, None), repr=False)  # the properties before and after

    @property
    def subject(self) -> Subject:
        return Subject(self.logical, self.kind, self.physical)

    @property
    def replacement(self) -> str | None:
        """Return whether the change replaces the resource: True, False or Conditional.

        Return None unless it modifies the resource.
        """
        if self.action != "Modify":
            return None
        each = {detail.replacement for detail in self.details}
        return next((answer for answer in ("True", "Conditional") if answer in each), "False")

    def description(self, *, values: bool) -> dict[str, Any]:
        before, after = self.contexts if values else (None, None)
        change = {
            "Action": self.action,
            "LogicalResourceId": self.logical,
            "PhysicalResourceId": self.physical,
            "ResourceType": self.kind,
            "Replacement": self.replacement,
            "PolicyAction": self.policy,
            "Scope": sorted({detail.attribute for detail in self.details}),
            "Details": [detail.description(values=values) for detail in self.details],
            "ResourceDriftStatus": self.drift,
            "BeforeContext": None if before is None else json.dumps({"Properties": before}),
            "AfterContext": None if after is None else json.dumps({"Properties": after}),
        }
        return {"Type": "Resource", "ResourceChange": change}


def _text(value: Any) -> str | None:
    return None if value is None else as_text(value)


Tags = list[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class StackResource:
    """A resource of a stack."""

    logical: str
    kind: ResourceKind
    block: Mapping[str, Any]  # the resource's part of the template
    properties: Mapping[str, Any]  # as deployed, with references resolved and secrets unresolved
    identifier: str
    attributes: Mapping[str, Any]  # attributes, including `Ref`
    changed: datetime

    @property
    def physical(self) -> str:
        return str(self.attributes["Ref"])

    @property
    def subject(self) -> Subject:
        return Subject(self.logical, self.kind.name, self.physical)

    def policy(self, name: str) -> str:
        """Return what happens to the resource on deletion or replacement: Delete, Retain, RetainExceptOnCreate or Snapshot."""
        default = "Snapshot" if self.kind.name == INSTANCE and name == "DeletionPolicy" else "Delete"  # [G]
        return str(self.block.get(name, default))

    def retained(self, policy: str = "DeletionPolicy") -> bool:
        return self.policy(policy).startswith("Retain")


@dataclass(kw_only=True)
class Drift:
    """The result of comparing a resource with its template."""

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
    ready: datetime  # the time at which its creation ends
    reason: str | None = None  # why it cannot be executed
    mode: str | None = None  # None or REVERT_DRIFT
    role: str | None = None  # the role that CloudFormation assumes

    def status(self, now: datetime) -> str:
        if now < self.ready:
            return "CREATE_IN_PROGRESS"
        return "FAILED" if self.reason else "CREATE_COMPLETE"

    def summary(self, stack: "SimulatedStack", now: datetime) -> dict[str, Any]:
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
    token: str | None = None  # the token of the call that started the newest operation
    template: Template | None = None
    tags: Tags = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    role: str | None = None
    protected: bool = False  # whether termination protection is on
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    change_sets: dict[str, SimulatedChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)  # oldest first
    drifts: dict[str, Drift] = field(default_factory=dict)  # by logical id
    # Continues a failed rollback, without some of the resources.
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
        """Add the event that a resource, or the stack itself, has reached a status."""
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
    exported = (output for output in outputs.values() if "Export" in output)
    return {str(output["Export"]["Name"]): str(output["Value"]) for output in exported}
