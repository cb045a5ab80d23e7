"""The execution of a change set: resource by resource, with events, and a rollback after a failure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.kinds import SimulatedResources
from slipway.simulator.cloudformation.stack import (
    SimulatedChangeSet,
    SimulatedStack,
    StackChange,
    StackResource,
    in_order,
    resolved,
)
from slipway.simulator.contract import AwsError, Call

_SECONDS = 2.0  # for one resource
_CANCELLED = "Resource creation cancelled"


@dataclass(kw_only=True)
class Execution:
    """The execution of one change set."""

    resources: SimulatedResources
    clock: Clock
    stack: SimulatedStack
    change_set: SimulatedChangeSet
    call: Call
    creating: bool  # whether it creates the stack

    def __post_init__(self) -> None:
        self._before = dict(self.stack.resources)
        self._undo: list[Callable[[], Awaitable[None]]] = []
        self._old: list[StackResource] = []

    async def run(self) -> None:
        verb = "CREATE" if self.creating else "UPDATE"
        try:
            await self._apply()
        except AwsError as error:
            await self._roll_back(error.message)
            return
        if self._old and not self.creating:
            self._enter(f"{verb}_COMPLETE_CLEANUP_IN_PROGRESS")
        for held in self._old:
            await self.resources.unmake(held, self._now())
        self._keep()
        self._enter(f"{verb}_COMPLETE")

    async def _apply(self) -> None:
        changes = {change.logical: change for change in self.change_set.changes}
        order = [name for name in in_order(self.change_set.template) if name in changes]
        for position, logical in enumerate(order):
            try:
                await self._one(changes[logical])
            except AwsError:
                for other in order[position + 1 :]:
                    if changes[other].action == "Add":
                        self._record(changes[other], "CREATE_FAILED", _CANCELLED)
                raise
        for change in changes.values():
            if change.action == "Remove":
                await self._remove(change)

    async def _one(self, change: StackChange) -> None:
        template = self.change_set.template["Resources"][change.logical]
        verb = {"Add": "CREATE", "Modify": "UPDATE", "Import": "IMPORT"}[change.action]
        self._record(change, f"{verb}_IN_PROGRESS")
        await self.clock.sleep(_SECONDS)
        call = self._now()
        try:
            made = {name: held.made for name, held in self.stack.resources.items()}
            properties = resolved(template.get("Properties", {}), made, call)
            before = self.stack.resources.get(change.logical)
            if change.action == "Import":
                attributes = await self.resources.adopt(change.kind, properties, call)
            elif before and change.replacement != "True":
                await self.resources.change(change.kind, properties, call)
                attributes = dict(before.made)
            else:
                attributes = await self.resources.make(change.logical, change.kind, properties, call)
                made_now = StackResource(change.kind, template, properties, attributes)
                self._undo.append(lambda: self.resources.unmake(made_now, self._now()))
                self._old += [before] if before and not before.retained else []
        except AwsError as error:
            self._record(change, f"{verb}_FAILED", error.message)
            raise
        self.stack.resources[change.logical] = StackResource(change.kind, template, properties, attributes)
        self._record(replace(change, physical=attributes["Ref"]), f"{verb}_COMPLETE")

    async def _remove(self, change: StackChange) -> None:
        held = self.stack.resources.pop(change.logical)
        if held.retained:
            self._record(change, "DELETE_SKIPPED")
        else:
            self._old.append(held)
            self._record(change, "DELETE_COMPLETE")

    async def _roll_back(self, reason: str) -> None:
        prefix = "" if self.creating else "UPDATE_"
        failed = [
            event["LogicalResourceId"] for event in self.stack.events if event["ResourceStatus"].endswith("_FAILED")
        ]
        summary = f"The following resource(s) failed to create: [{', '.join(dict.fromkeys(failed))}]. "
        self._enter(f"{prefix}ROLLBACK_IN_PROGRESS", summary if failed else reason)
        for undo in reversed(self._undo):
            await self.clock.sleep(_SECONDS)
            await undo()
        self.stack.resources = self._before
        self._enter(f"{prefix}ROLLBACK_COMPLETE")

    def _keep(self) -> None:
        stack, change_set = self.stack, self.change_set
        made = {name: held.made for name, held in stack.resources.items()}
        stack.template, stack.body = change_set.template, change_set.body
        stack.tags, stack.capabilities = change_set.tags, change_set.capabilities
        stack.outputs = resolved(dict(change_set.template.get("Outputs", {})), made, self._now())

    def _enter(self, status: str, reason: str | None = None) -> None:
        self.stack.enter(self.clock.now(), status, reason)

    def _record(self, change: StackChange, status: str, reason: str | None = None) -> None:
        self.stack.record(self.clock.now(), change, status, reason)

    def _now(self) -> Call:
        return replace(self.call, now=self.clock.now())
