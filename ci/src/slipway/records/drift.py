"""Drift of an account: the differences between its resources and the templates of their stacks."""

from dataclasses import dataclass

from slipway.records.bootstrap import DatabaseChange, Result
from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class PropertyDrift:
    """A property that differs from the template, or a deleted resource, for which `path` is empty.

    - name, kind: the resource's name and kind in the template.
    - physical: the resource's id in the account.
    - path: the property's path, such as /SecurityGroupIngress/0/CidrIp.
    - expected, actual: both values, as JSON text; untrusted.
    """

    name: str
    kind: str
    physical: str
    path: str
    expected: str
    actual: str


@dataclass(frozen=True, kw_only=True)
class StackDrift:
    """The drift of one stack.

    - unchecked: the resources, with their kinds, that CloudFormation cannot compare.
    - unapplied: the differences between the settings and the template that was applied, one sentence each.
    """

    stack: str
    region: str
    differences: tuple[PropertyDrift, ...] = ()
    unchecked: tuple[str, ...] = ()
    unapplied: tuple[str, ...] = ()
    is_missing: bool = False


@dataclass(frozen=True, kw_only=True)
class AccountDrift(Record, schema="slipway/account-drift/1"):
    """The drift of an environment's stacks, and of the roles and privileges in its database.

    - breaches: how the database or the private services can be reached from places that should not reach them.
    - database: the differences in the database's roles and privileges. Its result is WAITING when they could not be
      read; None when bootstrap created no database.
    """

    environment: str
    stacks: tuple[StackDrift, ...]
    breaches: tuple[str, ...] = ()
    not_covered: str = ""
    database: DatabaseChange | None = None

    @property
    def is_clean(self) -> bool:
        return self.is_as_applied and not any(stack.unapplied for stack in self.stacks)

    @property
    def is_as_applied(self) -> bool:
        """Whether the account matches the templates as applied, even if the settings differ."""
        has_drift = any(stack.differences or stack.is_missing for stack in self.stacks)
        is_right = self.database is None or self.database.result in {Result.UNCHANGED, Result.WAITING}
        return is_right and not self.breaches and not has_drift
