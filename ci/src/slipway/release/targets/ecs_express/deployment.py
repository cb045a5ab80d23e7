"""A deployment of ECS Express Mode: its states and stages as data, and their meaning for the service. Pure.

ECS has no state for a failure: a failed deployment is rolled back, and a rollback makes no new service revision.
SUCCESSFUL is not yet a success, because two service revisions may still be active.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from slipway.records.plan import State
from slipway.release.engine.target import OperationStatus
from slipway.untrusted import one_line


@dataclass(frozen=True)
class DeploymentState:
    """A state of an ECS deployment: the corresponding OperationStatus, and the states that may follow."""

    status: OperationStatus
    following: tuple[str, ...] = ()


# From the developer guide, "View service history using Amazon ECS service deployments". The names are those of the API
# model.
STATES: Mapping[str, DeploymentState] = {
    "PENDING": DeploymentState(
        OperationStatus.IN_FLIGHT, ("IN_PROGRESS", "ROLLBACK_REQUESTED", "STOP_REQUESTED", "STOPPED")
    ),
    "IN_PROGRESS": DeploymentState(  # an alarm and the circuit breaker lead directly to ROLLBACK_IN_PROGRESS
        OperationStatus.IN_FLIGHT,
        ("SUCCESSFUL", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOPPED"),
    ),
    # A newer deployment has started, or this one failed and may not be rolled back.
    "STOP_REQUESTED": DeploymentState(OperationStatus.IN_FLIGHT, ("STOPPED",)),
    # Requested by a person or the API only; ends in SUCCESSFUL when the request came too late.
    "ROLLBACK_REQUESTED": DeploymentState(OperationStatus.IN_FLIGHT, ("SUCCESSFUL", "ROLLBACK_IN_PROGRESS", "STOPPED")),
    "ROLLBACK_IN_PROGRESS": DeploymentState(OperationStatus.IN_FLIGHT, ("ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")),
    "SUCCESSFUL": DeploymentState(OperationStatus.SUCCEEDED),
    "STOPPED": DeploymentState(OperationStatus.STOPPED),
    "ROLLBACK_SUCCESSFUL": DeploymentState(OperationStatus.ROLLED_BACK),
    "ROLLBACK_FAILED": DeploymentState(OperationStatus.ROLLBACK_FAILED),
}
# ECS's words for a rollback that a person requested. They are undocumented; those for alarm and circuit breaker are
# documented.
BY_A_PERSON = r"(?i:^service deployment (?![^\n]*(?:alarm|circuit|health))[^\n]*\b(?:user|person|request))"
_BY_A_PERSON = re.compile(BY_A_PERSON)
_UNKNOWN = DeploymentState(OperationStatus.UNKNOWN)
_NOT_ENDED = {OperationStatus.IN_FLIGHT: State.BUSY, OperationStatus.UNKNOWN: State.UNKNOWN}
# until an ended deployment is shown everywhere, with some tolerance between both clocks
_SETTLING = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as AWS describes or lists it.

    - target: the ARN of its service revision.
    - creating: whether there is no earlier service revision to go back to; None when AWS only listed the deployment.
    - turned: when its rollback began.
    - weight: the target's percentage of the production traffic.
    - running, requested: the numbers of the target's tasks.
    """

    arn: str
    target: str
    word: str
    created: datetime
    finished: datetime | None
    turned: datetime | None = None
    stage: str = ""
    creating: bool | None = None
    weight: float = 0.0
    running: int = 0
    requested: int = 0
    reasons: tuple[str, ...] = ()

    @classmethod
    def listed(cls, brief: Mapping[str, Any]) -> Self:
        return cls(
            arn=brief["serviceDeploymentArn"],
            target=brief.get("targetServiceRevisionArn", ""),
            word=brief["status"],
            created=brief["createdAt"],
            finished=brief.get("finishedAt"),
        )

    @classmethod
    def parse(cls, whole: Mapping[str, Any]) -> Self:
        target = whole.get("targetServiceRevision", {})
        return cls(
            arn=whole["serviceDeploymentArn"],
            target=target.get("arn", ""),
            word=whole["status"],
            created=whole["createdAt"],
            finished=whole.get("finishedAt"),
            turned=whole.get("rollback", {}).get("startedAt"),
            stage=whole.get("lifecycleStage", ""),
            creating=not whole.get("sourceServiceRevisions"),
            weight=target.get("requestedProductionTrafficWeight", 0.0),
            running=target.get("runningTaskCount", 0),
            requested=target.get("requestedTaskCount", 0),
            reasons=_reasons(whole),
        )

    @property
    def state(self) -> DeploymentState:
        """The deployment's state; UNKNOWN for a word that the API model lacks."""
        return STATES.get(self.word, _UNKNOWN)

    @property
    def status(self) -> OperationStatus:
        """The status of the operation. A failed creation cannot be rolled back, so it counts as FAILED."""
        status = self.state.status
        if status is OperationStatus.ROLLED_BACK and any(map(_BY_A_PERSON.search, self.reasons)):
            return OperationStatus.ABORTED
        return OperationStatus.FAILED if self.creating and status is OperationStatus.ROLLBACK_FAILED else status

    @property
    def can_be_taken_back(self) -> bool:
        return "ROLLBACK_REQUESTED" in self.state.following

    @property
    def line(self) -> str:
        """The progress in one line: state, stage, the new release's share of the traffic, and its tasks."""
        if self.state.status is not OperationStatus.IN_FLIGHT:
            return one_line(self.word)
        # during a rollback, ECS still reports the stage that was interrupted
        goes_on = self.stage and not self.word.startswith("ROLLBACK_")
        stage = f" {one_line(self.stage)}" if goes_on else ""
        return (
            f"{one_line(self.word)}{stage}: {self.weight:g} % of the traffic, {self.running} of {self.requested} tasks"
        )


def _reasons(whole: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all reasons that AWS reports for an end, from several fields."""
    alarms, breaker = whole.get("alarms", {}), whole.get("deploymentCircuitBreaker", {})
    said = [whole.get("statusReason", ""), whole.get("rollback", {}).get("reason", "")]
    said += [f"alarm {name}" for name in alarms.get("triggeredAlarmNames", ())]
    if breaker.get("status") == "TRIGGERED":
        said.append(f"circuit breaker: {breaker.get('failureCount', '?')} of {breaker.get('threshold', '?')} failures")
    return tuple(dict.fromkeys(one_line(each) for each in said if each))


def state_of(word: str, active: Sequence[str], newest: Deployment | None, now: datetime) -> State:
    """Return a service's state from its status, its active service revisions and its newest deployment.

    ACTIVE is no evidence, because a service that was never live is ACTIVE, too. AWS lists deployments for 90 days.
    """
    if word != "ACTIVE":
        return {"INACTIVE": State.ABSENT, "DRAINING": State.BUSY}.get(word, State.UNKNOWN)
    alone = active[0] if len(active) == 1 else None
    if newest is None:
        return State.LIVE if alone else State.UNKNOWN
    return _NOT_ENDED.get(newest.state.status) or _after(newest, alone, now)


def _after(newest: Deployment, alone: str | None, now: datetime) -> State:
    """Return the state after an ended deployment.

    While the active service revisions do not match its end, assume at first a delay.
    """
    is_success = newest.state.status is OperationStatus.SUCCEEDED
    if alone == newest.target if is_success else alone not in (None, newest.target):
        return State.LIVE
    if newest.state.status in (OperationStatus.STOPPED, OperationStatus.ROLLBACK_FAILED):
        return State.CREATE_FAILED
    is_late = newest.finished is not None and now - newest.finished < _SETTLING
    return State.BUSY if is_late else State.UNKNOWN
