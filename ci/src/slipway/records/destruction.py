"""Destruction: the deletion of a whole environment, with the resources that are kept or still billed."""

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

    - resources: the resources that are deleted with the stack: kind, name and id. A database leaves a final snapshot.
    - reason: why the stack is kept or was not deleted; untrusted text.
    """

    stack: str
    region: str
    removal: Removal
    resources: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Destruction(Record, schema="slipway/destruction/1"):
    """The deletion of an environment, or a preview of it.

    - status: how the deletion of the service ended; None in a preview.
    - callers: in a preview, the services that still call this one.
    - obstacles: why a deletion would be refused.
    - bills: what is billed by the hour now; None for nothing.
    - shared: the cost of stacks that are kept because other services use them; None for nothing. users: those services.
    - kept: the resources that stay (untrusted text).
    - unread: the resources that could not be read, with the reasons (untrusted text).
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
        """0 when everything was deleted and could be read; resources that other services use do not count.

        A preview has 1 when there are obstacles, otherwise 0.
        """
        if self.status is None:
            return 1 if self.obstacles else 0
        if self.status.exit_code:
            return self.status.exit_code
        if self.bills or any(stack.removal is Removal.FAILED for stack in self.stacks):
            return 1
        return 3 if self.unread else 0
