"""The truth about an operation, from its status *and* from the live state. Pure.

A service that runs proves nothing: after an automatic rollback App Runner is RUNNING with the old image, and ECS is ACTIVE with it.
"""

from enum import Enum

from slipway.records.outcome import Status


class OperationStatus(Enum):
    """An operation's status, in the words of every target."""

    IN_FLIGHT = "in flight"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled back"
    ROLLBACK_FAILED = "rollback failed"
    STOPPED = "stopped"  # by another client
    GONE = "gone"  # with its service
    UNKNOWN = "unknown"  # a status that the platform's model does not have, or none


def settle(ending: OperationStatus, *, creating: bool, live: str | None, desired: str) -> Status:  # noqa: PLR0911 -- one return a status
    """Return the truth about a release, from its operation's status and the live digest."""
    match ending:
        case OperationStatus.SUCCEEDED:
            return Status.SUCCEEDED if live == desired else Status.SUPERSEDED
        case OperationStatus.STOPPED:
            return Status.SUPERSEDED
        case OperationStatus.ROLLED_BACK:
            return Status.ROLLED_BACK
        case OperationStatus.ROLLBACK_FAILED:
            return Status.ROLLBACK_FAILED
        case OperationStatus.FAILED:
            return Status.CREATE_FAILED if creating else Status.ROLLBACK_FAILED
        case OperationStatus.GONE:
            return Status.NOOP if live == desired else Status.SUPERSEDED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.UNKNOWN


def settle_state(ending: OperationStatus, *, reached: bool) -> Status:
    """Return the truth about a pause, a resumption or a deletion, from its operation's status and the service's state."""
    match ending:
        case OperationStatus.SUCCEEDED | OperationStatus.STOPPED | OperationStatus.GONE:
            return Status.SUCCEEDED if reached else Status.SUPERSEDED
        case OperationStatus.FAILED | OperationStatus.ROLLED_BACK | OperationStatus.ROLLBACK_FAILED:
            return Status.FAILED
        case OperationStatus.IN_FLIGHT | OperationStatus.UNKNOWN:
            return Status.SUCCEEDED if reached else Status.UNKNOWN
