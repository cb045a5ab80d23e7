"""Plan: what would change, from what is observed and what is desired; made by a pure function, saved, reviewed, applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar


class Action(Enum):
    """What a plan does."""

    NOOP = "noop"
    CREATE = "create"
    UPDATE = "update"
    REBUILD = "rebuild"  # over what a failed creation left
    PAUSE = "pause"
    RESUME = "resume"
    DELETE = "delete"
    BLOCKED = "blocked"


class State(Enum):
    """What can be done with a service now. Targets say it, for the words of their platforms need not: ECS calls ACTIVE what lives and what fails."""

    ABSENT = "absent"
    LIVE = "live"  # it serves, and nothing goes on
    BUSY = "busy"  # something goes on; afterwards it is another state
    CREATE_FAILED = "create failed"  # its creation failed, so there is nothing to go back to; an update tries again
    PAUSED = "paused"
    DELETE_FAILED = "delete failed"  # a person has to look
    UNKNOWN = "unknown"  # the platform says a word that its model does not have


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What is there, normalised.

    - status: the platform's own word, for people; None when there is no service. state: what it comes to, for everything else.
    - digest: of the image that answers, and it alone; None when it is named by tag, and while two share the traffic.
    - fields: its configuration by the names that a plan uses; values of variables only as hashes.
    - operation: what is in flight, or None.
    - inherited: fields that an update can give another value and cannot take away.
    """

    SCHEMA: ClassVar[str] = "slipway/observed/1"

    arn: str | None = None
    url: str | None = None
    status: str | None = None
    digest: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    operation: str | None = None
    inherited: tuple[str, ...] = ()
    state: State = State.ABSENT


@dataclass(frozen=True)
class FieldChange:
    """One field; None stands for a field that is not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`fingerprint` names the observed state that the plan was made from; `reason` says why it is blocked.

    `image` is empty where none is meant: a service is paused or deleted whatever it runs. `notes` are facts that a reader should weigh.
    """

    SCHEMA: ClassVar[str] = "slipway/plan/1"

    environment: str
    service: str
    image: str
    action: Action
    changes: tuple[FieldChange, ...]
    fingerprint: str
    reason: str = ""
    notes: tuple[str, ...] = ()
