"""Losses through a change of stacks: contents of resources, and resources of a shared stack that other services use."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from slipway.errors import RefusalsError, RefusedError
from slipway.records.bootstrap import ResourceChange, StackChange, ValueChange
from slipway.release.bootstrap.isolation import named as resource_of
from slipway.release.bootstrap.template import StackTemplate

_SAME = "write the same network, database and migrations.postgres as those services into these settings"


@dataclass(frozen=True, kw_only=True)
class SharedChange:
    """The change of a shared stack.

    - named: the resources, and properties as RESOURCE.PROPERTY, that the caller allows to be lost or changed.
    - imports: the stacks that import from this stack, by export.
    - ours: the exports that each stack of this service will import.
    - agreed: stacks of services whose settings describe the same network and database.
    """

    environment: str
    stack: StackTemplate
    proposal: StackChange
    named: Sequence[str]
    imports: Mapping[str, Collection[str]]
    ours: Mapping[str, Collection[str]]
    agreed: Collection[str]

    def check(self) -> None:
        """Raise RefusedError for losses or changes that affect other services, and for changes that AWS refuses."""
        for change in self.proposal.changes:
            if change.lowered:
                raise self._lowered(change, change.lowered)
        lost = [change.name for change in self.proposal.changes if change.is_taken]
        holders = sorted({user for export, user in self.given_up if user not in self.ours or export in self.ours[user]})
        if holders:
            where = f"--environment {self.environment}"
            raise RefusedError(
                f"these settings would replace or delete {', '.join(lost)} in the stack {self.stack.name}, which AWS refuses while "
                f"{', '.join(holders)} {'uses' if len(holders) == 1 else 'use'} it",
                f"write the applied values into the settings again (`slipway bootstrap {where} --drift` shows them), "
                f"or destroy the services of these stacks first: `slipway destroy {where} --everything`",
            )
        if self._users and (taken := [name for name in lost if name not in self.named]):
            raise self._refused(self._users, f"destroy {', '.join(taken)}", "if all of them are to lose it", taken)
        others = [name for name in self._users if name not in self.agreed]
        if others and (changed := self._changed):
            values = ", ".join(changed.values())
            raise self._refused(others, f"change {values}", "if the change is meant for all of them", changed)

    @property
    def given_up(self) -> set[tuple[str, str]]:
        """The exports that disappear or get another value, each with a stack that imports it."""
        replaced = {change.name for change in self.proposal.changes if change.replacement == "True"}
        kept = {export for export, name in exports(self.stack).items() if name not in replaced}
        return {(export, user) for export, users in self.imports.items() if export not in kept for user in users}

    @property
    def _users(self) -> list[str]:
        """The importing stacks of other services."""
        return sorted({user for users in self.imports.values() for user in users} - self.ours.keys())

    @property
    def _changed(self) -> dict[str, str]:
        """The properties that the settings change in place, as RESOURCE.PROPERTY, with both values.

        Properties in `named` are left out.
        """
        found = {
            f"{change.name}.{value.name}": f"{change.name} {value.told}"
            for change in self.proposal.changes
            for value in change.values
            if not (value.is_restored or change.is_taken)
        }
        return {name: told for name, told in found.items() if name not in self.named}

    def _refused(self, users: Sequence[str], loss: str, meant: str, names: Iterable[str]) -> RefusedError:
        return RefusedError(
            f"the stack {self.stack.name} is also used by {', '.join(users)}, and these settings would {loss} in it",
            f"{_SAME}; {meant}, pass {' '.join(f'--replace {name}' for name in names)} with --apply",
        )

    def _lowered(self, change: ResourceChange, value: ValueChange) -> RefusedError:
        present = value.before.partition(".")[0]
        if value.name == "EngineVersion":
            wanted, fate = f"postgres {value.after}", "downgrade"
            setting = f'postgres = "{present}" into [tool.slipway.migrations]'
        else:
            wanted, fate = f"{value.after} GB", "shrink"
            setting = f"storage = {present} into database of [tool.slipway.environments.{self.environment}]"
        also = f"; the stack {self.stack.name} is also used by {', '.join(self._users)}" if self._users else ""
        return RefusedError(
            f"the settings ask for {wanted}, and the server {change.physical} has {value.before}, which RDS cannot {fate}{also}",
            f"write {setting}",
        )


def exports(stack: StackTemplate) -> dict[str, str]:
    """Return the resource of each export in a template."""
    outputs = stack.template.get("Outputs", {}).values()
    return {each["Export"]["Name"]: resource_of(each["Value"]) for each in outputs if "Export" in each}


def check_losses(changes: Iterable[StackChange], named: Sequence[str]) -> None:
    """Raise an error with every resource that a change would destroy, except those in `named`."""
    refused = [
        RefusedError(f"the change of {stack.stack} {change.loss} {change.name} ({change.physical})", change.remedy)
        for stack in changes
        for change in stack.changes
        if change.loss and change.name not in named
    ]
    if refused:
        raise RefusalsError(refused)
