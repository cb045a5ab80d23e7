"""Bootstrap: the stacks of an environment, and what they change in an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from slipway.records.form import Record


class Result(Enum):
    """The result for one stack."""

    UNCHANGED = "unchanged"
    PROPOSED = "proposed"
    APPLIED = "applied"
    FAILED = "failed"

    @property
    def is_well(self) -> bool:
        return self is not Result.FAILED


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """The change of one resource.

    - action, replacement: as CloudFormation reports them; replacement is "True", "False", "Conditional" or empty.
    - physical: its id in the account, empty before it exists.
    """

    action: str
    name: str
    kind: str
    physical: str = ""
    replacement: str = ""


@dataclass(frozen=True)
class ResourceFailure:
    """A resource that CloudFormation could not create; `reason` is untrusted text."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """One stack; `outputs` maps the place where a value belongs, such as a setting, to the value."""

    stack: str
    region: str
    result: Result
    is_new: bool
    changes: tuple[ResourceChange, ...] = ()
    failures: tuple[ResourceFailure, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bootstrap(Record, schema="slipway/bootstrap/1"):
    """All stacks of an environment in the order of their creation."""

    environment: str
    stacks: tuple[StackChange, ...]


@dataclass(frozen=True)
class Permissions(Record, schema="slipway/permissions/1"):
    """The IAM policy document that `verbs` need, as JSON text."""

    environment: str
    verbs: tuple[str, ...]
    policy: str
