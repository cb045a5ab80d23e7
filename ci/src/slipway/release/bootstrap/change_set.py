"""The change set of one stack. It is either shown and deleted again, or executed and followed to its end.

A change set that is not executed is always deleted. So is the empty stack that CloudFormation makes for a new stack's
change set.
"""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

import anyio

from slipway.errors import RefusedError, SlipwayError, UnknownOutcomeError
from slipway.records.bootstrap import ResourceChange, ResourceFailure, Result, StackChange, ValueChange
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.bootstrap.template import StackTemplate
from slipway.release.engine.target import Time
from slipway.release.errors import AwsRefusedError
from slipway.untrusted import one_line

T = TypeVar("T")

_POLL_SECONDS = 3.0
_TIMEOUT_SECONDS = 60 * 60.0  # RDS takes long to create a server in two zones, or to upgrade a server
_CLEANING_SECONDS = 60.0  # for deleting a change set that was only shown, even after Ctrl-C
OURS = "slipway:"  # the prefix of our tags
REVIEWED = "REVIEW_IN_PROGRESS"  # the status of a stack without resources, left by a change set that was only shown
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
# CloudFormation uses either text, as users report
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
# AWS's schemas say that these changes may replace the resource. AWS's reference says that a change may interrupt the
# database, but never replaces it.
_IN_PLACE = {"AWS::RDS::DBInstance": {"AutoMinorVersionUpgrade", "BackupRetentionPeriod", "MultiAZ"}}
_LONGEST_VALUE = 60  # characters that fit into a line of the report
_FOLLOWS = "cancelled"  # the reason that CloudFormation gives for all other resources after a failure


class StackChangeSet:
    """The change set of one stack. `tell` receives its events. With `restores` it also undoes changes that a person made."""

    def __init__(
        self, aws: Aws, stack: StackTemplate, time: Time, tell: Callable[[Event], None], *, restores: bool = False
    ) -> None:
        self._aws = aws
        self._stack = stack
        self._time = time
        self._tell = tell
        self._restores = restores
        self._name = f"slipway-{secrets.token_hex(6)}"
        self._executed = False

    @asynccontextmanager
    async def proposed(self) -> AsyncIterator[StackChange]:
        """Create the change set for the block, and yield its changes. Raise SlipwayError when it cannot be created."""
        before = await describe_stack(self._aws, self._stack.name)
        self._check(before)
        try:
            yield await self._create(before)
        finally:
            if not self._executed:
                await self._delete(with_stack=before is None)

    async def execute(self, proposal: StackChange) -> StackChange:
        """Execute the change set, follow it to its end, and return the changes with the result."""
        known = {event["EventId"] for event in await self._events()}
        self._executed = True  # after this, the change set is not deleted, unless CloudFormation refuses it
        try:
            await self._ask("execute_change_set", ChangeSetName=self._name, ClientRequestToken=self._name)
        except RefusedError:
            self._executed = False
            raise
        status = await self._followed(known)
        if status in _WELL:
            return replace(
                proposal,
                result=Result.APPLIED,
                outputs=_outputs(await describe_stack(self._aws, self._stack.name) or {}),
            )
        events = [event for event in await self._events() if event["EventId"] not in known]
        failed = [replace(each, physical=self._named(each.name)) for each in failures(events)]
        return replace(proposal, result=Result.FAILED, failures=tuple(failed))

    def _named(self, resource: str) -> str:
        """Return the name that the template gives a resource, such as a secret."""
        return str(self._stack.template["Resources"].get(resource, {}).get("Properties", {}).get("Name", ""))

    def _check(self, stack: Mapping[str, Any] | None) -> None:
        """Raise RefusedError for a stack that cannot be changed now, or that slipway did not make."""
        if stack is None:
            return
        name, status = self._stack.name, stack["StackStatus"]
        delete = f"aws cloudformation delete-stack --stack-name {name} --region {self._stack.region}"
        if status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}:
            raise RefusedError(f"the stack {name} was left by a failed creation and cannot be updated", delete)
        if status != REVIEWED and status.endswith("_IN_PROGRESS"):
            raise RefusedError(f"another operation is changing the stack {name} ({status})", "wait until it has ended")
        if status not in (REVIEWED, *_UPDATABLE):
            reason = one_line(stack.get("StackStatusReason", ""))
            raise RefusedError(
                f"the stack {name} is {status} {reason}".rstrip(), "repair it in CloudFormation's console first"
            )
        if status != REVIEWED and tags_of(stack, OURS) != self._stack.tags:
            raise RefusedError(
                f"there is a stack {name} that slipway did not make for this environment",
                "give the service or the environment another name",
            )

    async def _create(self, before: Mapping[str, Any] | None) -> StackChange:
        is_new = before is None or before["StackStatus"] == REVIEWED
        tags = {**tags_of(before or {}), **self._stack.tags}
        await self._ask(
            "create_change_set",
            ChangeSetName=self._name,
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateBody=self._stack.text,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            # adopt resources that outlived an earlier stack, such as repositories and log groups
            ImportExistingResources=True,
            **({"DeploymentMode": "REVERT_DRIFT"} if self._restores and not is_new else {}),
        )
        created = await self._created()
        proposal = StackChange(
            stack=self._stack.name,
            region=self._stack.region,
            result=Result.PROPOSED,
            is_new=is_new,
            template=self._stack.digest,
        )
        if created["Status"] != "FAILED":
            return replace(proposal, changes=tuple(await self._changes(created)))
        reason = one_line(created.get("StatusReason", "no reason was reported"))
        if any(words in reason for words in _UNCHANGED):
            stack = await describe_stack(self._aws, self._stack.name)
            return replace(proposal, result=Result.UNCHANGED, outputs=_outputs(stack or {}))
        raise RefusedError(f"the template of {self._stack.name} was refused by CloudFormation", reason)

    async def _created(self) -> Mapping[str, Any]:
        began = self._time.seconds()
        while True:
            found = await self._ask("describe_change_set", ChangeSetName=self._name, IncludePropertyValues=True)
            if found["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return found
            self._check_timeout(began, "the change set is still being made")
            await self._time.sleep(_POLL_SECONDS)

    async def _changes(self, page: Mapping[str, Any]) -> list[ResourceChange]:
        changes = list(page["Changes"])
        while page.get("NextToken"):
            more = {"NextToken": page["NextToken"], "IncludePropertyValues": True}
            page = await self._ask("describe_change_set", ChangeSetName=self._name, **more)
            changes += page["Changes"]
        return [_change(change["ResourceChange"]) for change in changes if "ResourceChange" in change]

    async def _followed(self, known: set[str]) -> str:
        """Return the final status.

        The stack's status may belong to an earlier change, so wait for an event with our token.
        """
        began, shown = self._time.seconds(), set(known)
        while True:
            for event in unseen(await self._events(), shown):
                self._tell(Event(event_line(event)))
                if status := self._ended(event):
                    return status
            self._check_timeout(began, "the stack is still being changed")
            await self._time.sleep(_POLL_SECONDS)

    def _ended(self, event: Mapping[str, Any]) -> str | None:
        """Return the stack's status when this execution has ended, otherwise None."""
        status: str = event["ResourceStatus"]
        is_ours = event.get("ClientRequestToken") == self._name and event.get("PhysicalResourceId") == event["StackId"]
        return status if is_ours and not status.endswith("_IN_PROGRESS") else None

    def _check_timeout(self, began: Any, what: str) -> None:
        if self._time.seconds() - began > _TIMEOUT_SECONDS:
            raise UnknownOutcomeError(
                f"{self._stack.name}: {what} after {_TIMEOUT_SECONDS / 60:.0f} minutes",
                "run the same command again; it checks the stack first",
            )

    async def _delete(self, *, with_stack: bool) -> None:
        """Delete the change set, even while this run is being cancelled.

        One that remains is harmless: the next run is not disturbed by it.
        """
        with anyio.move_on_after(_CLEANING_SECONDS, shield=True), suppress(SlipwayError):
            await self._ask("delete_change_set", ChangeSetName=self._name)
            if with_stack:
                await self._ask("delete_stack")

    async def _events(self) -> list[Mapping[str, Any]]:
        """Return the events, newest first. One page has a hundred, more than one change of these stacks produces."""
        return list((await self._ask("describe_stack_events"))["StackEvents"])

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        try:
            return await ask(self._aws, operation, self._stack.name, **parameters)
        except AwsRefusedError as error:
            if error.code in ("ValidationError", "ChangeSetNotFound") and "does not exist" in error.message:
                # A run that only shows a new stack's change set deletes the empty stack afterwards.
                what = f"another run shows or makes the stack {self._stack.name}, and this one lost its change set"
                raise RefusedError(what, "run it again") from error
            raise


async def describe_stack(aws: Aws, stack: str) -> Mapping[str, Any] | None:
    """Return a stack by its name or id; None when it does not exist."""
    found = await or_no_stack(ask(aws, "describe_stacks", stack))
    return dict(found["Stacks"][0]) if found else None


async def template_of(aws: Aws, stack: str) -> Mapping[str, Any]:
    """Return the applied template. The settings may have changed since."""
    body = (await ask(aws, "get_template", stack))["TemplateBody"]
    # boto3 has already parsed a JSON template
    return (json.loads(body) if body else {}) if isinstance(body, str) else body


async def resources_of(aws: Aws, stack: str) -> list[dict[str, Any]]:
    found = aws.items("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack)
    return [each async for each in found]


async def or_no_stack(answer: Awaitable[T]) -> T | None:
    """Return an answer about a stack; None when the stack does not exist, which CloudFormation reports as a validation error."""
    try:
        return await answer
    except AwsRefusedError as error:
        if error.code == "ValidationError" and "does not exist" in error.message:
            return None
        raise


async def ask(aws: Aws, operation: str, stack: str, **parameters: Any) -> dict[str, Any]:
    """Call an operation on a stack. Raise SlipwayError when it fails."""
    try:
        return await aws.call("cloudformation", operation, StackName=stack, **parameters)
    except AwsRefusedError as error:
        if error.code == "AccessDenied":
            raise RefusedError(
                error.what,
                "a deploy role is not enough; `slipway permissions --command bootstrap` prints what is",
            ) from error
        raise


def _change(change: Mapping[str, Any]) -> ResourceChange:
    words = {
        "action": "Action",
        "name": "LogicalResourceId",
        "kind": "ResourceType",
        "physical": "PhysicalResourceId",
        "replacement": "Replacement",
        "policy": "PolicyAction",
    }
    targets = [detail.get("Target", {}) for detail in change.get("Details", ())]
    properties = sorted({target["Name"] for target in targets if target.get("Name")})
    texts = {field: str(change.get(word, "")) for field, word in words.items()}
    replacing = {each.get("Name") for each in targets if each.get("RequiresRecreation", "Never") != "Never"}
    if texts["replacement"] == "Conditional" and replacing and replacing <= _IN_PLACE.get(texts["kind"], set()):
        texts |= {"replacement": "False", "policy": ""}
    values = [each for detail in change.get("Details", ()) for each in _values(detail)]
    return ResourceChange(**texts, properties=tuple(properties), values=tuple(values))


def _values(detail: Mapping[str, Any]) -> Iterator[ValueChange]:
    """Yield the property that a change of the template modifies. For a part of a property, leave out the values."""
    target = detail.get("Target", {})
    if not target.get("Name") or detail.get("ChangeSource") != "DirectModification":
        return
    after = str(target.get("AfterValue") or "")
    previous = target.get("Drift", {}).get("PreviousValue")
    before, shown = one_line(target.get("BeforeValue") or "none"), one_line(after or "none")
    is_whole = target.get("Path") == f"/Properties/{target['Name']}" and detail.get("Evaluation") == "Static"
    fits = is_whole and max(len(before), len(shown)) <= _LONGEST_VALUE
    yield ValueChange(
        name=target["Name"],
        before=before if fits else "",
        after=shown if fits else "",
        is_restored=previous is not None and previous == after,
    )


def tags_of(stack: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the tags of a stack whose keys begin with `prefix`."""
    return {tag["Key"]: tag["Value"] for tag in stack.get("Tags", []) if tag["Key"].startswith(prefix)}


def event_line(event: Mapping[str, Any]) -> str:
    words = ("ResourceStatus", "ResourceType", "LogicalResourceId", "ResourceStatusReason")
    return one_line(" ".join(event[word] for word in words if event.get(word)), 600)


def unseen(newest_first: Sequence[Mapping[str, Any]], shown: set[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the events that were not shown yet, the oldest first, and count each as shown."""
    for event in reversed(newest_first):
        if event["EventId"] not in shown:
            shown.add(event["EventId"])
            yield event


def failures(events: list[Mapping[str, Any]]) -> list[ResourceFailure]:
    """Return the failures in order, without those that another failure caused."""
    failed = [
        ResourceFailure(
            event["LogicalResourceId"], event["ResourceType"], one_line(event.get("ResourceStatusReason", ""))
        )
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
    ]
    return [failure for failure in failed if _FOLLOWS not in failure.reason]


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs, by the place into which a person writes each value."""
    return {one_line(output["Description"]): one_line(output["OutputValue"]) for output in stack.get("Outputs", [])}
