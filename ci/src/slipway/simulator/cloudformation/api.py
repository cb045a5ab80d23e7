"""CloudFormation's operations that create and update stacks with change sets.

Marks: [M] service model, [G] user guide, [F] field reports, † unverified.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from anyio.abc import TaskGroup

from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.execution import Execution
from slipway.simulator.cloudformation.kinds import KINDS, SimulatedResources
from slipway.simulator.cloudformation.stack import (
    SimulatedChangeSet,
    SimulatedStack,
    StackChange,
    Template,
    parse_template,
    required_capabilities,
)
from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged

_UNCHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."  # [F]
)
_CREATION = timedelta(seconds=3)
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")  # [G]


class CloudFormation:
    """Stacks by region and name."""

    def __init__(self, services: Mapping[str, Operations], clock: Clock, tasks: TaskGroup) -> None:
        self.resources = SimulatedResources(services)  # with the failures that tests script
        self._clock = clock
        self._tasks = tasks
        self.stacks: dict[tuple[str, str], SimulatedStack] = {}
        self.operations: Operations = operations_of(self)

    async def create_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """The type CREATE creates an empty stack in REVIEW_IN_PROGRESS [G]."""
        template = parse_template(request.get("TemplateBody", ""))
        _check_capabilities(template, request.get("Capabilities", []))
        stack = self._for(request, call)
        name = request["ChangeSetName"]
        if name in stack.change_sets:
            raise AwsError("AlreadyExistsException", f"ChangeSet {name} already exists")
        adopts = request.get("ImportExistingResources", False)
        changes = await self._changes(stack, template, call, adopts=adopts)
        tags = request.get("Tags", [])
        unchanged = not changes and tags == stack.tags and template.get("Outputs") == stack.template.get("Outputs")
        stack.change_sets[name] = SimulatedChangeSet(
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
        stack, change_set = self._change_set(request, call)
        facts = change_set.summary(stack, call.now) | {"Capabilities": change_set.capabilities, "Tags": change_set.tags}
        status = facts["Status"]
        changes = [change.described() for change in change_set.changes] if status == "CREATE_COMPLETE" else []
        page = paged("Changes", changes, request)
        return facts | page

    async def execute_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack, change_set = self._change_set(request, call)
        if change_set.status(call.now) != "CREATE_COMPLETE":
            message = f"ChangeSet [{change_set.arn}] cannot be executed in its current status of [{change_set.status(call.now)}]"
            raise AwsError("InvalidChangeSetStatus", message)
        creating = stack.status == "REVIEW_IN_PROGRESS"
        stack.change_sets.clear()  # the others describe an outdated state [G]
        stack.token = request.get("ClientRequestToken")
        stack.enter(call.now, "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS", "User Initiated")
        execution = Execution(
            resources=self.resources,
            clock=self._clock,
            stack=stack,
            change_set=change_set,
            call=call,
            creating=creating,
        )
        self._tasks.start_soon(execution.run)
        return {}

    async def delete_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Deleting a missing change set succeeds."""
        stack = self.stacks.get((call.region, request.get("StackName", "")))
        if stack:
            stack.change_sets.pop(request["ChangeSetName"], None)
        return {}

    async def list_change_sets(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack = self._stack(request, call)
        return {"Summaries": [change_set.summary(stack, call.now) for change_set in stack.change_sets.values()]}

    async def describe_stacks(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        if request.get("StackName"):
            return {"Stacks": [self._stack(request, call).described()]}
        return {"Stacks": [stack.described() for (region, _), stack in self.stacks.items() if region == call.region]}

    async def describe_stack_events(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        newest_first = self._stack(request, call).events[::-1]
        return paged("StackEvents", newest_first, request)

    async def get_template(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack = self._stack(request, call)
        return {"TemplateBody": stack.body, "StagesAvailable": ["Original", "Processed"]}

    async def delete_stack(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Retained resources stay; deleting a missing stack succeeds [G]. Deletion takes no time here."""
        stack = self.stacks.pop((call.region, request["StackName"]), None)
        for held in reversed(list(stack.resources.values()) if stack else []):
            if not held.retained:
                await self.resources.unmake(held, call)
        return {}

    def _for(self, request: Mapping[str, Any], call: Call) -> SimulatedStack:
        """Find or create the stack of a change set; raises AwsError when the type does not fit its state."""
        name, creating = request["StackName"], request.get("ChangeSetType", "UPDATE") == "CREATE"
        stack = self.stacks.get((call.region, name))
        if creating:
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists and cannot be created again")
            if stack is None:
                arn = _arn(call, f"stack/{name}")
                stack = self.stacks[call.region, name] = SimulatedStack(name=name, arn=arn, created=call.now)
            return stack
        if stack is None or stack.status == "REVIEW_IN_PROGRESS":
            raise AwsError("ValidationError", f"Stack [{name}] does not exist")
        if stack.status not in _UPDATABLE:
            message = f"Stack:{stack.arn} is in {stack.status} state and can not be updated."  # [F]
            raise AwsError("ValidationError", message)
        return stack

    async def _changes(
        self, stack: SimulatedStack, template: Template, call: Call, *, adopts: bool
    ) -> list[StackChange]:
        wanted = template["Resources"]
        changes = [await self._change(stack, name, resource, call, adopts=adopts) for name, resource in wanted.items()]
        gone = ((name, held) for name, held in stack.resources.items() if name not in wanted)
        return [*filter(None, changes), *(held.change("Remove", name) for name, held in gone)]

    async def _change(
        self, stack: SimulatedStack, name: str, resource: Mapping[str, Any], call: Call, *, adopts: bool
    ) -> StackChange | None:
        kind, properties = resource["Type"], resource.get("Properties", {})
        held = stack.resources.get(name)
        if held is None:
            named = properties.get(KINDS[kind].name or "") if kind in KINDS else None
            exists = adopts and "DeletionPolicy" in resource and await self.resources.has(kind, named, call)
            action, physical = ("Import", named) if exists else ("Add", None)
            return StackChange(action=action, logical=name, kind=kind, physical=physical)
        before = held.template.get("Properties", {})
        if before == properties:
            return None
        changed = {key for key in {*before, *properties} if before.get(key) != properties.get(key)}
        return held.change("Modify", name, replacement=str(bool(changed & set(KINDS[kind].fixed))))

    def _change_set(self, request: Mapping[str, Any], call: Call) -> tuple[SimulatedStack, SimulatedChangeSet]:
        stack = self._stack(request, call)
        change_set = stack.change_sets.get(request["ChangeSetName"])
        if change_set is None:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
        return stack, change_set

    def _stack(self, request: Mapping[str, Any], call: Call) -> SimulatedStack:
        wanted = request.get("StackName", "")
        for (region, _), stack in self.stacks.items():
            if region == call.region and wanted in (stack.name, stack.arn):
                return stack
        raise AwsError("ValidationError", f"Stack with id {wanted} does not exist")  # [F]


def _check_capabilities(template: Template, acknowledged: list[str]) -> None:
    if missing := [each for each in required_capabilities(template) if each not in acknowledged]:
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")  # [F]


def _arn(call: Call, path: str) -> str:
    return f"arn:aws:cloudformation:{call.region}:{call.account}:{path}/{uuid.uuid4()}"
