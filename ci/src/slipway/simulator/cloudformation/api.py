"""CloudFormation's operations: stacks that are created and updated with change sets, their drift, and their deletion.

Marks: [M] API model, [G] user guide, [F] field reports, † unverified.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from slipway.resource_kinds import kinds
from slipway.simulator.authorization import Guard
from slipway.simulator.cloudformation.comparison import Comparison
from slipway.simulator.cloudformation.execution import Deletion, Execution, executor, in_use
from slipway.simulator.cloudformation.handlers import Handlers, arn_of, is_named
from slipway.simulator.cloudformation.stack import Drift, SimulatedChangeSet, SimulatedStack, StackChange, StackResource
from slipway.simulator.cloudformation.template import Template, parse_template
from slipway.simulator.cloudformation.values import differences
from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.simulator.databases import Databases
from slipway.simulator.platform import Platform

# The words [F].
_UNCHANGED = "The submitted information didn't contain changes. Submit different information to create a change set."
_CREATION = timedelta(seconds=3)
_IMPORTABLE = ("Retain", "RetainExceptOnCreate")  # existing resources are adopted only with these deletion policies [G]
_UPDATABLE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")  # [G]
_CHECKING = timedelta(seconds=5)
_EVENTS = 100  # on one page


class CloudFormation:
    """The stacks of a region, by id. A deleted stack is described by its id only [G]."""

    def __init__(
        self, platform: Platform, services: Mapping[str, Operations], databases: Databases, guard: Guard
    ) -> None:
        # The handlers include the failures that tests script.
        self.handlers = Handlers(services=services, resources=platform.resources, databases=databases)
        self._platform = platform
        self._guard = guard
        # Detections of drift: the stack, their beginning, and why they failed.
        self._checks: dict[str, tuple[SimulatedStack, Any, str]] = {}
        self._stacks: dict[str, SimulatedStack] = {}
        self.operations: Operations = operations_of(self)

    @property
    def stacks(self) -> dict[str, SimulatedStack]:
        return {stack.name: stack for stack in self._stacks.values() if stack.status != "DELETE_COMPLETE"}

    async def create_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Create a change set. With the type CREATE, it first creates an empty stack in REVIEW_IN_PROGRESS [G]."""
        body = str(request.get("TemplateBody", ""))
        document = parse_template(body)
        if given := [each["ParameterKey"] for each in request.get("Parameters", [])]:
            raise AwsError("ValidationError", f"Parameters: [{', '.join(given)}] do not exist in the template")
        stack = self._for(request, call)
        try:
            template = self._template(stack, body, document, call)
            _check_capabilities(template, request.get("Capabilities", []))
        except AwsError:
            if not stack.events:
                self._stacks.pop(stack.arn, None)
            raise
        name = request["ChangeSetName"]
        if name in stack.change_sets:
            raise AwsError("AlreadyExistsException", f"ChangeSet {name} already exists")
        try:
            changes, reason = await self._changes(stack, template, request, call), None
        except AwsError as error:  # such as a value that no stack exports
            changes, reason = [], error.message
        tags = request.get("Tags", stack.tags)
        outputs = stack.template.document.get("Outputs") if stack.template else None
        unchanged = not changes and tags == stack.tags and template.document.get("Outputs") == outputs
        stack.change_sets[name] = SimulatedChangeSet(
            name=name,
            arn=_arn(call, f"changeSet/{name}"),
            template=template,
            tags=tags,
            capabilities=request.get("Capabilities", []),
            changes=changes,
            created=call.now,
            ready=call.now + _CREATION,
            reason=reason or (_UNCHANGED if unchanged else None),
            mode=request.get("DeploymentMode"),
            role=request.get("RoleARN"),
        )
        return {"Id": stack.change_sets[name].arn, "StackId": stack.arn}

    async def describe_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack, change_set = self._change_set(request)
        values = request.get("IncludePropertyValues", False)
        facts = change_set.summary(stack, call.now) | {"Capabilities": change_set.capabilities, "Tags": change_set.tags}
        facts |= {"DeploymentMode": change_set.mode, "Parameters": []}
        if change_set.mode:
            drifted = any(change.drift in ("MODIFIED", "DELETED") for change in change_set.changes)
            facts["StackDriftStatus"] = "DRIFTED" if drifted else "IN_SYNC"
        made = change_set.changes if facts["Status"] == "CREATE_COMPLETE" else []
        return facts | paged("Changes", [change.description(values=values) for change in made], request)

    async def execute_change_set(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack, change_set = self._change_set(request)
        if change_set.status(call.now) != "CREATE_COMPLETE":
            message = f"ChangeSet [{change_set.arn}] cannot be executed in its current status of [{change_set.status(call.now)}]"
            raise AwsError("InvalidChangeSetStatus", message)
        creating = stack.status == "REVIEW_IN_PROGRESS"
        stack.change_sets.clear()  # other change sets describe an outdated state [G]
        stack.token = request.get("ClientRequestToken")
        stack.role = change_set.role or stack.role
        stack.enter(call.now, "CREATE_IN_PROGRESS" if creating else "UPDATE_IN_PROGRESS", "User Initiated")
        execution = Execution(
            **self._operation(stack, call), change_set=change_set, creating=creating, users=self._users
        )
        self._platform.tasks.start_soon(execution.run)
        return {}

    async def continue_update_rollback(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        stack = self._stack(request)
        if stack.status != "UPDATE_ROLLBACK_FAILED" or stack.rollback is None:
            message = f"Stack:{stack.arn} is in {stack.status} state and can not continue update rollback."
            raise AwsError("ValidationError", message)
        stack.token = request.get("ClientRequestToken")
        stack.enter(call.now, "UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated")
        self._platform.tasks.start_soon(stack.rollback, request.get("ResourcesToSkip", []))
        return {}

    async def delete_change_set(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Delete a change set. Deleting a missing one succeeds."""
        stack = self._find(request.get("StackName", ""))
        if stack:
            stack.change_sets.pop(request["ChangeSetName"], None)
        return {}

    async def describe_stacks(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        if request.get("StackName"):
            return {"Stacks": [self._stack(request).description()]}
        return {"Stacks": [stack.description() for stack in self.stacks.values()]}

    async def describe_stack_events(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        newest_first = self._stack(request).events[::-1]
        return paged("StackEvents", newest_first, request, most=_EVENTS)

    async def list_stack_resources(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        stack = self._stack(request)
        held = [_resource(stack, each) | {"LastUpdatedTimestamp": each.changed} for each in stack.resources.values()]
        return paged("StackResourceSummaries", held, request)

    async def list_imports(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        name = request["ExportName"]
        if not (users := self._users(name)):
            raise AwsError("ValidationError", f"Export '{name}' is not imported by any stack.")  # [F]
        return paged("Imports", users, request)

    async def get_template(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        template = self._stack(request).template
        return {"TemplateBody": template.body if template else "", "StagesAvailable": ["Original", "Processed"]}

    async def update_termination_protection(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        stack = self._stack(request)
        stack.protected = request["EnableTerminationProtection"]
        return {"StackId": stack.arn}

    async def delete_stack(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Delete a stack. Retained resources stay, and deleting a missing stack succeeds [G]."""
        stack = self._find(request["StackName"])
        if stack is None or stack.status == "DELETE_COMPLETE":
            return {}
        if stack.protected:
            message = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"  # [F]
            raise AwsError("ValidationError", message)
        for export in stack.exports:
            # the stack stays as it is, and only its status reason shows the failure [F]
            if users := self._users(export):
                stack.enter(call.now, stack.status, in_use(export, "deleted", users))
                return {}
        stack.token, stack.role = request.get("ClientRequestToken"), request.get("RoleARN") or stack.role
        stack.change_sets.clear()
        if not stack.resources:
            stack.enter(call.now, "DELETE_COMPLETE")
            return {}
        stack.enter(call.now, "DELETE_IN_PROGRESS", "User Initiated")
        retained = request.get("RetainResources", [])
        self._platform.tasks.start_soon(Deletion(**self._operation(stack, call), retained=retained).run)
        return {}

    async def detect_stack_drift(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Compare every readable resource with the template as deployed."""
        stack, detection = self._stack(request), str(uuid.uuid4())
        if stack.status.endswith("_IN_PROGRESS"):
            message = f"Drift detection cannot be performed on stack in {stack.status} state."  # †
            raise AwsError("ValidationError", message)
        wanted = request.get("LogicalResourceIds") or stack.resources
        held = [each for each in stack.resources.values() if each.logical in wanted and each.kind.has_drift_detection]
        reader, unread = executor(self._guard, self._platform.iam, stack.role, call), ""
        for each in held:
            try:
                reader.check(self._guard, each.kind, "read", arn_of(each.attributes))
            except AwsError as error:
                unread = unread or error.message
                continue
            stack.drifts[each.logical] = await self._drift(stack, each, call)
        self._checks[detection] = (stack, call.now, unread)
        return {"StackDriftDetectionId": detection}

    async def describe_stack_drift_detection_status(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        identifier = request["StackDriftDetectionId"]
        if identifier not in self._checks:
            raise AwsError("ValidationError", f"Drift detection [{identifier}] does not exist")  # †
        stack, began, unread = self._checks[identifier]
        facts = {"StackId": stack.arn, "StackDriftDetectionId": identifier, "Timestamp": began}
        if call.now < began + _CHECKING:
            return facts | {"DetectionStatus": "DETECTION_IN_PROGRESS"}
        if unread:
            return facts | {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": unread}
        drifted = sum(each.status != "IN_SYNC" for each in stack.drifts.values())
        status = {"StackDriftStatus": "DRIFTED" if drifted else "IN_SYNC", "DriftedStackResourceCount": drifted}
        return facts | {"DetectionStatus": "DETECTION_COMPLETE"} | status

    async def describe_stack_resource_drifts(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """List the results of drift detection.

        Resources that cannot be checked are left out; ListStackResources shows them as NOT_CHECKED [M].
        """
        stack = self._stack(request)
        wanted = request.get("StackResourceDriftStatusFilters")
        found = [
            _drift_of(stack, stack.resources[name], drift)
            for name, drift in stack.drifts.items()
            if name in stack.resources and (not wanted or drift.status in wanted)
        ]
        return paged("StackResourceDrifts", found, request, most=100)

    def _operation(self, stack: SimulatedStack, call: Call) -> dict[str, Any]:
        """Return the common parts of all operations on a stack."""
        return {
            "handlers": self.handlers,
            "guard": self._guard,
            "executor": executor(self._guard, self._platform.iam, stack.role, call),
            "clock": self._platform.clock,
            "stack": stack,
            "call": call,
        }

    def _template(self, stack: SimulatedStack, body: str, document: Mapping[str, Any], call: Call) -> Template:
        pseudo = {
            "AWS::AccountId": call.account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": call.region,
            "AWS::StackId": stack.arn,
            "AWS::StackName": stack.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        exports = {name: value for each in self.stacks.values() for name, value in each.exports.items()}
        return Template(body=body, document=document, pseudo=pseudo, exports=exports)

    def _for(self, request: Mapping[str, Any], call: Call) -> SimulatedStack:
        """Find or create the stack of a change set. Raise AwsError when the type does not fit the stack's state."""
        name, kind = request["StackName"], request.get("ChangeSetType", "UPDATE")
        stack = self._find(name)
        if kind == "IMPORT":
            raise AwsError("ValidationError", "The simulator imports with ImportExistingResources only")
        if kind == "CREATE":
            if stack and stack.status != "REVIEW_IN_PROGRESS":
                raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists and cannot be created again")
            if stack is None:
                stack = SimulatedStack(name=name, arn=_arn(call, f"stack/{name}"), created=call.now)
                self._stacks[stack.arn] = stack
            return stack
        if stack is None or stack.status == "REVIEW_IN_PROGRESS":
            raise AwsError("ValidationError", f"Stack [{name}] does not exist")
        if stack.status not in _UPDATABLE:
            message = f"Stack:{stack.arn} is in {stack.status} state and can not be updated."  # [F]
            raise AwsError("ValidationError", message)
        return stack

    async def _changes(
        self, stack: SimulatedStack, template: Template, request: Mapping[str, Any], call: Call
    ) -> list[StackChange]:
        existing = set()
        for name, block in template.resources.items() if request.get("ImportExistingResources") else ():
            is_kept = block.get("DeletionPolicy") in _IMPORTABLE
            if name not in stack.resources and is_kept and await self._exists(template, block, call):
                existing.add(name)
        live = {}
        for held in stack.resources.values() if request.get("DeploymentMode") else ():
            live[held.logical] = await self._live(stack, held, call)
        return Comparison(
            stack=stack,
            template=template,
            tags=request.get("Tags", stack.tags),
            now=call.now,
            existing=frozenset(existing),
            live=live if request.get("DeploymentMode") else None,
        ).changes()

    async def _exists(self, template: Template, block: Mapping[str, Any], call: Call) -> bool:
        """Return whether a resource that the template names already exists.

        Raise AwsError when it belongs to another stack.
        """
        kind = kinds()[block["Type"]]
        properties = template.resolve(block.get("Properties", {}), {})
        if not is_named(kind, properties):
            return False
        identifier = self.handlers.identifier(kind, properties, call)
        if await self.handlers.read(kind, identifier, call) is None:
            return False
        for stack in self.stacks.values():
            if any(held.kind is kind and held.identifier == identifier for held in stack.resources.values()):
                message = f"{identifier} already belongs to the stack {stack.arn}"  # †
                raise AwsError("ValidationError", message)
        return True

    async def _drift(self, stack: SimulatedStack, held: StackResource, call: Call) -> Drift:
        actual = await self._live(stack, held, call)
        found = () if actual is None else tuple(differences(held.kind, held.properties, actual))
        status = "DELETED" if actual is None else "MODIFIED" if found else "IN_SYNC"
        compared = {key: (actual or {}).get(key) for key in held.properties}
        return Drift(status=status, checked=call.now, expected=held.properties, actual=compared, differences=found)

    async def _live(self, stack: SimulatedStack, held: StackResource, call: Call) -> dict[str, Any] | None:
        """Return a resource as it is now, without the stack's tags."""
        actual = await self.handlers.read(held.kind, held.identifier, call)
        tags = (actual or {}).get(held.kind.tags or "")
        if actual is None or not isinstance(tags, list):
            return actual
        return actual | {str(held.kind.tags): [tag for tag in tags if tag not in stack.tags]}

    def _users(self, export: str) -> list[str]:
        """Return the names of the stacks that use an exported value."""
        return [each.name for each in self.stacks.values() if each.template and export in each.template.imports()]

    def _change_set(self, request: Mapping[str, Any]) -> tuple[SimulatedStack, SimulatedChangeSet]:
        stack = self._stack(request)
        change_set = stack.change_sets.get(request["ChangeSetName"])
        if change_set is None:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
        return stack, change_set

    def _find(self, name_or_id: str) -> SimulatedStack | None:
        return self.stacks.get(name_or_id) or self._stacks.get(name_or_id)

    def _stack(self, request: Mapping[str, Any]) -> SimulatedStack:
        wanted = request.get("StackName", "")
        stack = self._find(wanted)
        if stack is None:
            raise AwsError("ValidationError", f"Stack with id {wanted} does not exist")  # [F]
        return stack


def _resource(stack: SimulatedStack, held: StackResource) -> dict[str, Any]:
    status = next(
        (each["ResourceStatus"] for each in reversed(stack.events) if each["LogicalResourceId"] == held.logical),
        "CREATE_COMPLETE",
    )
    drift = stack.drifts.get(held.logical)
    facts = {"StackResourceDriftStatus": drift.status if drift else "NOT_CHECKED"}
    return {
        "LogicalResourceId": held.logical,
        "PhysicalResourceId": held.physical,
        "ResourceType": held.kind.name,
        "ResourceStatus": status,
        "DriftInformation": facts | ({"LastCheckTimestamp": drift.checked} if drift else {}),
    }


def _drift_of(stack: SimulatedStack, held: StackResource, drift: Drift) -> dict[str, Any]:
    """Return the API's StackResourceDrift."""
    deleted = drift.status == "DELETED"
    return {
        "StackId": stack.arn,
        "LogicalResourceId": held.logical,
        "PhysicalResourceId": held.physical,
        "ResourceType": held.kind.name,
        "ExpectedProperties": None if deleted else json.dumps(drift.expected),
        "ActualProperties": None if deleted else json.dumps(drift.actual),
        "PropertyDifferences": [each.description() for each in drift.differences],
        "StackResourceDriftStatus": drift.status,
        "Timestamp": drift.checked,
    }


def _check_capabilities(template: Template, acknowledged: Sequence[str]) -> None:
    known = {*acknowledged} | ({"CAPABILITY_IAM"} if "CAPABILITY_NAMED_IAM" in acknowledged else set())
    if missing := [each for each in template.capabilities if each not in known]:
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{', '.join(missing)}]")  # [F]


def _arn(call: Call, path: str) -> str:
    return f"arn:aws:cloudformation:{call.region}:{call.account}:{path}/{uuid.uuid4()}"
