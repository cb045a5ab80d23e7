"""Outcome: the truth about a deployment, with the evidence for it."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Status(Enum):
    """How it ended. The exit code is 0 if and only if the requested digest is live and healthy."""

    SUCCEEDED = "SUCCEEDED"
    NOOP = "NOOP"
    ROLLED_BACK = "ROLLED_BACK"
    CREATE_FAILED = "CREATE_FAILED"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"
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


@dataclass(frozen=True)
class Outcome:
    """What was asked for and what is live now; `seconds` are the platform's."""

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
