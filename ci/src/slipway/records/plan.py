"""Plan: the difference between an observed and a desired service; saved, reviewed, applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from slipway.records.form import Record

HASHED = "pbkdf2:"  # how the hash of a variable's value begins


class Action(Enum):
    """The kinds of plans."""

    NOOP = "noop"
    CREATE = "create"
    UPDATE = "update"
    REBUILD = "rebuild"  # over the remains of a failed creation
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    BLOCKED = "blocked"


class State(Enum):
    """A service's state, the same for every target; platforms' own words differ: ECS calls both live and failing services ACTIVE."""

    ABSENT = "absent"
    LIVE = "live"  # it serves, no operation is in progress
    BUSY = "busy"  # an operation is in progress
    CREATE_FAILED = "create failed"  # an update creates it again; there is no older release to roll back to
    PAUSED = "paused"
    DELETE_FAILED = "delete failed"  # needs a person
    UNKNOWN = "unknown"  # a status that the platform's API model lacks


@dataclass(frozen=True, kw_only=True)
class Observed(Record, schema="slipway/observed/1"):
    """A service as the platform reports it, normalised.

    - status: the platform's own word, for people; None without a service. state: the same for programs.
    - digest: of the only serving image; None when it is deployed by tag, or while two images share the traffic.
    - fields: its configuration by the plan's names; values of variables only as hashes.
    - operation: in progress, or None.
    - inherited: fields that an update can change but not remove. private: whether only a VPC reaches it.
    - shares: the percentage of the traffic of each digest, while two share it; empty otherwise.
    """

    arn: str | None = None
    url: str | None = None
    status: str | None = None
    digest: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    operation: str | None = None
    inherited: tuple[str, ...] = ()
    private: bool = False
    state: State = State.ABSENT
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def main_digest(self) -> str | None:
        """The digest that answers alone, or most of the requests."""
        return self.digest or max(self.shares, key=lambda digest: self.shares[digest], default=None)


@dataclass(frozen=True)
class FieldChange:
    """One field before and after; None when it is absent."""

    name: str
    before: str | None
    after: str | None

    @property
    def shown(self) -> str:
        """`cpu: 256 -> 512`, or `variable COLOUR: another value`, as only hashes of values are known; untrusted text."""
        if any(value and value.startswith(HASHED) for value in (self.before, self.after)):
            return f"{self.name}: {'added' if not self.before else 'another value' if self.after else 'removed'}"
        return f"{self.name}: {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, kw_only=True)
class Plan(Record, schema="slipway/plan/1"):
    """The changes to a service.

    - image: empty for commands without one, such as pause. fingerprint: of the observed state that the plan was made from.
    - reason: why the plan is blocked, otherwise empty. notes: facts that a reader should weigh.
    """

    environment: str
    service: str
    image: str
    action: Action
    changes: tuple[FieldChange, ...]
    fingerprint: str
    reason: str = ""
    notes: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[str, ...]:
        """The changes to a service that exists, besides its image, in words without values of variables."""
        return (
            tuple(change.shown for change in self.changes if change.name != "image")
            if self.action is Action.UPDATE
            else ()
        )
