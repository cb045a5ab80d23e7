"""AWS App Runner. Every field is sent, because an update inherits the ones it leaves out; images are sent by digest only.

App Runner accepts no new customers since 2026-04-30; existing ones can still create services.
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
from slipway.release.diagnosis import DeploymentLogs, diagnose
from slipway.release.engine.plan import ABSENT, ServiceSpec, hashed
from slipway.release.engine.target import Operation, OperationStatus, Time
from slipway.release.errors import AwsRefusedError, BusyError, NotReadyError
from slipway.release.failures import PlatformWords
from slipway.release.targets.app_runner.spec import described_health, own, request_of
from slipway.untrusted import one_line

OWNER_TAG = "slipway:environment"
WORDS = PlatformWords(
    unpulled=r"Failed to pull your application image\. Reason: (?P<reason>.+)",
    unreadable=r"Failed to retrieve the secret (?P<arn>\S+?)\.?$",
    exited="Container exit code: ",
    unhealthy="Health check failed on protocol",
)
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
_ANSWERING = (State.LIVE, State.BUSY)  # in any other state the service does not answer
_INHERITED = (
    "start command",
    "instance role",
)  # UpdateService keeps a field that it is not sent, and refuses these two empty
IN_FLIGHT = frozenset({"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
_ENDINGS = {
    "SUCCEEDED": OperationStatus.SUCCEEDED,
    "FAILED": OperationStatus.FAILED,
    "ROLLBACK_SUCCEEDED": OperationStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": OperationStatus.ROLLBACK_FAILED,
}
_STEPS = {Action.PAUSE: "pause_service", Action.RESUME: "resume_service", Action.DELETE: "delete_service"}


class AppRunnerTarget:
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
        """Ask for the services' names, the service and, while it is busy, its newest operations."""
        service = await self._describe()
        if service is None:
            return Observed()
        in_flight = service["Status"] == "OPERATION_IN_PROGRESS"
        newest = await self._operations(service["ServiceArn"]) if in_flight else []
        operation = next((each for each in newest if each["Status"] in IN_FLIGHT), None)
        return observed_from(service, f"{operation['Type']} {operation['Id']}" if operation else None)

    async def newest(self) -> Operation | None:
        arn = self._arn or await self._find()
        operations = await self._operations(arn) if arn else []
        if not arn or not operations:
            return None
        return Operation(arn, operations[0]["Id"], operations[0]["Type"] == "CREATE_SERVICE")

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Send the plan's change; a rebuild updates the service that a failed creation left."""
        try:
            answer = await self._send(plan, observed, spec)
        except AwsRefusedError as error:
            raise _not_begun(error) from error
        if not answer.get("OperationId"):  # an update that changes nothing has none, contrary to the model
            return None
        self._arn = answer["Service"]["ServiceArn"]
        creating = plan.action in (Action.CREATE, Action.REBUILD)
        return Operation(answer["Service"]["ServiceArn"], answer["OperationId"], creating)

    async def _send(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> dict[str, Any]:
        if plan.action in _STEPS:
            return await self._aws.call("apprunner", _STEPS[plan.action], ServiceArn=observed.arn)
        wanted = own(spec)
        request = request_of(wanted)
        if plan.action is not Action.CREATE:
            return await self._aws.call("apprunner", "update_service", ServiceArn=observed.arn, **request)
        tags = [{"Key": OWNER_TAG, "Value": wanted.environment}]
        return await self._aws.call("apprunner", "create_service", ServiceName=wanted.name, Tags=tags, **request)

    async def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Yield the platform's lines until the operation has ended; raises UnknownOutcomeError after PATIENCE_SECONDS.

        The log and the operation are polled in turn, one call every POLL_SECONDS.
        """
        began = self._time.now()
        shown = 0
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
            except AwsRefusedError as error:  # the end of the operation is known without the log
                lines = (f"the log cannot be read: {error.what}",)
            for line in lines[shown:]:
                yield Event(one_line(line))
            shown = len(lines)
            if not ended:
                await self._time.sleep(POLL_SECONDS)

    async def ending(self, operation: Operation) -> OperationStatus:
        """Return the operation's status; a status that is not in the model is UNKNOWN."""
        try:
            summary = await self._summary(operation)
        except AwsRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return OperationStatus.GONE
            raise
        return ending_of(summary["Status"]) if summary else OperationStatus.IN_FLIGHT

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Diagnose from the lines of this deployment and of its own instances."""
        platform = await self._platform_lines(operation)
        summary = await self._summary(operation)
        since = summary["StartedAt"] if summary else self._time.now()
        return diagnose(DeploymentLogs(platform, await self._application_lines(operation, since)), spec, WORDS)

    async def _application_lines(self, operation: Operation, since: datetime) -> tuple[str, ...] | None:
        """Return the lines of instances that began since then, or None: instances of the live release keep writing."""
        group = f"{_log_group(operation.arn)}/application"
        lines = await logs.read(self._aws, group, since=since)
        new = set()
        for stream in {line.stream for line in lines or ()}:
            began = await logs.began(self._aws, group, stream)
            if began is None or began >= since:
                new.add(stream)
        return tuple(line.message for line in lines or () if line.stream in new) if new else None

    async def _describe(self) -> Mapping[str, Any] | None:
        """Describe the service; a deleted one is looked up again, because another may have its name now."""
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
        """Return the newest operations, newest first."""
        newest: list[Mapping[str, Any]] = (await self._page(arn))["OperationSummaryList"]
        return newest

    async def _summary(self, operation: Operation) -> Mapping[str, Any] | None:
        """Return the summary of an operation, however many have followed it."""
        page = await self._page(operation.arn)
        while True:
            if summary := next((each for each in page["OperationSummaryList"] if each["Id"] == operation.id), None):
                return dict(summary)
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
    """Return a service's ARN by its name. A deleted service is listed for a while, beside a new one of its name."""
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
    """Return why a change did not start; some reasons are temporary."""
    if error.code == "InvalidRequestException" and re.search("assuming (access|instance) role", error.said):
        return NotReadyError(f"App Runner cannot use the role yet ({error.said})", "wait, or check its trust policy")
    taken = error.code == "InvalidRequestException" and "already exists" in error.said
    if taken or error.code in ("InvalidStateException", "ResourceNotFoundException"):
        return BusyError(f"the service was changed at the same time ({error.said})", "run the same command again")
    return error


def observed_from(service: Mapping[str, Any], operation: str | None) -> Observed:
    """Convert a described service to the fields of a plan."""
    source, instance = service["SourceConfiguration"], service["InstanceConfiguration"]
    network = service.get("NetworkConfiguration", {})
    repository = source.get("ImageRepository", {})
    image, settings = repository.get("ImageIdentifier", ""), repository.get("ImageConfiguration", {})
    fields = {
        "image": image,
        "port": settings.get("Port", ""),
        "health check": described_health(service.get("HealthCheckConfiguration", {})),
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


def _ingress(network: Mapping[str, Any]) -> str:
    public = network.get("IngressConfiguration", {}).get("IsPubliclyAccessible", True)
    return f"{'public' if public else 'private'}, {network.get('IpAddressType', 'IPV4')}"


def _digest(image: str) -> str | None:
    try:
        return Reference.parse(image).digest
    except BadInputError:
        return None


def _log_group(arn: str) -> str:
    """Return /aws/apprunner/NAME/ID from arn:…:service/NAME/ID; the group's last part, service or application, follows."""
    _, name, identity = arn.rsplit("/", 2)
    return f"/aws/apprunner/{name}/{identity}"
