"""Drift of an account: what its resources are beside what the templates of their stacks say."""

from dataclasses import dataclass

from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class PropertyDrift:
    """A property that differs from the template, or with an empty `path` a resource that was deleted.

    - name, kind: of the resource, in the template. physical: its id in the account.
    - path: of the property, such as /SecurityGroupIngress/0/CidrIp.
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
    """The drift of one stack; `unchecked` are the resources, with their kinds, that CloudFormation cannot compare."""

    stack: str
    region: str
    differences: tuple[PropertyDrift, ...] = ()
    unchecked: tuple[str, ...] = ()
    is_missing: bool = False


@dataclass(frozen=True, kw_only=True)
class AccountDrift(Record, schema="slipway/account-drift/1"):
    """The drift of an environment's stacks. `breaches` are the ways in which its database is not isolated."""

    environment: str
    stacks: tuple[StackDrift, ...]
    breaches: tuple[str, ...] = ()
    not_covered: str = ""

    @property
    def is_clean(self) -> bool:
        return not self.breaches and not any(stack.differences or stack.is_missing for stack in self.stacks)
