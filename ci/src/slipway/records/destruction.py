"""Destruction: the deletion of a whole environment, what it keeps, and what of it is still billed."""

from dataclasses import dataclass
from enum import Enum

from slipway.records.cost import Cost
from slipway.records.form import Record
from slipway.records.outcome import Status


class Removal(Enum):
    """The result for one stack."""

    PROPOSED = "to be deleted"
    DELETED = "deleted"
    ABSENT = "absent"
    KEPT = "kept"
    FAILED = "not deleted"


@dataclass(frozen=True, kw_only=True)
class StackRemoval:
    """One stack.

    - resources: with kind, name and id, those that are deleted with it; a database leaves a final snapshot.
    - reason: why it is kept or was not deleted; untrusted text.
    """

    stack: str
    region: str
    removal: Removal
    resources: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Destruction(Record, schema="slipway/destruction/1"):
    """The deletion of an environment, or a preview of it.

    - status: of the service's deletion; None when everything is only shown.
    - callers: the services that still call this one; only when it is shown.
    - obstacles: why it would be refused. bills: what is billed by the hour now, None for nothing.
    - shared: what is billed and kept because the stacks `users` of other services use it; None for nothing. kept: what stays. unread: what could not be read, with the reasons. All untrusted text.
    """

    environment: str
    service: str
    status: Status | None
    stacks: tuple[StackRemoval, ...]
    obstacles: tuple[str, ...]
    bills: Cost | None
    kept: tuple[str, ...]
    unread: tuple[str, ...]
    not_covered: str
    shared: Cost | None = None
    users: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when everything was deleted and could be read, except what other services use; for a destruction that is only shown, 1 if there are obstacles."""
        if self.status is None:
            return 1 if self.obstacles else 0
        if self.status.exit_code:
            return self.status.exit_code
        if self.bills or any(stack.removal is Removal.FAILED for stack in self.stacks):
            return 1
        return 3 if self.unread else 0
