"""The operations of CloudFormation that make stacks by change sets.

Marks: [M] service model, [G] user guide, [F] field reports, † unverified.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from anyio.abc import TaskGroup

from slipway.simulator.call import Call, Operations
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation import template as templates
from slipway.simulator.cloudformation.execution import Execution
from slipway.simulator.cloudformation.kinds import KINDS, Account
from slipway.simulator.cloudformation.stack import Change, ChangeSet, Stack
from slipway.simulator.cloudformation.template import Template
from slipway.simulator.contract import AwsError

_UNCHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."  # [F]
)
_CREATION = timedelta(seconds=3)
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")  # [G]
_PAGE = 100


class CloudFormation:
    """Stacks by region and name. `account` makes their resources, and has what tests script."""

    def __init__(self, services: Mapping[str, Operations], clock: Clock, tasks: TaskGroup) -> None:
        self.account = Account(services)
        self._clock = clock
        self._tasks = tasks
        self.stacks: dict[tuple[str, str], Stack] = {}
        self.operations: Operations = {
            "CreateChangeSet": self.create_change_set,
            "DescribeChangeSet": self.describe_change_set,
            "ExecuteChangeSet": self.execute_change_set,
            "DeleteChangeSet": self.delete_change_set,
            "ListChangeSets": self.list_change_sets,
            "DescribeStacks": self.describe_stacks,
            "DescribeStackEvents": self.describe_stack_events,
            "GetTemplate": self.get_template,
            "DeleteStack": self.delete_stack,
        }

    async def create_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Of the type CREATE it makes a stack with nothing in it, in REVIEW_IN_PROGRESS [G]."""
        template = templates.parsed(request.get("TemplateBody", ""))
        _check_capabilities(template, request.get("Capabilities", []))
        stack = self._for(request, call)
        name = request["ChangeSetName"]
        if name in stack.change_sets:
            raise AwsError("AlreadyExistsException", f"ChangeSet {name} already exists")
        changes = await self._changes(stack, template, call, adopts=request.get("ImportExistingResources", False))
        tags = request.get("Tags", [])
        unchanged = not changes and tags == stack.tags and template.get("Outputs") == stack.template.get("Outputs")
        stack.change_sets[name] = ChangeSet(
            name=name,
            arn=_arn(call, f"changeSet/{name}"),
            body=request["TemplateBody"],
            template=template,
            tags=tags,
            capabilities=request.get("Capabilities", []),
            changes=changes,
            created=call.now,
            ready=call.now + _CREATION,
            reason=_UNCHANGED if unchanged else None,
        )
        return {"Id": stack.change_sets[name].arn, "StackId": stack.arn}

    async def describe_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack, found = self._change_set(request, call)
        status = found.status(call.now)
        page, more = _page([change.described() for change in found.changes], request)
        facts = {
            "ChangeSetName": found.name,
            "ChangeSetId": found.arn,
            "StackId": stack.arn,
            "StackName": stack.name,
            "CreationTime": found.created,
            "Status": status,
            "StatusReason": found.reason if status == "FAILED" else None,
            "ExecutionStatus": "AVAILABLE" if status == "CREATE_COMPLETE" else "UNAVAILABLE",
            "Capabilities": found.capabilities,
            "Tags": found.tags,
            "Changes": page if status == "CREATE_COMPLETE" else [],
        }
        return {key: value for key, value in facts.items() if value is not None} | more

    async def execute_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack, found = self._change_set(request, call)
        if found.status(call.now) != "CREATE_COMPLETE":
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{found.arn}] cannot be executed in its current status of [{found.status(call.now)}]",
            )
        creating = stack.status == "REVIEW_IN_PROGRESS"
        stack.change_sets.clear()  # the others are of a state that is gone [G]
        token = request.get("ClientRequestToken")
        stack.become(call.now, "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS", token, "User Initiated")
        execution = Execution(
            account=self.account,
            clock=self._clock,
            stack=stack,
            change_set=found,
            call=call,
            token=token,
            creating=creating,
        )
        self._tasks.start_soon(execution.run)
        return {}

    async def delete_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """One that is not there is none to delete."""
        stack = self.stacks.get((call.region, request.get("StackName", "")))
        if stack:
            stack.change_sets.pop(request["ChangeSetName"], None)
        return {}

    async def list_change_sets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack = self._stack(request, call)
        return {
            "Summaries": [
                {"StackName": stack.name, "ChangeSetName": found.name, "Status": found.status(call.now)}
                for found in stack.change_sets.values()
            ]
        }

    async def describe_stacks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        if request.get("StackName"):
            return {"Stacks": [self._stack(request, call).described()]}
        return {"Stacks": [stack.described() for (region, _), stack in self.stacks.items() if region == call.region]}

    async def describe_stack_events(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        page, more = _page(self._stack(request, call).events[::-1], request)
        return {"StackEvents": page} | more

    async def get_template(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack = self._stack(request, call)
        return {"TemplateBody": stack.body, "StagesAvailable": ["Original", "Processed"]}

    async def delete_stack(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """What is retained stays; what is not there is deleted already [G]. It takes no time here."""
        stack = self.stacks.pop((call.region, request["StackName"]), None)
        for held in reversed(list(stack.resources.values()) if stack else []):
            if not held.retained:
                await self.account.unmake(held.kind, held.properties, held.made, call)
        return {}

    def _for(self, request: Mapping[str, Any], call: Call) -> Stack:
        """The stack that a change set is for; raises AwsError when that type of change set is not for it."""
        name, creating = request["StackName"], request.get("ChangeSetType", "UPDATE") == "CREATE"
        stack = self.stacks.get((call.region, name))
        if creating:
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists and cannot be created again")
            if stack is None:
                stack = self.stacks[call.region, name] = Stack(
                    name=name, arn=_arn(call, f"stack/{name}"), created=call.now
                )
            return stack
        if stack is None or stack.status == "REVIEW_IN_PROGRESS":
            raise AwsError("ValidationError", f"Stack [{name}] does not exist")
        if stack.status not in _UPDATABLE:
            raise AwsError(
                "ValidationError", f"Stack:{stack.arn} is in {stack.status} state and can not be updated."
            )  # [F]
        return stack

    async def _changes(self, stack: Stack, template: Template, call: Call, *, adopts: bool) -> list[Change]:
        wanted = template["Resources"]
        changes = [
            change
            for name, resource in wanted.items()
            if (change := await self._change(stack, name, resource, call, adopts=adopts))
        ]
        gone = [name for name in stack.resources if name not in wanted]
        return changes + [
            Change(
                action="Remove",
                logical=name,
                kind=stack.resources[name].kind,
                physical=stack.resources[name].made["Ref"],
            )
            for name in gone
        ]

    async def _change(
        self, stack: Stack, name: str, resource: Mapping[str, Any], call: Call, *, adopts: bool
    ) -> Change | None:
        kind, properties = resource["Type"], resource.get("Properties", {})
        held = stack.resources.get(name)
        if held is None:
            named = properties.get(KINDS[kind].name or "") if kind in KINDS else None
            there = adopts and "DeletionPolicy" in resource and await self.account.has(kind, named, call)
            return Change(
                action="Import" if there else "Add", logical=name, kind=kind, physical=named if there else None
            )
        before = held.template.get("Properties", {})
        if before == properties:
            return None
        changed = {key for key in {*before, *properties} if before.get(key) != properties.get(key)}
        replaced = bool(changed & set(KINDS[kind].fixed))
        return Change(action="Modify", logical=name, kind=kind, physical=held.made["Ref"], replacement=str(replaced))

    def _change_set(self, request: Mapping[str, Any], call: Call) -> tuple[Stack, ChangeSet]:
        stack = self._stack(request, call)
        found = stack.change_sets.get(request["ChangeSetName"])
        if found is None:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
        return stack, found

    def _stack(self, request: Mapping[str, Any], call: Call) -> Stack:
        wanted = request.get("StackName", "")
        for (region, _), stack in self.stacks.items():
            if region == call.region and wanted in (stack.name, stack.arn):
                return stack
        raise AwsError("ValidationError", f"Stack with id {wanted} does not exist")  # [F]


def _check_capabilities(template: Template, given: list[str]) -> None:
    if missing := [each for each in templates.capabilities(template) if each not in given]:
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")  # [F]


def _arn(call: Call, path: str) -> str:
    return f"arn:aws:cloudformation:{call.region}:{call.account}:{path}/{uuid.uuid4()}"


def _page(found: list[Any], request: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    first = int(request.get("NextToken", 0))
    more = first + _PAGE
    return found[first:more], {"NextToken": str(more)} if more < len(found) else {}
