"""The execution of a change set, resource by resource, with a rollback after a failure; and the deletion of a stack."""

import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.resource_kinds import ResourceKind, kinds
from slipway.simulator.authorization import Guard, Needed, allows
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.handlers import Handlers, arn_of, generated, reference_of
from slipway.simulator.cloudformation.services import failure
from slipway.simulator.cloudformation.stack import (
    SimulatedChangeSet,
    SimulatedStack,
    StackChange,
    StackResource,
    Subject,
    exports_of,
)
from slipway.simulator.cloudformation.template import in_order
from slipway.simulator.cloudformation.values import changed_paths, is_same
from slipway.simulator.contract import AwsError, Call
from slipway.simulator.iam import Iam

_SECONDS = 2.0  # for one resource
_SLOW = {
    "AWS::EC2::NatGateway": 100.0,
    "AWS::EC2::VPCEndpoint": 30.0,
    "AWS::RDS::DBInstance": 400.0,
}  # for a creation or a deletion [F]
_CANCELLED = "Resource creation cancelled"
_RENAME = "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {name} and update the stack again."  # [F]
_LINKED = "iam:CreateServiceLinkedRole"
_SECRET = re.compile(r"\{\{resolve:([^}]+)\}\}")


@dataclass(frozen=True, kw_only=True)
class Executor:
    """The identity that calls the services: the stack's role, or the caller. With None it may do everything."""

    arn: str
    policies: Sequence[Mapping[str, Any]] | None

    def check(
        self, guard: Guard, kind: ResourceKind, handler: str, arn: str, wanted: Mapping[str, Any] | None = None
    ) -> None:
        """Raise AwsError unless the policies allow every action that the kind's schema lists for a resource's handler."""
        if self.policies is None:
            return
        needed = [
            Needed(action, resource)
            for action in kind.permissions.get(handler, ())
            for resource in self._resources(action, arn, wanted or {})
        ]
        guard.asked += needed
        for permission in needed:
            either = (permission, replace(permission, resource="*"))
            if not any(allows(policy, each) for policy in self.policies for each in either):
                raise failure(
                    "AccessDenied",
                    f"User: {self.arn} is not authorized to perform: {permission.action} on resource: {arn}"
                    f" because no identity-based policy allows the {permission.action} action",
                )

    def _resources(self, action: str, arn: str, wanted: Mapping[str, Any]) -> Sequence[str]:
        """Return the resources of an action.

        For roles these are not the resource itself, but the roles that its properties pass [G].
        """
        if action == "iam:PassRole":
            return [str(value) for key, value in wanted.items() if key.endswith("RoleArn")]
        return [f"arn:aws:iam::{self.arn.split(':')[4]}:role/aws-service-role/*"] if action == _LINKED else [arn]


def executor(guard: Guard, iam: Iam, role: str | None, call: Call) -> Executor:
    """Return the identity that CloudFormation uses: the role with its policies if there is one, otherwise the caller."""
    if role is None:
        policy = guard.policies.get(call.caller)
        return Executor(
            arn=f"arn:aws:iam::{call.account}:user/simulated", policies=None if policy is None else [policy]
        )
    name = role.rpartition("/")[2]
    return Executor(
        arn=f"arn:aws:sts::{call.account}:assumed-role/{name}/AWSCloudFormation", policies=iam.policies_of(name)
    )


@dataclass(kw_only=True)
class Operation:
    """The common parts of the operations on a stack."""

    handlers: Handlers
    guard: Guard
    executor: Executor
    clock: Clock
    stack: SimulatedStack
    call: Call

    async def delete(self, held: StackResource, *, snapshot: bool = False) -> None:
        """Delete a resource with its events. Raise AwsError when it cannot be deleted."""
        self._record(held.subject, "DELETE_IN_PROGRESS")
        await self.clock.sleep(_SLOW.get(held.kind.name, _SECONDS))
        try:
            self._check_script(held.logical)
            self.executor.check(self.guard, held.kind, "delete", arn_of(held.attributes))
            await self.handlers.delete(held.kind, held.identifier, self._now(), snapshot=snapshot)
        except AwsError as error:
            self._record(held.subject, "DELETE_FAILED", error.message)
            raise
        self._record(held.subject, "DELETE_COMPLETE")

    def _check_script(self, logical: str) -> None:
        if logical in self.handlers.stuck:
            raise failure("GeneralServiceException", self.handlers.stuck[logical])

    def _enter(self, status: str, reason: str | None = None) -> None:
        self.stack.enter(self.clock.now(), status, reason)

    def _record(self, subject: Subject, status: str, reason: str | None = None) -> None:
        self.stack.record(self.clock.now(), subject, status, reason)

    def _now(self) -> Call:
        return replace(self.call, now=self.clock.now())


@dataclass(kw_only=True)
class Deletion(Operation):
    """The deletion of a stack."""

    retained: Sequence[str] = ()  # resources to keep, when an earlier deletion of the stack failed

    async def run(self) -> None:
        failed = []
        for logical in _newest_first(self.stack.resources):
            held = self.stack.resources[logical]
            if held.retained() or logical in self.retained:
                self._record(held.subject, "DELETE_SKIPPED")
            else:
                try:
                    await self.delete(held, snapshot=held.policy("DeletionPolicy") == "Snapshot")
                except AwsError:
                    failed.append(logical)
                    continue
            del self.stack.resources[logical]
        if failed:
            self._enter("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
        else:
            self._enter("DELETE_COMPLETE")


@dataclass(kw_only=True)
class Undo:
    """One step of a rollback."""

    logical: str
    act: Callable[[], Awaitable[None]]


@dataclass(kw_only=True)
class Execution(Operation):
    """The execution of one change set."""

    change_set: SimulatedChangeSet
    creating: bool  # whether the execution creates the stack
    users: Callable[[str], list[str]]  # returns the stacks that use an exported value
    _undo: list[Undo] = field(init=False, default_factory=list)
    _made: list[StackResource] = field(init=False, default_factory=list)
    # The policy is the one that applies to the resource.
    _old: list[tuple[StackResource, str]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._before = dict(self.stack.resources)
        self._began = len(self.stack.events)

    async def run(self) -> None:
        verb = "CREATE" if self.creating else "UPDATE"
        try:
            await self._apply()
            outputs = self._outputs()
        except AwsError as error:
            await self._roll_back(error.message)
            return
        if self._old and not self.creating:
            self._enter(f"{verb}_COMPLETE_CLEANUP_IN_PROGRESS")
        await self._clean(self._old)
        self._keep(outputs)
        self._enter(f"{verb}_COMPLETE")

    async def roll_back_again(self, skipped: Sequence[str]) -> None:
        """Continue a failed rollback, without some of the resources."""
        self._undo = [each for each in self._undo if each.logical not in skipped]
        await self._undo_update()

    async def _apply(self) -> None:
        changes = {change.logical: change for change in self.change_set.changes}
        order = [name for name in in_order(self.change_set.template.resources) if name in changes]
        for position, logical in enumerate(order):
            try:
                await self._one(changes[logical])
            except AwsError:
                for other in (changes[name] for name in order[position + 1 :]):
                    if other.action == "Add":
                        self._record(other.subject, "CREATE_FAILED", _CANCELLED)
                raise
        gone = [name for name in _newest_first(self._before) if name in changes and changes[name].action == "Remove"]
        self._old = [(self.stack.resources.pop(name), "DeletionPolicy") for name in gone] + self._old

    async def _one(self, change: StackChange) -> None:
        template, kind = self.change_set.template, kinds()[change.kind]
        block, made = template.resources[change.logical], self.stack.made()
        held = self.stack.resources.get(change.logical)
        verb = {"Add": "CREATE", "Modify": "UPDATE", "Import": "IMPORT"}[change.action]
        try:
            properties = template.resolve(block.get("Properties", {}), made)
            if change.action == "Modify" and held and not self._differs(change, held, properties):
                self.stack.resources[change.logical] = replace(held, block=block, properties=properties)
                return
            self._record(change.subject, f"{verb}_IN_PROGRESS")
            await self.clock.sleep(_SECONDS if change.action == "Modify" else _SLOW.get(change.kind, _SECONDS))
            await self._act(change, kind, block, properties)
        except AwsError as error:
            self._record(change.subject, f"{verb}_FAILED", error.message)
            raise
        self._record(self.stack.resources[change.logical].subject, f"{verb}_COMPLETE")

    def _differs(self, change: StackChange, held: StackResource, properties: Mapping[str, Any]) -> bool:
        """Return whether a change was certain, or whether the change on which it depended has happened."""
        return not is_same(held.properties, properties) or any(not detail.dynamic for detail in change.details)

    async def _act(
        self, change: StackChange, kind: ResourceKind, block: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> None:
        logical, held, call = change.logical, self.stack.resources.get(change.logical), self._now()
        if logical in self.handlers.failing:
            raise failure("GeneralServiceException", self.handlers.failing.pop(logical))
        wanted = await self._with_secrets(self._with_tags(kind, properties))
        if change.action == "Import":
            self.executor.check(self.guard, kind, "read", arn_of(generated(kind, "", properties, call)))
            identifier = await self.handlers.adopt(kind, properties, call)
        elif held and change.action == "Modify" and not _replaces(change, held, properties):
            identifier = held.identifier
            if any(each.attribute in ("Properties", "Tags") for each in change.details):
                self.executor.check(self.guard, kind, "update", arn_of(held.attributes), wanted)
                live = await self.handlers.read(kind, identifier, call)
                await self.handlers.update(kind, identifier, wanted, call)
                self._undo.append(Undo(logical=logical, act=lambda: self._change_back(held, live)))
        else:
            identifier = await self._create(change, kind, wanted, held)
        model = self.handlers.resources.find(kind.name, identifier) or {}
        attributes = {"Ref": reference_of(kind, model), **model}
        self.stack.resources[logical] = StackResource(
            logical=logical,
            kind=kind,
            block=block,
            properties=properties,
            identifier=identifier,
            attributes=attributes,
            changed=call.now,
        )
        if change.action == "Add" or (held and held.identifier != identifier):
            self._made.append(self.stack.resources[logical])

    async def _create(
        self, change: StackChange, kind: ResourceKind, wanted: Mapping[str, Any], held: StackResource | None
    ) -> str:
        name = f"{self.stack.name}-{change.logical}-{secrets.token_hex(6).upper()}"
        self.executor.check(self.guard, kind, "create", arn_of(generated(kind, name, wanted, self._now())), wanted)
        try:
            identifier = await self.handlers.create(kind, name, wanted, self._now())
        except AwsError as error:
            if held and error.code == "AlreadyExists" and change.action == "Modify":
                raise failure("InvalidRequest", _RENAME.format(name=held.physical)) from error
            raise
        if held and change.action == "Modify":
            self._old.append((held, "UpdateReplacePolicy"))
        return identifier

    async def _change_back(self, held: StackResource, live: Mapping[str, Any] | None) -> None:
        """Give a resource its earlier properties: those of the last deployment or, where drift is known, the actual ones."""
        self._record(held.subject, "UPDATE_IN_PROGRESS")
        await self.clock.sleep(_SECONDS)
        try:
            self._check_script(held.logical)
            known = {key: (live or {}).get(key, value) for key, value in held.properties.items()}
            before = known if self.change_set.mode else held.properties
            wanted = await self._with_secrets(self._with_tags(held.kind, before))
            await self.handlers.update(held.kind, held.identifier, wanted, self._now())
        except AwsError as error:
            self._record(held.subject, "UPDATE_FAILED", error.message)
            raise
        self._record(held.subject, "UPDATE_COMPLETE")

    async def _roll_back(self, reason: str) -> None:
        prefix = "" if self.creating else "UPDATE_"
        events = self.stack.events[self._began :]
        failed = [event["LogicalResourceId"] for event in events if event["ResourceStatus"].endswith("_FAILED")]
        verb = "create" if self.creating else "update"
        summary = f"The following resource(s) failed to {verb}: [{', '.join(dict.fromkeys(failed))}]. "
        self._enter(f"{prefix}ROLLBACK_IN_PROGRESS", summary if failed else reason)
        await (self._undo_creation() if self.creating else self._undo_update())

    async def _undo_creation(self) -> None:
        left = {}
        for held in reversed(self._made):
            if held.policy("DeletionPolicy") == "Retain":
                self._record(held.subject, "DELETE_SKIPPED")
                continue
            try:
                await self.delete(held)
            except AwsError:
                left[held.logical] = held
        self.stack.resources = left
        if left:
            self._enter("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{', '.join(left)}]. ")
        else:
            self._enter("ROLLBACK_COMPLETE")

    async def _undo_update(self) -> None:
        failed = []
        for step in reversed(self._undo):
            try:
                await step.act()
            except AwsError:
                failed.append(step)
        self._undo = failed[::-1]
        if failed:
            names = ", ".join(step.logical for step in failed)
            self.stack.rollback = self.roll_back_again
            self._enter("UPDATE_ROLLBACK_FAILED", f"The following resource(s) failed to update: [{names}]. ")
            return
        if self._made:
            self._enter("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        await self._clean([(held, "") for held in reversed(self._made)])
        self.stack.resources, self.stack.rollback = self._before, None
        self._enter("UPDATE_ROLLBACK_COMPLETE")

    async def _clean(self, old: Sequence[tuple[StackResource, str]]) -> None:
        """Delete resources that no longer belong to the stack. Those that cannot be deleted stay in the account [G]."""
        for held, policy in old:
            if policy and held.retained(policy):
                self._record(held.subject, "DELETE_SKIPPED")
                continue
            try:
                await self.delete(held, snapshot=bool(policy) and held.policy(policy) == "Snapshot")
            except AwsError:
                continue

    def _keep(self, outputs: dict[str, Any]) -> None:
        stack, change_set = self.stack, self.change_set
        stack.template, stack.outputs = change_set.template, outputs
        stack.tags, stack.capabilities = change_set.tags, change_set.capabilities
        order = in_order(change_set.template.resources)
        stack.resources = {name: stack.resources[name] for name in order if name in stack.resources}
        stack.drifts = {}

    def _outputs(self) -> dict[str, Any]:
        """Evaluate the outputs. Raise AwsError when another stack uses an export that would disappear or change."""
        template, made = self.change_set.template, self.stack.made()
        outputs = {name: template.resolve(output, made) for name, output in template.outputs.items()}
        exports = exports_of(outputs)
        for name, value in self.stack.exports.items():
            if exports.get(name) != value and (users := self.users(name)):
                raise AwsError("ValidationError", in_use(name, "updated" if name in exports else "deleted", users))
        return outputs

    def _with_tags(self, kind: ResourceKind, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add the stack's tags to a resource's own tags, which take precedence."""
        if not kind.tags or not self.change_set.tags:
            return properties
        if kind.values["properties"][kind.tags].get("type") != "array":
            tags: Any = {tag["Key"]: tag["Value"] for tag in self.change_set.tags}
            return {**properties, kind.tags: tags | properties.get(kind.tags, {})}
        own = list(properties.get(kind.tags, []))
        named = {tag.get("Key") for tag in own}
        return {**properties, kind.tags: own + [tag for tag in self.change_set.tags if tag["Key"] not in named]}

    async def _with_secrets(self, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace dynamic references by the secrets' values. Raise AwsError when there is no such secret."""
        found = {each[0]: each[1] for each in _SECRET.finditer(json.dumps(properties))}
        values = {text: await self.handlers.secret(named, self._now()) for text, named in found.items()}
        filled: Mapping[str, Any] = _replaced(properties, values)
        return filled


def in_use(export: str, verb: str, users: Sequence[str]) -> str:
    return f"Export {export} cannot be {verb} as it is in use by {' and '.join(users)}"  # [F]


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _SECRET.sub(lambda found: texts[found[0]], value)
        case Mapping():
            return {key: _replaced(item, texts) for key, item in value.items()}
        case list():
            return [_replaced(item, texts) for item in value]
        case _:
            return value


def _replaces(change: StackChange, held: StackResource, properties: Mapping[str, Any]) -> bool:
    """Return whether the actual values require a new resource."""
    paths = changed_paths(held.properties, properties)
    return change.replacement == "True" or any(held.kind.recreation(path) == "Always" for path in paths)


def _newest_first(resources: Mapping[str, StackResource]) -> list[str]:
    """Return resources in the order of deletion: each before those to which it refers."""
    return in_order({name: held.block for name, held in resources.items()})[::-1]
