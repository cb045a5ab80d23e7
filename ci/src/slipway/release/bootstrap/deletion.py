"""The deletion of one stack, and the obstacles to it.

AWS accepts the deletion of a stack whose exports are in use. Only the reason of the stack's status changes then.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from dataclasses import replace as with_values
from typing import Any

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.destruction import Removal, StackRemoval
from slipway.records.progress import Event, Tell
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.change_set import (
    OURS,
    REVIEWED,
    ask,
    describe_stack,
    event_line,
    failures,
    resources_of,
    tags_of,
    template_of,
    unseen,
)
from slipway.release.bootstrap.server import databases_named
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError
from slipway.untrusted import one_line

_POLL_SECONDS = 15.0
_START_SECONDS = 60.0  # until an accepted deletion begins
_TIMEOUT_SECONDS = 60 * 60.0  # a large database takes long to write its final snapshot
DATABASE = "AWS::RDS::DBInstance"
_DELETING, _DELETED, _DELETE_FAILED = "DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED"


@dataclass(frozen=True)
class StackDeletion:
    """The deletion of one stack. `tell` receives the events."""

    aws: Aws
    stack: StackTemplate
    time: Time
    tell: Tell

    async def proposed(self) -> StackRemoval:
        """Return the resources that would be deleted with the stack."""
        removal = StackRemoval(stack=self.stack.name, region=self.stack.region, removal=Removal.PROPOSED)
        if await describe_stack(self.aws, self.stack.name) is None:
            return with_values(removal, removal=Removal.ABSENT)
        policies, resources = await self._policies(), await resources_of(self.aws, self.stack.name)
        held = [(each, policies.get(each["LogicalResourceId"], "")) for each in resources]
        return with_values(removal, resources=tuple(_named(*each) for each in held if each[1] != "Retain"))

    async def imports(self) -> dict[str, list[str]]:
        """Return the stacks that import from this one, by export."""
        stack, found = await describe_stack(self.aws, self.stack.name) or {}, dict[str, list[str]]()
        for export in [each["ExportName"] for each in stack.get("Outputs", ()) if each.get("ExportName")]:
            try:
                imports = self.aws.items("cloudformation", "list_imports", "Imports", ExportName=export)
                found[export] = [each async for each in imports]
            except AwsRefusedError as error:
                if "is not imported by any stack" not in error.message:
                    raise
        return found

    async def users(self, ours: Collection[str] = ()) -> tuple[str, ...]:
        """Return the importing stacks of other services: all except `ours`."""
        importers = {name for names in (await self.imports()).values() for name in names}
        return tuple(sorted(importers.difference(ours)))

    async def obstacles(self) -> list[SlipwayError]:
        """Return why the stack cannot be deleted now."""
        stack = await describe_stack(self.aws, self.stack.name)
        if stack is None:
            return []
        name, status = self.stack.name, stack["StackStatus"]
        if status != REVIEWED and tags_of(stack, OURS) != self.stack.tags:
            what = f"there is a stack {name} that slipway did not make for this environment"
            return [RefusedError(what, "delete or rename it yourself, and run this again")]
        found: list[SlipwayError] = []
        if status.endswith("_IN_PROGRESS") and status not in (REVIEWED, _DELETING):
            what = f"another operation is changing the stack {name} ({status})"
            found.append(RefusedError(what, "wait until it has ended"))
        if stack.get("EnableTerminationProtection"):
            command = f"aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name {name}"
            what = f"the stack {name} has termination protection"
            found.append(RefusedError(what, f"{command} --region {self.stack.region}"))
        databases = [each for each in await resources_of(self.aws, name) if each["ResourceType"] == DATABASE]
        policies = await self._policies() if databases else {}
        for each in databases:
            if policies.get(each["LogicalResourceId"]) == "Delete":
                name = one_line(each["PhysicalResourceId"])
                what = f"the stack {self.stack.name} would delete the database {name} without a final snapshot"
                found.append(RefusedError(what, f"run {self._apply}"))
            if protection := await self.protection(each["PhysicalResourceId"]):
                found.append(protection)
        return found

    @property
    def _apply(self) -> str:
        return f"`slipway bootstrap --environment {self.stack.tags['slipway:environment']} --apply` before"

    async def protection(self, database: str) -> RefusedError | None:
        """Return the refusal when AWS would not delete a protected database; None for one without protection."""
        if not await self._is_protected(database):
            return None
        table = f"[tool.slipway.environments.{self.stack.tags['slipway:environment']}]"
        setting = f"set deletion-protection = false in database of {table}"
        return RefusedError(
            f"the database {one_line(database)} is protected from deletion", f"{setting}, and run {self._apply}"
        )

    async def run(self, proposal: StackRemoval) -> StackRemoval:
        """Delete the stack and follow the deletion to its end. Raise SlipwayError when it fails."""
        stack = await describe_stack(self.aws, self.stack.name)
        if stack is None:
            return with_values(proposal, removal=Removal.ABSENT)
        known = {event["EventId"] for event in await self._events(stack["StackId"])}
        if stack["StackStatus"] != _DELETING:
            await ask(self.aws, "delete_stack", self.stack.name)
        ended = await self._followed(stack["StackId"], set(known))
        if ended["StackStatus"] == _DELETED:
            return with_values(proposal, removal=Removal.DELETED)
        events = [each for each in await self._events(stack["StackId"]) if each["EventId"] not in known]
        causes = [
            f"{each.kind} {each.name}: {each.reason}" for each in failures(events) if each.name != self.stack.name
        ]
        reason = "; ".join(causes) or one_line(ended.get("StackStatusReason", "no reason was reported"))
        return with_values(proposal, removal=Removal.FAILED, reason=reason)

    async def _followed(self, identifier: str, shown: set[str]) -> Mapping[str, Any]:
        """Return the stack when its deletion has ended, or when the deletion has not begun for a while."""
        began = self.time.seconds()
        while True:
            for event in unseen(await self._events(identifier), shown):
                self.tell(Event(event_line(event)))
            stack = await describe_stack(self.aws, identifier) or {"StackStatus": _DELETED}
            passed = self.time.seconds() - began
            is_begun = stack["StackStatus"] == _DELETING
            if stack["StackStatus"] in (_DELETED, _DELETE_FAILED) or (not is_begun and passed > _START_SECONDS):
                return stack
            if passed > _TIMEOUT_SECONDS:
                raise UnknownOutcomeError(
                    f"{self.stack.name}: the stack is still being deleted after {_TIMEOUT_SECONDS / 60:.0f} minutes",
                    "run the same command again; it follows the deletion",
                )
            await self.time.sleep(_POLL_SECONDS)

    async def _events(self, identifier: str) -> list[Mapping[str, Any]]:
        """Return the events, newest first. One page has a hundred, more than a deletion produces between two polls."""
        return list((await ask(self.aws, "describe_stack_events", identifier))["StackEvents"])

    async def _is_protected(self, identifier: str) -> bool:
        return any(each.get("DeletionProtection") for each in await databases_named(self.aws, identifier))

    async def _policies(self) -> Mapping[str, str]:
        """Return the deletion policies of the applied template, by resource."""
        template = await template_of(self.aws, self.stack.name)
        return {name: each.get("DeletionPolicy", "") for name, each in template.get("Resources", {}).items()}


def _named(held: Mapping[str, Any], policy: str) -> str:
    snapshot = " (leaves a final snapshot)" if policy == "Snapshot" else ""
    named = f"{held['ResourceType']} {held['LogicalResourceId']} {held.get('PhysicalResourceId', '')}"
    return one_line(f"{named.rstrip()}{snapshot}")
