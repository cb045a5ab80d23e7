"""How an operation ended: told by the operation *and* by what is live. Pure.

`Status == RUNNING` proves nothing: after an automatic rollback App Runner is RUNNING with the old image.
"""

from slipway.records.outcome import Status

IN_FLIGHT = frozenset({"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})


def settle(operation: str, *, creating: bool, live: str | None, desired: str) -> Status:
    """The truth from an operation's status and the live digest; a word that App Runner's model does not have is UNKNOWN."""
    match operation:
        case "SUCCEEDED":
            return Status.SUCCEEDED if live == desired else Status.SUPERSEDED
        case "ROLLBACK_SUCCEEDED":
            return Status.ROLLED_BACK
        case "ROLLBACK_FAILED":
            return Status.ROLLBACK_FAILED
        case "FAILED":
            return Status.CREATE_FAILED if creating else Status.ROLLBACK_FAILED
        case _:
            return Status.UNKNOWN
