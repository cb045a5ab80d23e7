"""A platform that behaves as ECS Express Mode would, in memory and in virtual time: what a test looks at as the account's owner, and its API.

Nothing runs: what becomes of a deployment is written down when it begins, as what is true from when on, and cut off when a newer one comes.
Every call shows what was true some seconds ago. Requests and answers are held against AWS's own contract [M]; † is a guess of ours.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from botocore import xform_name

from slipway.simulator.clock import VirtualClock
from slipway.simulator.contract import AwsError, problems, service
from slipway.simulator.faults import Faults

MODEL = service("ecs")
CONFIGURED = frozenset(MODEL.shape_for("ExpressGatewayServiceConfiguration").members)
OPERATIONS = {xform_name(name): name for name in MODEL.operation_names}
# Seconds by which an answer is behind †: the service's own description lags most, and of it what is active.
LAG, DESCRIPTION_LAG, ACTIVE_LAG = 2.0, 6.0, 40.0
CANARY = 0.05
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/notes/1"
MANAGED = "sg-managed"
START, HEALTH_TIMEOUT, BAKE, DRAIN, ROLL_BACK = (
    60,
    120,
    180,
    30,
    30,
)  # bake and canary as AWS documents them [G], the rest †
FORGOTTEN = 3600.0  # seconds after which a deleted service is no longer described †
ENDED = ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


class How(Enum):
    """The fate of a release when it is deployed."""

    HEALTHY = "healthy"
    UNHEALTHY = "never healthy"
    ALARMED_AT_FIRST = "an alarm while it has 5 % of the traffic"
    ALARMED_AT_LAST = "an alarm while it has all of it"
    DELETE_FAILED = "never healthy, and the way back fails"


@dataclass(frozen=True)
class Moment:
    """A deployment from `since` on: its status, and its revision's share of the traffic."""

    since: datetime
    word: str
    share: float
    reason: str = ""


@dataclass
class Revision:
    """A configuration under a name of its own, for ever: the history by digest."""

    arn: str
    configuration: Mapping[str, Any]
    created: datetime

    @property
    def digest(self) -> str:
        image: str = self.configuration["primaryContainer"]["image"]
        return image.partition("@")[2]


@dataclass
class Deployment:
    arn: str
    source: Revision | None
    target: Revision
    moments: list[Moment]

    @property
    def began(self) -> datetime:
        return self.moments[0].since

    @property
    def finished(self) -> datetime | None:
        """When it ends, or has ended."""
        return self.moments[-1].since if self.moments[-1].word in ENDED else None

    @property
    def is_stopped(self) -> bool:
        return self.moments[-1].word == "STOPPED"

    def at(self, when: datetime) -> Moment:
        return [moment for moment in self.moments if moment.since <= when][-1]

    def stop(self, now: datetime) -> None:
        """A newer one has come †: what was still to happen does not, and the traffic goes where it came from."""
        if self.at(now).word in ENDED:
            return
        self.moments = [moment for moment in self.moments if moment.since <= now]
        self.moments.append(Moment(now, "STOPPED", 0.0, "a newer deployment was started"))


@dataclass
class Service:
    arn: str
    name: str
    role: str
    created: datetime
    revisions: list[Revision] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    deleted: datetime | None = None

    def status(self, when: datetime) -> str:
        if self.deleted is None or when < self.deleted:
            return "ACTIVE"
        return "DRAINING" if when < self.deleted + timedelta(seconds=DRAIN) else "INACTIVE"

    def newest(self, when: datetime) -> Deployment | None:
        return next((found for found in reversed(self.deployments) if found.began <= when), None)

    def shares(self, when: datetime) -> list[tuple[Revision, float]]:
        """Return the revisions that answer, each with its share of the traffic."""
        newest = self.newest(when)
        if newest is None or self.status(when) != "ACTIVE":
            return []
        share = newest.at(when).share
        both = [(newest.target, share), *([(newest.source, 1 - share)] if newest.source else [])]
        return [(revision, part) for revision, part in both if part]

    def active(self, when: datetime) -> list[Revision]:
        """Return the revisions with tasks: the old release keeps its own until the new deployment has ended †."""
        newest, serving = self.newest(when), [revision for revision, _ in self.shares(when)]
        if newest is None or newest.at(when).word in ENDED or newest.source is None or not serving:
            return serving
        return list({revision.arn: revision for revision in (*serving[:1], newest.source, *serving)}.values())

    def stable(self, when: datetime) -> Revision | None:
        """Return the revision to which a new deployment would roll back."""
        good = (found.target for found in reversed(self.deployments) if found.at(when).word == "SUCCESSFUL")
        return next(good, None)

    def updated(self, when: datetime) -> datetime:
        newest = self.newest(when)
        return newest.at(when).since if newest else self.created


_held: set[tuple[str, str]] = set()


def _hold(shape: Any, value: Mapping[str, Any]) -> None:
    """Hold a message against the contract, the same one once: a poll repeats itself."""
    key = (shape.name, repr(value))
    if key not in _held:
        assert not (wrong := problems(shape, value)), wrong
        _held.add(key)


class Express:
    """One region of an account. `how` by digest says what becomes of a release."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.how: dict[str, How] = {}
        self.services: list[Service] = []
        self.faults = Faults()
        self.requests: list[str] = []
        self.roles_known: datetime | None = None  # from when on a new role can be used
        self.pace = {
            "HealthCheckIntervalSeconds": 30,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 5,
            "UnhealthyThresholdCount": 2,
        }
        self._ids = 0

    def answering(self) -> dict[str, float]:
        """The digests that answer at the newest service's front, each with its share of the traffic."""
        found = self.services[-1].shares(self.clock.now()) if self.services else []
        return {revision.digest: share for revision, share in found}

    def balance(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an operation of the load balancer, which has one target group."""
        self.requests.append(name)
        if name == "modify_target_group":
            self.pace |= {key: value for key, value in parameters.items() if key in self.pace}
        return {"TargetGroups": [{"TargetGroupArn": GROUP, **self.pace}]}

    def ask(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Answer an operation as boto3 spells it; raises AwsError."""
        operation = OPERATIONS[name]
        self.requests.append(operation)
        model = MODEL.operation_model(operation)
        _hold(model.input_shape, parameters)
        answer: dict[str, Any] = getattr(self, f"_{name}")(parameters)
        _hold(model.output_shape, answer)
        return answer

    # Changes.

    def _create_express_gateway_service(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if self.roles_known and self.clock.now() < self.roles_known:
            raise AwsError("InvalidParameterException", "Cannot assume role")
        arn = f"arn:aws:ecs:eu-west-1:123456789012:service/default/{asked['serviceName']}"
        there = self._service(arn, self.clock.now())
        if there and (status := there.status(self.clock.now())) != "INACTIVE":
            said = "Service is in DRAINING status" if status == "DRAINING" else "Service already exists"
            raise AwsError("InvalidParameterException", said)
        made = Service(arn, asked["serviceName"], asked["infrastructureRoleArn"], self.clock.now())
        self.services.append(made)
        self._deploy(made, asked)
        return {"service": self._described(made, made.revisions[-1:])}

    def _update_express_gateway_service(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Accept an update also during another deployment, and stop that one."""
        there = self._active(asked["serviceArn"])
        made = self._deploy(there, asked)
        answer = {"serviceArn": there.arn, "serviceName": there.name, "status": {"statusCode": "ACTIVE"}}
        return {"service": answer | {"targetConfiguration": _configured(made.target)}}

    def _delete_express_gateway_service(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        there = self._active(asked["serviceArn"])
        there.deleted = self.clock.now()
        if newest := there.newest(there.deleted):
            newest.stop(there.deleted)
        return {"service": self._described(there, [])}

    def _stop_service_deployment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """By the way back, which is all that the API offers [M]."""
        every = [one for there in self.services for one in there.deployments]
        (found,) = [one for one in every if one.arn == asked["serviceDeploymentArn"]]
        now = self.clock.now()
        if found.at(now).word in ENDED:
            raise AwsError("ConflictException", "The deployment has ended")
        found.moments = [moment for moment in found.moments if moment.since <= now]
        found.moments += _way_back(
            now, "Service deployment rolled back because a user requested it.", "ROLLBACK_SUCCESSFUL"
        )
        return {"serviceDeploymentArn": found.arn}

    def _deploy(self, there: Service, asked: Mapping[str, Any]) -> Deployment:
        now = self.clock.now()
        configuration = {name: value for name, value in asked.items() if name in CONFIGURED}
        revision = Revision(self._id("service-revision", there), configuration, now)
        there.revisions.append(revision)
        source = there.stable(now)
        if going_on := there.newest(now):
            going_on.stop(now)
        how = self.how.get(revision.digest, How.HEALTHY)
        made = Deployment(self._id("service-deployment", there), source, revision, list(_moments(now, how, source)))
        there.deployments.append(made)
        return made

    def _id(self, kind: str, there: Service) -> str:
        self._ids += 1
        return f"arn:aws:ecs:eu-west-1:123456789012:{kind}/default/{there.name}/{self._ids:04}"

    # Reads, some seconds behind.

    def _describe_express_gateway_service(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        when = self._shown(DESCRIPTION_LAG)
        there = self._service(asked["serviceArn"], when)
        if there is None:
            raise AwsError("ResourceNotFoundException", "Resource not found")
        then = self._shown(ACTIVE_LAG)
        return {"service": self._described(there, there.active(then), when) | {"updatedAt": there.updated(then)}}

    def _list_service_deployments(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Newest first."""
        when = self._shown(LAG)
        there = self._service(asked["service"], when)
        if there is None:
            raise AwsError("ServiceNotFoundException", "Service not found")
        found = [_brief(one, when) for one in reversed(there.deployments) if one.began <= when]
        return {"serviceDeployments": found}

    def _describe_service_deployments(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        when = self._shown(LAG)
        every = [one for there in self.services for one in there.deployments if one.began <= when]
        found = [one for one in every if one.arn in asked["serviceDeploymentArns"]]
        return {"serviceDeployments": [_whole(one, when) for one in found]}

    def _describe_service_revisions(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = [one for there in self.services for one in there.revisions if one.arn in asked["serviceRevisionArns"]]
        images = {one.arn: [{"containerName": "Main", "imageDigest": one.digest}] for one in found}
        status = {"status": "ACTIVE", "updatedAt": self.clock.now()}
        group = status | {"arn": GROUP, "healthCheckPath": "/", "healthCheckPort": 8000, "port": 8000}
        paths = [{"accessType": "PUBLIC", "endpoint": "notes.ecs.example.org", "targetGroups": [group]}]
        security = [status | {"arn": f"arn:aws:ec2:eu-west-1:123456789012:security-group/{MANAGED}"}]
        made = {"ingressPaths": paths, "serviceSecurityGroups": security}
        return {
            "serviceRevisions": [
                {"serviceRevisionArn": one.arn, "containerImages": images[one.arn], "ecsManagedResources": made}
                for one in found
            ]
        }

    def _describe_services(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"services": [{"events": []}]}

    def _list_tasks(self, _asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"taskArns": []}

    def _shown(self, lag: float) -> datetime:
        return self.clock.now() - timedelta(seconds=lag)

    def _service(self, arn: str, when: datetime) -> Service | None:
        """Return the newest service of that name, until it is forgotten."""
        for found in reversed(self.services):
            if found.arn == arn and found.created <= when:
                gone = found.deleted and when > found.deleted + timedelta(seconds=FORGOTTEN)
                return None if gone else found
        return None

    def _active(self, arn: str) -> Service:
        there = self._service(arn, self.clock.now())
        if there is None:
            raise AwsError("ServiceNotFoundException", "Service not found")
        if (status := there.status(self.clock.now())) != "ACTIVE":
            raise AwsError(
                "ServiceNotActiveException", f"Cannot perform this operation on a service in {status} status"
            )
        return there

    def _described(self, there: Service, active: list[Revision], when: datetime | None = None) -> dict[str, Any]:
        when = when or self.clock.now()
        return {
            "serviceArn": there.arn,
            "serviceName": there.name,
            "infrastructureRoleArn": there.role,
            "status": {"statusCode": there.status(when)},
            "activeConfigurations": [_configured(revision) for revision in active],
            "createdAt": there.created,
            "updatedAt": there.updated(when),
        }


def _moments(now: datetime, how: How, source: Revision | None) -> Iterator[Moment]:
    """Yield the moments of a deployment that is not interrupted."""

    def after(seconds: float) -> datetime:
        return now + timedelta(seconds=seconds)

    back = (
        "ROLLBACK_SUCCESSFUL" if source and how is not How.DELETE_FAILED else "ROLLBACK_FAILED"
    )  # with nothing to go back to †
    yield Moment(now, "PENDING", 0.0)
    yield Moment(after(5), "IN_PROGRESS", 0.0)
    if how in (How.UNHEALTHY, How.DELETE_FAILED):
        yield from _way_back(after(START + HEALTH_TIMEOUT), "tasks failed their health checks", back)
        return
    if source:
        yield Moment(after(START), "IN_PROGRESS", CANARY)
    if source and how is How.ALARMED_AT_FIRST:
        yield from _way_back(after(START + BAKE / 2), "alarm detected", back)
        return
    all_of_it = START + (BAKE if source else 0)
    yield Moment(after(all_of_it), "IN_PROGRESS", 1.0)
    if how is How.ALARMED_AT_LAST:
        yield from _way_back(after(all_of_it + BAKE / 2), "alarm detected", back)
        return
    yield Moment(after(all_of_it + BAKE + DRAIN), "SUCCESSFUL", 1.0)


def _way_back(when: datetime, reason: str, end: str) -> Iterator[Moment]:
    yield Moment(when, "ROLLBACK_REQUESTED", 0.0, reason)
    yield Moment(when + timedelta(seconds=5), "ROLLBACK_IN_PROGRESS", 0.0, reason)
    yield Moment(when + timedelta(seconds=ROLL_BACK), end, 0.0, reason)


def _configured(revision: Revision) -> dict[str, Any]:
    address = [{"accessType": "PUBLIC", "endpoint": "notes.ecs.example.org"}]
    made = {"serviceRevisionArn": revision.arn, "ingressPaths": address, "createdAt": revision.created}
    network = revision.configuration["networkConfiguration"]
    groups = {"securityGroups": [*network["securityGroups"], MANAGED]}
    return {**revision.configuration, "networkConfiguration": network | groups, **made}


def _brief(deployment: Deployment, when: datetime) -> dict[str, Any]:
    moment, finished = deployment.at(when), deployment.finished
    return {
        "serviceDeploymentArn": deployment.arn,
        "targetServiceRevisionArn": deployment.target.arn,
        "status": moment.word,
        "createdAt": deployment.began,
        "startedAt": deployment.began,
        **({"statusReason": moment.reason} if moment.reason else {}),
        **({"finishedAt": finished} if finished and finished <= when else {}),
    }


def _whole(deployment: Deployment, when: datetime) -> dict[str, Any]:
    brief = _brief(deployment, when)
    share = 100 * deployment.at(when).share
    target = {"arn": brief.pop("targetServiceRevisionArn"), "requestedProductionTrafficWeight": share}
    source = [{"arn": deployment.source.arn}] if deployment.source else []
    return brief | {"targetServiceRevision": target, "sourceServiceRevisions": source}
