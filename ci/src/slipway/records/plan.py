"""Plan: the difference between an observed and a desired service; saved, reviewed, applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from slipway.records.form import Record

HASHED = "pbkdf2:"  # prefix of the hash of a variable's value


class Action(Enum):
    """The kinds of plans."""

    NOOP = "noop"
    CREATE = "create"
    UPDATE = "update"
    REBUILD = "rebuild"  # replace the remains of a creation that failed
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    BLOCKED = "blocked"


class State(Enum):
    """A service's state, in the same words for every target.

    The platforms' words differ: ECS calls live and failing services ACTIVE.
    """

    ABSENT = "absent"
    LIVE = "live"  # the service runs, and no operation is in progress
    BUSY = "busy"  # an operation is in progress
    CREATE_FAILED = "create failed"  # an update creates the service again; it has no older release to roll back to
    PAUSED = "paused"
    DELETE_FAILED = "delete failed"  # a person must act
    UNKNOWN = "unknown"  # the platform reports a status that boto3's model of its API lacks


@dataclass(frozen=True, kw_only=True)
class Observed(Record, schema="slipway/observed/1"):
    """A service as the platform reports it, in the same form for every target.

    - status: the platform's own word, for people; None without a service.
    - state: the same fact for programs.
    - digest: the digest of the only serving image; None when the service runs an image by its tag, or while two images
      share the traffic.
    - fields: the service's configuration, by the names that a plan uses; values of variables only as hashes.
    - operation: the operation in progress, or None.
    - inherited: fields that an update can change but not remove.
    - private: whether only a VPC can reach the service.
    - shares: while two images share the traffic, the percentage of each digest; otherwise empty.
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
        """The digest that answers all or most of the requests."""
        return self.digest or max(self.shares, key=lambda digest: self.shares[digest], default=None)


@dataclass(frozen=True)
class FieldChange:
    """One field before and after; None when it is absent."""

    name: str
    before: str | None
    after: str | None

    @property
    def shown(self) -> str:
        """The change in words: `cpu: 256 -> 512`, or `variable COLOUR: another value` because only hashes of values are known.

        Untrusted text.
        """
        if any(value and value.startswith(HASHED) for value in (self.before, self.after)):
            return f"{self.name}: {'added' if not self.before else 'another value' if self.after else 'removed'}"
        return f"{self.name}: {self.before or 'none'} -> {self.after or 'none'}"


@dataclass(frozen=True, kw_only=True)
class Plan(Record, schema="slipway/plan/1"):
    """The changes to a service.

    - image: empty for commands without an image, such as pause.
    - fingerprint: hash of the observed state from which the plan was made.
    - reason: why the plan is blocked, otherwise empty.
    - notes: facts that a reviewer should consider.
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
        """The changes of an existing service besides its image, in words, without values of variables."""
        return (
            tuple(change.shown for change in self.changes if change.name != "image")
            if self.action is Action.UPDATE
            else ()
        )
