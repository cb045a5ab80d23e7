"""A comparison of a stack with a template: which resources and properties change, and whether they are replaced [G]."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from slipway.resource_kinds import kinds
from slipway.simulator.cloudformation.handlers import is_named
from slipway.simulator.cloudformation.stack import DIRECT, ChangeDetail, SimulatedStack, StackChange, StackResource
from slipway.simulator.cloudformation.template import Template, in_order, is_open, references
from slipway.simulator.cloudformation.values import changed_paths, differences, is_same
from slipway.simulator.resources import Model

_ATTRIBUTES = ("CreationPolicy", "DeletionPolicy", "Metadata", "UpdatePolicy", "UpdateReplacePolicy")
_POLICIES = {"Delete": "Delete", "Snapshot": "Snapshot", "Retain": "Retain", "RetainExceptOnCreate": "Retain"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of a stack with a template. `live` are the resources as they are, for a drift-aware change set."""

    stack: SimulatedStack
    template: Template
    tags: list[Mapping[str, str]]
    now: datetime
    existing: frozenset[str] = frozenset()  # new resources that already exist and are adopted
    live: Mapping[str, Model | None] | None = None

    def changes(self) -> list[StackChange]:
        wanted = self.template.resources
        made = self.stack.made()
        changes: dict[str, StackChange] = {}
        for name in in_order(wanted):
            change = self._change(name, wanted[name], made, changes)
            if change:
                changes[name] = change
            if change and change.replacement != "False":
                made.pop(name, None)
        kept = [changes[name] for name in wanted if name in changes]
        return [*kept, *(_removal(held) for name, held in self.stack.resources.items() if name not in wanted)]

    def _change(
        self,
        name: str,
        block: Mapping[str, Any],
        made: Mapping[str, Mapping[str, Any]],
        earlier: Mapping[str, StackChange],
    ) -> StackChange | None:
        kind, held = kinds()[block["Type"]], self.stack.resources.get(name)
        after = self.template.resolve(block.get("Properties", {}), made)
        drift = self._drift(held) if held else None
        if held is None or held.kind is not kind or drift == "DELETED":
            action = "Import" if name in self.existing else "Add"
            physical = after[kind.identifier[0]] if action == "Import" and is_named(kind, after) else None
            return StackChange(
                action=action, logical=name, kind=kind.name, physical=physical, drift=drift, contexts=(None, after)
            )
        details = tuple(self._details(held, block, after, earlier))
        if not details:
            return None
        change = StackChange(
            action="Modify",
            logical=name,
            kind=kind.name,
            physical=held.physical,
            details=details,
            drift=drift,
            contexts=(held.properties, after),
        )
        if change.replacement == "False":
            return change
        policy = f"ReplaceAnd{_POLICIES[held.policy('UpdateReplacePolicy')]}"
        return replace(change, policy=policy)

    def _drift(self, held: StackResource) -> str | None:
        if self.live is None or not held.kind.has_drift_detection:
            return None if self.live is None else "UNSUPPORTED"
        actual = self.live.get(held.logical)
        if actual is None:
            return "DELETED"
        return "MODIFIED" if differences(held.kind, held.properties, actual) else "IN_SYNC"

    def _details(
        self,
        held: StackResource,
        block: Mapping[str, Any],
        after: Mapping[str, Any],
        earlier: Mapping[str, StackChange],
    ) -> Iterator[ChangeDetail]:
        kind, drifted = held.kind, self._drifted(held)
        before = {**held.properties, **drifted}
        roots = {path.partition("/")[0] for path in changed_paths(before, after)}
        for path in dict.fromkeys(changed_paths(before, after)):
            root = path.partition("/")[0]
            source, cause = self._source(held, block, root)
            yield ChangeDetail(
                attribute="Tags" if root == kind.tags else "Properties",
                path=path,
                recreation=kind.recreation(path),
                source=source,
                cause=cause,
                dynamic=is_open(after.get(root)),
                before=_at(before, path),
                after=_at(after, path),
                drifted=(held.properties.get(root), drifted[root], self.now) if root in drifted else None,
            )
        for root, cause in _attributes(block, earlier):
            if root not in roots:  # the value may change together with that resource
                yield ChangeDetail(
                    attribute="Properties",
                    path=root,
                    recreation=kind.recreation(root),
                    source="ResourceAttribute",
                    cause=cause,
                    dynamic=True,
                    before=before.get(root),
                    after=after.get(root),
                )
        if kind.tags and kind.tags not in roots and not is_same(self.stack.tags, self.tags):
            yield ChangeDetail(
                attribute="Tags",
                path=kind.tags,
                recreation=kind.recreation(kind.tags),
                before=self.stack.tags,
                after=self.tags,
            )
        for name in _ATTRIBUTES:
            if not is_same(held.block.get(name), block.get(name)):
                yield ChangeDetail(attribute=name, path="", before=held.block.get(name), after=block.get(name))

    def _drifted(self, held: StackResource) -> dict[str, Any]:
        """Return the actual values of the properties that have drifted."""
        actual = (self.live or {}).get(held.logical)
        if actual is None:
            return {}
        found = differences(held.kind, held.properties, actual)
        return {root: actual.get(root) for root in {each.path.split("/")[1] for each in found}}

    def _source(self, held: StackResource, block: Mapping[str, Any], root: str) -> tuple[str | None, str | None]:
        """Return the cause of a property's change: its text in the template, or another resource."""
        value = block.get("Properties", {}).get(root)
        if held.block.get("Properties", {}).get(root) != value:
            return DIRECT, None
        names = list(references(value))
        for name, attribute in names:
            if name in self.template.resources:
                return ("ResourceAttribute", f"{name}.{attribute}") if attribute else ("ResourceReference", name)
        return DIRECT, None


def _attributes(block: Mapping[str, Any], resources: Container[str]) -> Iterator[tuple[str, str]]:
    """Yield each property that refers to an attribute of one of these resources, with the attribute."""
    for root, value in block.get("Properties", {}).items():
        for name, attribute in references(value):
            if attribute and name in resources:
                yield root, f"{name}.{attribute}"


def _removal(held: StackResource) -> StackChange:
    policy = _POLICIES[held.policy("DeletionPolicy")]
    return StackChange(
        action="Remove",
        logical=held.logical,
        kind=held.kind.name,
        physical=held.physical,
        policy=policy,
        contexts=(held.properties, None),
    )


def _at(value: Any, path: str) -> Any:
    for part in path.split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
