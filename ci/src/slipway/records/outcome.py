"""Outcome: the truth about a run that was to change a service, with the evidence for it."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from slipway.records.migration import Migration


class Verb(Enum):
    """What somebody wanted of a service."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    PAUSE = "pause"
    RESUME = "resume"
    DESTROY = "destroy"


class Status(Enum):
    """How it ended. The exit code is 0 if and only if what was asked for is true: for a release, that its digest is live and healthy."""

    SUCCEEDED = "SUCCEEDED"
    NOOP = "NOOP"
    ROLLED_BACK = "ROLLED_BACK"
    CREATE_FAILED = "CREATE_FAILED"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
    FAILED = "FAILED"  # what is no release: a pause, a resumption, a deletion
    SUPERSEDED = "SUPERSEDED"
    REFUSED = "REFUSED"
    UNKNOWN = "UNKNOWN"

    @property
    def exit_code(self) -> int:
        if self in (Status.SUCCEEDED, Status.NOOP):
            return 0
        return 3 if self is Status.UNKNOWN else 1


@dataclass(frozen=True)
class Diagnosis:
    """Why it failed: a rule's cause, the lines it rests on (untrusted text), and what to do."""

    rule: str
    cause: str
    lines: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was asked for and what is live now.

    - requested: the digest; empty where none is meant. live: the digest that answers, or None.
    - seconds: the platform's. number: the deployment's in the ledger, None when it never got one.
    - migration: what happened to the database on the way, whatever became of the release afterwards.
    """

    SCHEMA: ClassVar[str] = "slipway/outcome/1"

    environment: str
    service: str
    status: Status
    requested: str
    live: str | None
    url: str | None
    seconds: float
    operation: str | None = None
    diagnosis: Diagnosis | None = None
    verb: Verb = Verb.DEPLOY
    number: int | None = None
    migration: Migration | None = None


NOTHING = "nothing has been changed, or there is no service any more"


@dataclass(frozen=True)
class Examination:
    """`operation` is the platform's, None when there was none; `ending` how it ended, in our words; `diagnosis` why, when it did not go well."""

    SCHEMA: ClassVar[str] = "slipway/examination/1"

    environment: str
    operation: str | None
    ending: str
    diagnosis: Diagnosis | None = None

    @property
    def exit_code(self) -> int:
        """As of an outcome: 0 when it went well, 1 when it did not, 3 while nobody knows."""
        if self.ending in ("succeeded", NOTHING):
            return 0
        return 3 if self.ending in ("in flight", "unknown") else 1
