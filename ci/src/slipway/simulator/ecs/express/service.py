"""A service with its revisions and deployments as they are between two calls, and the calls that each state allows.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from slipway.simulator.contract import AwsError
from slipway.simulator.ecs.express.configuration import CONTAINER, Configuration
from slipway.simulator.ecs.express.fleet import Fleet, Scaling
from slipway.simulator.ecs.express.gateway import Gateway
from slipway.simulator.ecs.express.rollout import CANARY_PERCENT, ENDED, TRANSITIONS, Pace, Signal, breaker_threshold
from slipway.simulator.ecs.task import TaskDefinition


@dataclass(kw_only=True)
class Readings:
    """Behaviours about which only a real account can decide. Each default is the better documented one."""

    # The error for a service that does not exist. The alternative is InvalidParameterException.
    absent: str = "ResourceNotFoundException"
    same_deploys: bool = False  # whether an update without a change starts a deployment
    breaker: bool = True  # whether the circuit breaker also guards a canary [F]; the API model excludes this [M]
    creation_reverts: bool = True  # whether a failed creation is ROLLBACK_FAILED [F]; otherwise it stays IN_PROGRESS
    client_errors: int = 5  # the alarm ignores fewer 4xx answers in a minute [F]; by the guide it counts all


class ServiceState(Enum):
    """The state of a service, which determines the reaction to a call."""

    ABSENT = "absent"
    IDLE = "ACTIVE, idle"
    DEPLOYING = "ACTIVE, deploying"
    DRAINING = "DRAINING"
    INACTIVE = "INACTIVE"


_NOT_FOUND = ("ServiceNotFoundException", "Service not found.")
_NO_RESOURCE = ("InvalidParameterException", "Resource not found")  # [F]
_DRAINING = ("ServiceNotActiveException", "Service is in DRAINING status")  # [F]
_INACTIVE = ("ServiceNotActiveException", "Cannot perform this operation on a service in INACTIVE status")  # [F]
_TAKEN = ("InvalidParameterException", "Creation of service was not idempotent.")  # [F] of CreateService, here †
_LEAVING = ("InvalidParameterException", "Unable to Start a service that is still Draining.")  # [F]
# The error of each call, in the order of ServiceState. With None the call is performed.
CALLS: Mapping[str, tuple[tuple[str, str] | None, ...]] = {
    "CreateExpressGatewayService": (None, _TAKEN, _TAKEN, _LEAVING, None),
    "UpdateExpressGatewayService": (_NOT_FOUND, None, None, _DRAINING, _INACTIVE),
    "DeleteExpressGatewayService": (_NO_RESOURCE, None, None, _DRAINING, _INACTIVE),
    "DescribeExpressGatewayService": (("ResourceNotFoundException", "Resource not found"), None, None, None, None),
    "ListServiceDeployments": (_NOT_FOUND, None, None, None, _NOT_FOUND),  # DRAINING and INACTIVE †
}


def permit(call: str, state: ServiceState, readings: Readings) -> None:
    """Raise AwsError when a state forbids a call."""
    refusal = CALLS[call][tuple(ServiceState).index(state)]
    if refusal:
        code, message = refusal
        raise AwsError(readings.absent if code == "ResourceNotFoundException" else code, message)


@dataclass(kw_only=True)
class Revision:
    """A service revision: a configuration that never changes."""

    arn: str
    configuration: Configuration
    definition: TaskDefinition
    digest: str | None  # the digest of the image at the revision's creation
    created: datetime
    group: str  # the ARN of the revision's target group
    fleet: Fleet | None = None  # the revision's tasks, from its first deployment until it is retired

    @property
    def desired(self) -> int:
        return self.fleet.desired if self.fleet else 0

    @property
    def running(self) -> int:
        return self.fleet.running if self.fleet else 0

    def retire(self) -> None:
        """Stop the revision's tasks."""
        fleet, self.fleet = self.fleet, None
        if fleet:
            fleet.scale(0)

    def description(self, service: "Service") -> dict[str, Any]:
        """Return the API's ExpressGatewayServiceConfiguration. The managed security group is among the others [F]."""
        network = self.configuration["networkConfiguration"]
        groups = [*network["securityGroups"], service.gateway.security_group]
        return {
            **self.configuration,
            "networkConfiguration": {"subnets": network["subnets"], "securityGroups": groups},
            "serviceRevisionArn": self.arn,
            "taskDefinitionArn": self.definition.arn,
            "ingressPaths": [service.gateway.ingress],
            "createdAt": self.created,
        }


@dataclass(kw_only=True)
class Deployment:
    """A deployment of a revision."""

    arn: str
    target: Revision
    source: Revision | None  # None for the service's first deployment
    created: datetime
    updated: datetime
    desired: int
    status: str = "PENDING"
    stage: str | None = None
    reason: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    stopped: datetime | None = None
    rollback: tuple[str, datetime] | None = None  # the reason and the beginning of the rollback
    triggered: bool = False  # whether the alarm has fired
    failures: int = 0  # failed starts of tasks

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def receive(self, signal: Signal, now: datetime) -> bool:
        """Apply a signal. Return False when it has no effect in this state."""
        status = TRANSITIONS[self.status].get(signal)
        if status is None:
            return False
        self.status, self.updated = status, now
        if status == "IN_PROGRESS":
            self.started = now
        if self.ended:
            self.finished, self.stage = now, None
            self.stopped = now if status == "STOPPED" else None
        return True

    def brief(self, service: "Service") -> dict[str, Any]:
        return {
            "serviceDeploymentArn": self.arn,
            "serviceArn": service.arn,
            "clusterArn": service.cluster,
            "createdAt": self.created,
            "startedAt": self.started,
            "finishedAt": self.finished,
            "targetServiceRevisionArn": self.target.arn,
            "status": self.status,
            "statusReason": self.reason,
        }

    def description(self, service: "Service", readings: Readings) -> dict[str, Any]:
        brief = self.brief(service)
        del brief["targetServiceRevisionArn"]
        reverted = self.rollback and {
            "reason": self.rollback[0],
            "startedAt": self.rollback[1],
            "serviceRevisionArn": self.source.arn if self.source else None,
        }
        return brief | {
            "stoppedAt": self.stopped,
            "updatedAt": self.updated,
            "targetServiceRevision": service.summary(self.target),
            "sourceServiceRevisions": [service.summary(self.source)] if self.source else [],
            "lifecycleStage": self.stage,
            "deploymentConfiguration": service.deployment_configuration(),
            "rollback": reverted,
            "deploymentCircuitBreaker": {
                "status": self._guard(self.failures >= breaker_threshold(self.desired))
                if readings.breaker
                else "DISABLED",
                "failureCount": self.failures,
                "threshold": breaker_threshold(self.desired),
            },
            "alarms": {
                "status": self._guard(self.triggered),
                "alarmNames": [service.alarm_name],
                "triggeredAlarmNames": [service.alarm_name] if self.triggered else [],
            },
        }

    def _guard(self, triggered: bool) -> str:  # noqa: FBT001 -- the answer to one question
        return "TRIGGERED" if triggered else "MONITORING_COMPLETE" if self.ended else "MONITORING"


@dataclass(kw_only=True)
class Service:
    """A service. Its name becomes free when it is INACTIVE."""

    name: str
    arn: str
    cluster: str  # the cluster's ARN
    infrastructure_role: str
    created: datetime
    gateway: Gateway
    pace: Pace
    scaling: Scaling
    tags: dict[str, str] = field(default_factory=dict)
    updated: datetime | None = None
    deleted: datetime | None = None
    inactive: datetime | None = None
    revisions: list[Revision] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)  # the newest last
    events: list[tuple[str, datetime, str]] = field(default_factory=list)  # id, time, message
    # the share of one task's processor or memory that the service's work takes, in percent, if a script sets it
    load: float | None = None
    failing: set[str] = field(default_factory=set)  # contains ROLLBACK when a script makes rollbacks fail

    @property
    def place(self) -> str:
        """The middle part of the service's ARNs: region and account."""
        return ":".join(self.arn.split(":")[3:5])

    @property
    def path(self) -> str:
        """The service's cluster and name, as in ARNs."""
        return self.arn.partition(":service/")[2]

    @property
    def alarm_name(self) -> str:
        return f"{self.path}/RollbackAlarm"  # [F]

    @property
    def status(self) -> str:
        return "INACTIVE" if self.inactive else "DRAINING" if self.deleted else "ACTIVE"

    @property
    def current(self) -> Deployment | None:
        """The deployment that has not ended. When one waits for another, this is the newest."""
        newest = self.deployments[-1] if self.deployments else None
        return newest if newest and not newest.ended and not self.deleted else None

    @property
    def stable(self) -> Revision | None:
        """The revision to which a failed deployment returns: that of the last successful deployment."""
        good = (each.target for each in reversed(self.deployments) if each.status == "SUCCESSFUL")
        return next(good, None)

    @property
    def active(self) -> list[Revision]:
        """The revisions with tasks, the newest first †."""
        return [revision for revision in reversed(self.revisions) if revision.fleet]

    def state(self, now: datetime) -> ServiceState:
        if self.inactive:
            forgotten = now >= self.inactive + timedelta(seconds=self.pace.forget)
            return ServiceState.ABSENT if forgotten else ServiceState.INACTIVE
        if self.deleted:
            return ServiceState.DRAINING
        return ServiceState.DEPLOYING if self.current else ServiceState.IDLE

    def tell(self, now: datetime, message: str) -> None:
        """Add an event of the service in ECS's words [F]."""
        self.events.append((secrets.token_hex(16), now, f"(service {self.name}) {message}"))

    def summary(self, revision: Revision) -> dict[str, Any]:
        weight = float(self.gateway.weight(revision.group)) if revision.fleet else 0.0
        return {
            "arn": revision.arn,
            "requestedTaskCount": revision.desired,
            "runningTaskCount": revision.running,
            "pendingTaskCount": revision.desired - revision.running,
            "requestedTestTrafficWeight": weight,
            "requestedProductionTrafficWeight": weight,
        }

    def deployment_configuration(self) -> dict[str, Any]:
        """Return the API's DeploymentConfiguration [F]."""
        return {
            "strategy": "CANARY",
            "canaryConfiguration": {
                "canaryPercent": float(CANARY_PERCENT),
                "canaryBakeTimeInMinutes": round(self.pace.canary / 60),
            },
            "bakeTimeInMinutes": round(self.pace.bake / 60),
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "alarms": {"alarmNames": [self.alarm_name], "enable": True, "rollback": True},
        }

    def description(self, *, tags: bool = False) -> dict[str, Any]:
        """Return the API's ECSExpressGatewayService."""
        current = self.current
        active = [] if self.deleted else self.active or self.revisions[-1:]
        return {
            "cluster": self.cluster,
            "serviceName": self.name,
            "serviceArn": self.arn,
            "infrastructureRoleArn": self.infrastructure_role,
            "status": {"statusCode": self.status},
            "currentDeployment": current.arn if current else None,
            "activeConfigurations": [revision.description(self) for revision in active],
            "tags": as_tags(self.tags) if tags else None,
            "createdAt": self.created,
            "updatedAt": self.updated or self.created,
        }

    def described_as_ecs(self, *, tags: bool = False) -> dict[str, Any]:
        """Return ECS's Service. Of Express Mode it shows only that the service manages its resources."""
        current, shown = self.current, [revision for revision in self.active if not self.deleted]
        running = sum(revision.running for revision in shown)
        newest = self.deployments[-1] if self.deployments else None
        network = self.revisions[-1].description(self)["networkConfiguration"]
        public = "ENABLED" if self.gateway.balancer.public else "DISABLED"
        return {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster,
            "status": self.status,
            "desiredCount": 0 if self.deleted else self.scaling.desired,
            "runningCount": running,
            "pendingCount": sum(revision.desired for revision in shown) - running,
            "launchType": "FARGATE",
            "platformFamily": "Linux",
            "taskDefinition": (shown or self.revisions[-1:])[0].definition.arn,
            "deploymentConfiguration": self.deployment_configuration(),
            "deploymentController": {"type": "ECS"},
            "deployments": [self._as_ecs_deployment(revision, newest) for revision in shown],
            "currentServiceDeployment": current.arn if current else None,
            "currentServiceRevisions": [
                {key: value for key, value in self.summary(revision).items() if not key.endswith("Weight")}
                for revision in shown
            ],
            "events": [{"id": id_, "createdAt": at, "message": text} for id_, at, text in self.events[:-101:-1]],
            "networkConfiguration": {"awsvpcConfiguration": network | {"assignPublicIp": public}},
            "loadBalancers": [
                {
                    "targetGroupArn": self.gateway.groups[0].arn,
                    "containerName": CONTAINER,
                    "containerPort": self.revisions[-1].configuration["primaryContainer"]["containerPort"],
                }
            ],
            "healthCheckGracePeriodSeconds": round(self.pace.grace),
            "schedulingStrategy": "REPLICA",
            "availabilityZoneRebalancing": "ENABLED",
            "resourceManagementType": "ECS",
            "createdAt": self.created,
            "tags": as_tags(self.tags) if tags else None,
        }

    def _as_ecs_deployment(self, revision: Revision, newest: Deployment | None) -> dict[str, Any]:
        """Return ECS's Deployment. The rolloutState of a finished rollback is COMPLETED [F]."""
        ours = next((each for each in reversed(self.deployments) if each.target is revision), None)
        is_primary = newest is not None and (revision is newest.target or len(self.active) == 1)
        going_on = is_primary and newest is not None and not newest.ended
        return {
            "id": f"ecs-svc/{ours.id if ours else revision.arn.rpartition('/')[2]}",
            "status": "PRIMARY" if is_primary else "ACTIVE",
            "taskDefinition": revision.definition.arn,
            "desiredCount": revision.desired,
            "runningCount": revision.running,
            "pendingCount": revision.desired - revision.running,
            "failedTasks": ours.failures if ours else 0,
            "createdAt": revision.created,
            "rolloutState": "IN_PROGRESS" if going_on else "COMPLETED",
        }


def as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]
