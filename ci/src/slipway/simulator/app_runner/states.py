"""What a service's state lets be done with it, as a table; `check` answers in App Runner's words.

Marks: [M] service model, [G] developer guide, [F] field reports, † unverified. In the states of a row's end the operation begins.
"""

from enum import Enum

from slipway.simulator.contract import AwsError


class Reaction(Enum):
    """What a call does to a service in some state."""

    BEGINS = "begins"
    UNCHANGED = "unchanged"  # 200, and no OperationId
    INVALID_STATE = "InvalidStateException"
    INVALID_REQUEST = "InvalidRequestException"
    NOT_FOUND = "ResourceNotFoundException"


STATES = ("RUNNING", "OPERATION_IN_PROGRESS", "PAUSED", "CREATE_FAILED", "DELETE_FAILED", "DELETED")

_BEGINS, _UNCHANGED, _STATE, _REQUEST, _GONE = Reaction
_TABLE = {
    # PAUSED: "You can't update a paused service" [G]; CREATE_FAILED is rebuilt since 2023-06 [G]; DELETE_FAILED, DELETED †
    "UpdateService": (_BEGINS, _STATE, _STATE, _BEGINS, _STATE, _GONE),
    # No InvalidStateException in its model [M]; which error comes instead: [F]
    "StartDeployment": (_BEGINS, _REQUEST, _REQUEST, _REQUEST, _REQUEST, _GONE),
    # Asked again, App Runner answers as if it had done it [M]; the other states †
    "PauseService": (_BEGINS, _STATE, _UNCHANGED, _STATE, _STATE, _GONE),
    "ResumeService": (_UNCHANGED, _STATE, _BEGINS, _STATE, _STATE, _GONE),
    # OPERATION_IN_PROGRESS [F], DELETE_FAILED [M], PAUSED, DELETED †
    "DeleteService": (_BEGINS, _STATE, _BEGINS, _BEGINS, _BEGINS, _GONE),
}
_DONE = {"UpdateService": "updated", "PauseService": "paused", "ResumeService": "resumed", "DeleteService": "deleted"}


def reaction(operation: str, status: str) -> Reaction:
    """One cell of the table."""
    return _TABLE[operation][STATES.index(status)]


def begins(operation: str, status: str, arn: str) -> bool:
    """Whether an operation begins; False when nothing changes. Raises AwsError when the state does not allow it."""
    match reaction(operation, status):
        case Reaction.INVALID_STATE:
            said = (
                f"Service cannot be {_DONE[operation]} in the current state: {status}."  # [F] for updates and deletions
            )
            raise AwsError("InvalidStateException", said)
        case Reaction.INVALID_REQUEST:
            said = "Can't start a deployment on the specified service, because it isn't in RUNNING state."  # [F]
            raise AwsError("InvalidRequestException", said)
        case Reaction.NOT_FOUND:
            raise not_found(arn)
        case found:
            return found is Reaction.BEGINS


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Service with the provided ARN doesn't exist: {arn}.")  # †
