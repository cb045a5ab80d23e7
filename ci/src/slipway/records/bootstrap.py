"""Bootstrap: what the stacks of an environment would change in an account, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar


class Result(Enum):
    """How a stack stands: as it should be, to be made, made, or not made."""

    UNCHANGED = "unchanged"
    PROPOSED = "proposed"
    APPLIED = "applied"
    FAILED = "failed"

    @property
    def is_well(self) -> bool:
        return self is not Result.FAILED


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One resource. `action` and `replacement` ("True", "False", "Conditional", or empty) are CloudFormation's words; `physical` is empty before it is made."""

    action: str
    name: str
    kind: str
    physical: str = ""
    replacement: str = ""


@dataclass(frozen=True)
class Failure:
    """A resource that could not be made, and the platform's reason (untrusted text)."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StackChange:
    """One stack. `is_new` says that it was not there; `outputs` are what to write elsewhere, by where."""

    stack: str
    region: str
    result: Result
    is_new: bool
    changes: tuple[ResourceChange, ...] = ()
    failures: tuple[Failure, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bootstrap:
    """All stacks of an environment, in the order in which they are made."""

    SCHEMA: ClassVar[str] = "slipway/bootstrap/1"

    environment: str
    stacks: tuple[StackChange, ...]


@dataclass(frozen=True)
class Permissions:
    """`policy` is the IAM policy document as the text of its JSON, as IAM takes it; `verbs` are those that it is for."""

    SCHEMA: ClassVar[str] = "slipway/permissions/1"

    environment: str
    verbs: tuple[str, ...]
    policy: str
