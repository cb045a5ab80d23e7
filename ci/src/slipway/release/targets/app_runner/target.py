"""AWS App Runner. Everything is sent explicitly, for what an update leaves out is inherited; images only by digest.

App Runner takes no new customers since 2026-04-30; who has it may go on creating services.
"""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from slipway.errors import BadInputError, SlipwayError, UnknownOutcomeError
from slipway.records.image import Reference
from slipway.records.outcome import Diagnosis, Verb
from slipway.records.plan import Action, Observed, Plan, State
from slipway.records.progress import Event
from slipway.release.aws import logs
from slipway.release.aws.client import Aws
from slipway.release.diagnosis.cause import Evidence, diagnose
from slipway.release.engine.engine import Time
from slipway.release.engine.settle import OperationStatus
from slipway.release.engine.spec import ABSENT, HEALTH_PACE, ServiceSpec, hashed, health_check
from slipway.release.engine.target import Operation
from slipway.release.errors import AwsRefusedError, BusyError, NotReadyError
from slipway.untrusted import one_line

POLL_SECONDS = 3.0
PATIENCE_SECONDS = 30 * 60.0
_STATES = {
    "RUNNING": State.LIVE,
    "OPERATION_IN_PROGRESS": State.BUSY,
    "CREATE_FAILED": State.CREATE_FAILED,
    "PAUSED": State.PAUSED,
    "DELETED": State.ABSENT,
    "DELETE_FAILED": State.DELETE_FAILED,
}
_ANSWERING = (State.LIVE, State.BUSY)  # in any other state the image named there answers nobody
_INHERITED = (
    "start command",
    "instance role",
)  # UpdateService merges what it is not sent, and neither may be sent empty
IN_FLIGHT = frozenset({"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
_ENDINGS = {
    "SUCCEEDED": OperationStatus.SUCCEEDED,
    "FAILED": OperationStatus.FAILED,
    "ROLLBACK_SUCCEEDED": OperationStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": OperationStatus.ROLLBACK_FAILED,
}
_STEPS = {Action.PAUSE: "pause_service", Action.RESUME: "resume_service", Action.DELETE: "delete_service"}
_PACE = "Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold"


class AppRunner:
    """One service, by its name."""

    def __init__(self, aws: Aws, service: str, time: Time) -> None:
        self._aws = aws
        self._service = service
        self._time = time
        self._arn: str | None = None

    @property
    def impossible(self) -> Mapping[Verb, str]:
        return {}

    async def observe(self) -> Observed:
        """At most: the services' names, the service, its newest operations."""
        service = await self._describe()
        if service is None:
            return Observed()
        in_flight = service["Status"] == "OPERATION_IN_PROGRESS"
        newest = await self._operations(service["ServiceArn"]) if in_flight else []
        going_on = [found for found in newest if found["Status"] in IN_FLIGHT]
        return observed_from(service, f"{going_on[0]['Type']} {going_on[0]['Id']}" if going_on else None)

    async def newest(self) -> Operation | None:
        arn = self._arn or await self._find()
        operations = await self._operations(arn) if arn else []
        if not arn or not operations:
            return None
        return Operation(arn, operations[0]["Id"], operations[0]["Type"] == "CREATE_SERVICE")

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Send the plan's change; a rebuild is an update of what a failed creation left."""
        try:
            answer = await self._send(plan, observed, spec)
        except AwsRefusedError as error:
            raise _not_begun(error) from error
        if not answer.get(
            "OperationId"
        ):  # what App Runner answers to an update that changes nothing, against its own model
            return None
        self._arn = answer["Service"]["ServiceArn"]
        creating = plan.action in (Action.CREATE, Action.REBUILD)
        return Operation(answer["Service"]["ServiceArn"], answer["OperationId"], creating)

    async def _send(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> dict[str, Any]:
        if plan.action in _STEPS:
            return await self._aws.call("apprunner", _STEPS[plan.action], ServiceArn=observed.arn)
        assert spec is not None
        request = request_of(spec)
        if plan.action is not Action.CREATE:
            return await self._aws.call("apprunner", "update_service", ServiceArn=observed.arn, **request)
        tags = [{"Key": "slipway:environment", "Value": spec.environment}]
        return await self._aws.call("apprunner", "create_service", ServiceName=spec.name, Tags=tags, **request)

    async def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """The platform's lines as they come, until the operation has ended; raises UnknownOutcomeError when it takes too long.

        Log and operation are asked in turn, one call every POLL_SECONDS.
        """
        began = self._time.now()
        told = 0
        ended = False
        while not ended:
            ended = await self.ending(operation) is not OperationStatus.IN_FLIGHT
            if (self._time.now() - began).total_seconds() > PATIENCE_SECONDS:
                raise UnknownOutcomeError(
                    f"{self._service} is still being changed after {PATIENCE_SECONDS / 60:.0f} minutes",
                    "ask again with `slipway status`",
                )
            await self._time.sleep(POLL_SECONDS)
            try:
                lines = await self._platform_lines(operation)
            except AwsRefusedError as error:  # who may not read the log learns all the same how it ends
                lines = (f"the log cannot be read: {error.what}",)
            for line in lines[told:]:
                yield Event(one_line(line))
            told = len(lines)
            if not ended:
                await self._time.sleep(POLL_SECONDS)

    async def ending(self, operation: Operation) -> OperationStatus:
        """A word that the model does not have is UNKNOWN."""
        try:
            found = await self._summary(operation)
        except AwsRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return OperationStatus.GONE
            raise
        return ending_of(found["Status"]) if found else OperationStatus.IN_FLIGHT

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """From the lines of this deployment and what its own instances wrote."""
        platform = await self._platform_lines(operation)
        found = await self._summary(operation)
        since = found["StartedAt"] if found else self._time.now()
        return diagnose(Evidence(platform, await self._application_lines(operation, since)), spec)

    async def _application_lines(self, operation: Operation, since: datetime) -> tuple[str, ...] | None:
        """None when no instance has begun since then: those of the release that is live go on writing meanwhile."""
        group = f"{_log_group(operation.arn)}/application"
        lines = await logs.read(self._aws, group, since=since)
        new = set()
        for stream in {line.stream for line in lines or ()}:
            made = await logs.began(self._aws, group, stream)
            if made is None or made >= since:
                new.add(stream)
        return tuple(line.message for line in lines or () if line.stream in new) if new else None

    async def _describe(self) -> Mapping[str, Any] | None:
        """The service; what was deleted is forgotten, for another may have its name now."""
        if self._arn:
            service = await self._described(self._arn)
            if service and service["Status"] != "DELETED":
                return service
            self._arn = None
        arn = await self._find()
        return await self._described(arn) if arn else None

    async def _described(self, arn: str) -> Mapping[str, Any] | None:
        try:
            service: Mapping[str, Any] = (await self._aws.call("apprunner", "describe_service", ServiceArn=arn))[
                "Service"
            ]
        except AwsRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return None
            raise
        return service

    async def _find(self) -> str | None:
        self._arn = await find(self._aws, self._service)
        return self._arn

    async def _operations(self, arn: str) -> list[Mapping[str, Any]]:
        """The newest operations, newest first."""
        newest: list[Mapping[str, Any]] = (await self._page(arn))["OperationSummaryList"]
        return newest

    async def _summary(self, operation: Operation) -> Mapping[str, Any] | None:
        """Also one that many others have followed since."""
        page = await self._page(operation.arn)
        while True:
            if found := next((found for found in page["OperationSummaryList"] if found["Id"] == operation.id), None):
                return dict(found)
            if not page.get("NextToken"):
                return None
            page = await self._page(operation.arn, NextToken=page["NextToken"])

    async def _page(self, arn: str, **more: str) -> Mapping[str, Any]:
        return await self._aws.call("apprunner", "list_operations", ServiceArn=arn, MaxResults=20, **more)

    async def _platform_lines(self, operation: Operation) -> tuple[str, ...]:
        stream = f"deployment/{operation.id.replace('-', '')}"
        lines = await logs.read(self._aws, f"{_log_group(operation.arn)}/service", prefix=stream)
        return tuple(line.message for line in lines or ())


def state_of(word: str) -> State:
    return _STATES.get(word, State.UNKNOWN)


async def find(aws: Aws, service: str) -> str | None:
    """A service's ARN by its name; a deleted service is listed for a while, beside the one that has its name now."""
    request: dict[str, Any] = {}
    while True:
        answer = await aws.call("apprunner", "list_services", **request)
        for summary in answer["ServiceSummaryList"]:
            if summary["ServiceName"] == service and summary.get("Status") != "DELETED":
                return str(summary["ServiceArn"])
        if not answer.get("NextToken"):
            return None
        request["NextToken"] = answer["NextToken"]


def ending_of(word: str) -> OperationStatus:
    return OperationStatus.IN_FLIGHT if word in IN_FLIGHT else _ENDINGS.get(word, OperationStatus.UNKNOWN)


def _not_begun(error: AwsRefusedError) -> SlipwayError:
    """Why a change was not begun; some reasons pass."""
    if error.code == "InvalidRequestException" and re.search("assuming (access|instance) role", error.said):
        return NotReadyError(f"App Runner cannot use the role yet ({error.said})", "wait, or check its trust policy")
    taken = error.code == "InvalidRequestException" and "already exists" in error.said
    if taken or error.code in ("InvalidStateException", "ResourceNotFoundException"):
        return BusyError(f"somebody else has changed the service just now ({error.said})", "run the same command again")
    return error


def request_of(spec: ServiceSpec) -> dict[str, Any]:
    """The part that CreateService and UpdateService share."""
    health = {"Protocol": "HTTP", "Path": spec.health_path} if spec.health_path else {"Protocol": "TCP"}
    return {
        "SourceConfiguration": {
            "ImageRepository": {
                "ImageIdentifier": str(spec.image),
                "ImageRepositoryType": "ECR",
                "ImageConfiguration": {
                    "Port": str(spec.port),
                    "RuntimeEnvironmentVariables": dict(spec.variables),
                    "RuntimeEnvironmentSecrets": dict(spec.secrets),
                },
            },
            "AutoDeploymentsEnabled": False,
            "AuthenticationConfiguration": {"AccessRoleArn": spec.access_role},
        },
        "InstanceConfiguration": {"Cpu": str(spec.cpu), "Memory": str(spec.memory)}
        | ({"InstanceRoleArn": spec.instance_role} if spec.instance_role else {}),
        "HealthCheckConfiguration": health | dict(zip(_PACE, HEALTH_PACE, strict=True)),
        "AutoScalingConfigurationArn": spec.auto_scaling,
        "NetworkConfiguration": {
            "EgressConfiguration": _egress(spec.vpc_connector),
            "IngressConfiguration": {"IsPubliclyAccessible": True},
            "IpAddressType": "IPV4",
        },
        "ObservabilityConfiguration": {"ObservabilityEnabled": False},
    }


def _egress(vpc_connector: str | None) -> dict[str, str]:
    return {"EgressType": "VPC", "VpcConnectorArn": vpc_connector} if vpc_connector else {"EgressType": "DEFAULT"}


def observed_from(service: Mapping[str, Any], operation: str | None) -> Observed:
    """A described service, normalised to the fields of a plan."""
    source, instance = service["SourceConfiguration"], service["InstanceConfiguration"]
    network = service.get("NetworkConfiguration", {})
    repository = source.get("ImageRepository", {})
    image, settings = repository.get("ImageIdentifier", ""), repository.get("ImageConfiguration", {})
    fields = {
        "image": image,
        "port": settings.get("Port", ""),
        "health check": _health(service.get("HealthCheckConfiguration", {})),
        "cpu": instance.get("Cpu", ""),
        "memory": instance.get("Memory", ""),
        "access role": source.get("AuthenticationConfiguration", {}).get("AccessRoleArn", ABSENT),
        "instance role": instance.get("InstanceRoleArn", ABSENT),
        "automatic deployments": str(source.get("AutoDeploymentsEnabled", True)).lower(),
        "start command": settings.get("StartCommand", ABSENT),
        "auto scaling": service.get("AutoScalingConfigurationSummary", {}).get("AutoScalingConfigurationArn", ABSENT),
        "egress": network.get("EgressConfiguration", {}).get("VpcConnectorArn", "internet"),
        "ingress": _ingress(network),
        "tracing": str(service.get("ObservabilityConfiguration", {}).get("ObservabilityEnabled", False)).lower(),
    }
    variables = {
        f"variable {name}": hashed(value) for name, value in settings.get("RuntimeEnvironmentVariables", {}).items()
    }
    secrets = {f"secret {name}": arn for name, arn in settings.get("RuntimeEnvironmentSecrets", {}).items()}
    state = state_of(service["Status"])
    return Observed(
        arn=service["ServiceArn"],
        url=service.get("ServiceUrl"),
        status=service["Status"],
        digest=_digest(image) if state in _ANSWERING else None,
        fields=fields | variables | secrets,
        operation=operation,
        inherited=_INHERITED,
        state=state,
    )


def _health(check: Mapping[str, Any]) -> str:
    interval, timeout, healthy, unhealthy = (
        check.get(key, usual) for key, usual in zip(_PACE, HEALTH_PACE, strict=True)
    )
    path = check.get("Path") if check.get("Protocol") == "HTTP" else None
    return health_check(path, (interval, timeout, healthy, unhealthy))


def _ingress(network: Mapping[str, Any]) -> str:
    public = network.get("IngressConfiguration", {}).get("IsPubliclyAccessible", True)
    return f"{'public' if public else 'private'}, {network.get('IpAddressType', 'IPV4')}"


def _digest(image: str) -> str | None:
    try:
        return Reference.parse(image).digest
    except BadInputError:
        return None


def _log_group(arn: str) -> str:
    """/aws/apprunner/NAME/ID from arn:…:service/NAME/ID; its last part says whose lines they are."""
    _, name, identity = arn.rsplit("/", 2)
    return f"/aws/apprunner/{name}/{identity}"
