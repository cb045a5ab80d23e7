"""The changes of a change set as AWS describes them: a resource, what changes in it, and whether that replaces it [G]."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.simulator.cloudformation.values import as_text

DIRECT = "DirectModification"


@dataclass(frozen=True, kw_only=True)
class ChangeDetail:
    """A property or an attribute of a resource that changes."""

    attribute: str  # Properties, Tags, Metadata, …
    path: str  # below the properties
    recreation: str = "Never"  # Always, Conditionally
    source: str | None = DIRECT
    cause: str | None = None
    dynamic: bool = False  # the new value is known at execution only
    before: Any = None
    after: Any = None
    # The value of the last deployment, the actual one, and when it was read.
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
    """A resource, or a stack itself, in events."""

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
    policy: str | None = None  # what happens to the old resource: Delete, ReplaceAndRetain, …
    drift: str | None = None  # in a drift-aware change set
    contexts: tuple[Any, Any] = field(default=(None, None), repr=False)  # the properties before and after

    @property
    def subject(self) -> Subject:
        return Subject(self.logical, self.kind, self.physical)

    @property
    def replacement(self) -> str | None:
        """Return True, False or Conditional; None unless the resource is modified."""
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
