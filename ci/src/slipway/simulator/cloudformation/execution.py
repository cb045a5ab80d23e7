"""A change set being executed: resource by resource, each with its events; what fails is taken back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from slipway.simulator.call import Call
from slipway.simulator.clock import Clock
from slipway.simulator.cloudformation.kinds import Account
from slipway.simulator.cloudformation.stack import Change, ChangeSet, Held, Stack, Told
from slipway.simulator.cloudformation.template import in_order, resolved
from slipway.simulator.contract import AwsError

_SECONDS = 2.0  # for one resource
_CANCELLED = "Resource creation cancelled"


@dataclass(kw_only=True)
class Execution:
    """Of one change set; `creating` tells a first one from those that follow."""

    account: Account
    clock: Clock
    stack: Stack
    change_set: ChangeSet
    call: Call
    token: str | None
    creating: bool

    def __post_init__(self) -> None:
        self._before = dict(self.stack.resources)
        self._undo: list[Callable[[], Awaitable[None]]] = []
        self._old: list[Held] = []

    async def run(self) -> None:
        verb = "CREATE" if self.creating else "UPDATE"
        try:
            await self._make()
        except AwsError as error:
            await self._take_back(error.message)
            return
        self._become(f"{verb}_COMPLETE_CLEANUP_IN_PROGRESS" if self._old and not self.creating else "")
        for held in self._old:
            await self.account.unmake(held.kind, held.properties, held.made, self._now())
        self._keep()
        self._become(f"{verb}_COMPLETE")

    async def _make(self) -> None:
        changes = {change.logical: change for change in self.change_set.changes}
        order = [name for name in in_order(self.change_set.template) if name in changes]
        for position, logical in enumerate(order):
            try:
                await self._one(changes[logical])
            except AwsError:
                for other in order[position + 1 :]:
                    if changes[other].action == "Add":
                        self._tell(changes[other], "CREATE_FAILED", _CANCELLED)
                raise
        for change in changes.values():
            if change.action == "Remove":
                await self._remove(change)

    async def _one(self, change: Change) -> None:
        template = self.change_set.template["Resources"][change.logical]
        words = {"Add": "CREATE", "Modify": "UPDATE", "Import": "IMPORT"}[change.action]
        self._tell(change, f"{words}_IN_PROGRESS")
        await self.clock.sleep(_SECONDS)
        call = self._now()
        try:
            made = {name: held.made for name, held in self.stack.resources.items()}
            properties = resolved(template.get("Properties", {}), made, call)
            before = self.stack.resources.get(change.logical)
            if change.action == "Import":
                attributes = await self.account.adopt(change.kind, properties, call)
            elif before and change.replacement != "True":
                await self.account.change(change.kind, properties, call)
                attributes = dict(before.made)
            else:
                attributes = await self.account.make(change.logical, change.kind, properties, call)
                self._undo.append(lambda: self.account.unmake(change.kind, properties, attributes, self._now()))
                self._old += [before] if before and not before.retained else []
        except AwsError as error:
            self._tell(change, f"{words}_FAILED", error.message)
            raise
        self.stack.resources[change.logical] = Held(change.kind, template, properties, attributes)
        self._tell(replace(change, physical=attributes["Ref"]), f"{words}_COMPLETE")

    async def _remove(self, change: Change) -> None:
        held = self.stack.resources.pop(change.logical)
        if held.retained:
            self._tell(change, "DELETE_SKIPPED")
        else:
            self._old.append(held)
            self._tell(change, "DELETE_COMPLETE")

    async def _take_back(self, reason: str) -> None:
        prefix = "" if self.creating else "UPDATE_"
        failed = [
            event["LogicalResourceId"] for event in self.stack.events if event["ResourceStatus"].endswith("_FAILED")
        ]
        said = f"The following resource(s) failed to create: [{', '.join(dict.fromkeys(failed))}]. "
        self._become(f"{prefix}ROLLBACK_IN_PROGRESS", said if failed else reason)
        for undo in reversed(self._undo):
            await self.clock.sleep(_SECONDS)
            await undo()
        self.stack.resources = self._before
        self._become(f"{prefix}ROLLBACK_COMPLETE")

    def _keep(self) -> None:
        stack, change_set = self.stack, self.change_set
        made = {name: held.made for name, held in stack.resources.items()}
        stack.template, stack.body = change_set.template, change_set.body
        stack.tags, stack.capabilities = change_set.tags, change_set.capabilities
        stack.outputs = resolved(dict(change_set.template.get("Outputs", {})), made, self._now())

    def _become(self, status: str, reason: str | None = None) -> None:
        if status:
            self.stack.become(self.clock.now(), status, self.token, reason)

    def _tell(self, change: Change, status: str, reason: str | None = None) -> None:
        physical = change.physical or ""
        self.stack.tell(
            self.clock.now(),
            Told(
                logical=change.logical,
                kind=change.kind,
                status=status,
                physical=physical,
                reason=reason,
                token=self.token,
            ),
        )

    def _now(self) -> Call:
        return replace(self.call, now=self.clock.now())
