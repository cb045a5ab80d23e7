"""Stacks, their change sets, and templates in JSON."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from slipway.simulator.contract import AwsError, Call

Template = Mapping[str, Any]
_NAMED = "CAPABILITY_NAMED_IAM"


def parse_template(body: str) -> Template:
    """Parse a template; raises AwsError when it is invalid or uses what is not simulated."""
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _invalid("the simulator reads templates in JSON only") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict) or not document["Resources"]:
        raise AwsError("ValidationError", "Template format error: At least one Resources member must be defined.")
    if unknown := set(document) - {"AWSTemplateFormatVersion", "Description", "Metadata", "Resources", "Outputs"}:
        raise _invalid(f"the simulator does not support {', '.join(sorted(unknown))}")
    for name, resource in document["Resources"].items():
        for other in _references(resource):
            if other not in document["Resources"]:
                raise _invalid(f"Unresolved resource dependencies [{other}] in the Resources block of the template")
        if "Type" not in resource:
            raise _invalid(f"Every Resources object must contain a Type member, {name} does not")
    return document


def required_capabilities(template: Template) -> list[str]:
    """List the capabilities that a change set of the template must acknowledge [G]."""
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    return [_NAMED] if "AWS::IAM::Role" in kinds else []


def in_order(template: Template) -> list[str]:
    """Order the resources by their references."""
    references = {name: tuple(_references(resource)) for name, resource in template["Resources"].items()}
    try:
        return list(TopologicalSorter(references).static_order())
    except CycleError as error:
        raise _invalid(f"Circular dependency between resources: [{', '.join(error.args[1][1:])}]") from error


def resolved(value: Any, made: Mapping[str, Mapping[str, str]], call: Call) -> Any:  # noqa: PLR0911 -- one return per form
    """Resolve the references in a value; `made` has the attributes of each resource, `Ref` included."""
    match value:
        case {"Ref": "AWS::Region"}:
            return call.region
        case {"Ref": "AWS::AccountId"}:
            return call.account
        case {"Ref": str(name)}:
            return made[name]["Ref"]
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            if attribute not in made[name]:
                message = f"Requested attribute {attribute} does not exist in schema for {name}"
                raise AwsError("ValidationError", message)
            return made[name][attribute]
        case Mapping():
            if intrinsic := next((key for key in value if str(key).startswith("Fn::")), None):
                raise _invalid(f"the simulator does not support {intrinsic}")
            return {key: resolved(item, made, call) for key, item in value.items()}
        case list():
            return [resolved(item, made, call) for item in value]
        case _:
            return value


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"Ref": str(name)}:
            if not name.startswith("AWS::"):
                yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case Mapping():
            for item in value.values():
                yield from _references(item)
        case list():
            for item in value:
                yield from _references(item)


def _invalid(what: str) -> AwsError:
    return AwsError("ValidationError", f"Template format error: {what}")


@dataclass
class StackResource:
    """A resource of a stack."""

    kind: str
    template: Mapping[str, Any]
    properties: Mapping[str, Any]  # with references resolved
    made: Mapping[str, str]  # its attributes

    @property
    def retained(self) -> bool:
        return bool(self.template.get("DeletionPolicy", "Delete") != "Delete")

    def change(self, action: str, logical: str, replacement: str | None = None) -> "StackChange":
        physical = self.made["Ref"]
        return StackChange(action=action, logical=logical, kind=self.kind, physical=physical, replacement=replacement)


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """A resource in a change set."""

    action: str  # Add, Modify, Remove or Import
    logical: str
    kind: str
    physical: str | None = None
    replacement: str | None = None  # "True" or "False"

    def described(self) -> dict[str, Any]:
        change = {
            "Action": self.action,
            "LogicalResourceId": self.logical,
            "PhysicalResourceId": self.physical,
            "ResourceType": self.kind,
            "Replacement": self.replacement,
            "Scope": ["Properties"] if self.action == "Modify" else [],
            "Details": [],
        }
        return {"Type": "Resource", "ResourceChange": change}


@dataclass(kw_only=True)
class SimulatedChangeSet:
    """A change set."""

    name: str
    arn: str
    body: str
    template: Template
    tags: list[Mapping[str, str]]
    capabilities: list[str]
    changes: list[StackChange]
    created: datetime
    ready: datetime  # when its creation ends
    reason: str | None = None  # why it cannot be executed

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
    body: str = ""
    template: Template = field(default_factory=dict)
    tags: list[Mapping[str, str]] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    change_sets: dict[str, SimulatedChangeSet] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)  # oldest first

    def enter(self, now: datetime, status: str, reason: str | None = None) -> None:
        self.status, self.reason = status, reason
        stack = StackChange(action="", logical=self.name, kind="AWS::CloudFormation::Stack", physical=self.arn)
        self.record(now, stack, status, reason)

    def record(self, now: datetime, change: StackChange, status: str, reason: str | None = None) -> None:
        """Add the event that a resource, or the stack itself, has entered a status."""
        self.events.append(
            {
                "StackId": self.arn,
                "EventId": f"{change.logical}-{status}-{uuid.uuid4()}",
                "StackName": self.name,
                "LogicalResourceId": change.logical,
                "PhysicalResourceId": change.physical or "",
                "ResourceType": change.kind,
                "Timestamp": now,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
                "ClientRequestToken": self.token,
            }
        )

    def described(self) -> dict[str, Any]:
        outputs = [
            {"OutputKey": key, "OutputValue": str(output["Value"]), "Description": output.get("Description")}
            for key, output in self.outputs.items()
        ]
        return {
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
