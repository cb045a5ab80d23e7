"""AWS App Runner as a target.

Every field is sent, because an update keeps the fields that it leaves out. Images are sent by digest only.
App Runner accepts no new customers since 2026-04-30. Existing customers can still create services.
"""

import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from slipway.errors import BadInputError, SlipwayError, UnknownOutcomeError
from slipway.records.logs import LogSource
from slipway.records.outcome import Diagnosis, Verb
from slipway.records.plan import Action, Observed, Plan
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import of_new_streams
from slipway.release.diagnosis import DeploymentLogs, diagnose
from slipway.release.engine.plan import ServiceSpec
from slipway.release.engine.target import Operation, OperationStatus, Time
from slipway.release.errors import AwsRefusedError, BusyError, LostAnswerError, NotReadyError, or_absent
from slipway.release.failures import PlatformWords
from slipway.release.preflight.named import OWNER_TAG
from slipway.release.targets.app_runner.logs import group_of, platform_lines
from slipway.release.targets.app_runner.spec import creation_of, observed_from, own, update_of
from slipway.settings import Settings
from slipway.untrusted import one_line

WORDS = PlatformWords(
    unpulled=r"(?:Failed to pull your application image\. Reason: |Failure reason : (?=Failed to copy the image))(?P<reason>.+)",
    unreadable=r"Failed to retrieve the secret (?P<arn>\S+?)\.?$",
    exited="Container exit code: ",
    network="the VPC connector",
    unhealthy="Health check failed on ",
    checked=r"Health check (?:failed )?on (?:protocol `\w+` ?(?:\[Path: '(?P<path>[^']+)'\], )?\[Port|port) ?:? ?'(?P<port>\d+)'",
    failed=r"Failure reason : (?!Health check failed|Container |Failed to (?:pull|deploy|retrieve))(?P<reason>.+)"
    r"|stopped or failed to start\. See logs for more information\. (?!Container exit code)(?P<reason2>.+)",
)
NO_ABORT = "App Runner takes no deployment back before its end; wait for that with `slipway status --watch`, then use `slipway rollback`"
IMPOSSIBLE = {Verb.ABORT: NO_ABORT}
POLL_SECONDS = 3.25
_LATE_SECONDS = 1.5  # the last lines arrive this long after the end of their operation
_OVER = re.compile(r"Service status is set to (?!OPERATION_IN_PROGRESS)")
_PAGE = 20  # operations
_OPERATION_SECONDS = 30 * 60.0
IN_FLIGHT = frozenset({"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"})
_ENDINGS = {
    "SUCCEEDED": OperationStatus.SUCCEEDED,
    "FAILED": OperationStatus.FAILED,
    "ROLLBACK_SUCCEEDED": OperationStatus.ROLLED_BACK,
    "ROLLBACK_FAILED": OperationStatus.ROLLBACK_FAILED,
}
_STEPS = {Action.PAUSE: "pause_service", Action.RESUME: "resume_service", Action.DELETE: "delete_service"}


def connect(settings: Settings, environment: str, aws: Aws, time: Time) -> "AppRunnerTarget":
    """Return the target for an environment's service. Raise SettingsError when the settings do not fit."""
    return AppRunnerTarget(aws, settings.service_name(environment), time)


async def private_host(_settings: Settings, _environment: str, _aws: Aws) -> str | None:
    """Return None: a private address needs a VPC ingress connection, which slipway does not create."""
    return None


class AppRunnerTarget:
    """One service on App Runner, identified by its name."""

    def __init__(self, aws: Aws, service: str, time: Time) -> None:
        self._aws = aws
        self._service = service
        self._time = time
        self._arn: str | None = None

    @property
    def impossible(self) -> Mapping[Verb, str]:
        return IMPOSSIBLE

    async def take_back(self, operation: Operation) -> None:
        raise BadInputError(f"the operation {operation.id} cannot be aborted", NO_ABORT)

    async def observe(self) -> Observed:
        """Observe the service, including the operation in flight."""
        service = await self._describe()
        if service is None:
            return Observed()
        in_flight = service["Status"] == "OPERATION_IN_PROGRESS"
        newest = await self._operations(service["ServiceArn"]) if in_flight else []
        operation = next((each for each in newest if each["Status"] in IN_FLIGHT), None)
        return observed_from(service, f"{operation['Type']} {operation['Id']}" if operation else None)

    async def newest(self) -> Operation | None:
        arn = self._arn or await self._find()
        if arn is None or not (operations := await self._operations(arn)):
            return None
        return Operation(arn, operations[0]["Id"], operations[0]["Type"] == "CREATE_SERVICE")

    async def apply(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> Operation | None:
        """Send the plan's change. A rebuild updates the service that remained after a failed creation."""
        try:
            answer = await self._send(plan, observed, spec)
        except AwsRefusedError as error:
            raise _not_begun(error) from error
        if not answer.get("OperationId"):  # contrary to the model, an update without changes has no operation
            return None
        self._arn = answer["Service"]["ServiceArn"]
        creating = plan.action in (Action.CREATE, Action.REBUILD)
        return Operation(answer["Service"]["ServiceArn"], answer["OperationId"], creating)

    async def _send(self, plan: Plan, observed: Observed, spec: ServiceSpec | None) -> dict[str, Any]:
        if plan.action in _STEPS:
            return await self._aws.call("apprunner", _STEPS[plan.action], ServiceArn=observed.arn)
        wanted = own(spec)
        if plan.action is not Action.CREATE:
            request = update_of(wanted, observed.fields)
            return await self._aws.call("apprunner", "update_service", ServiceArn=observed.arn, **request)
        tags = [{"Key": key, "Value": value} for key, value in {**wanted.tags, OWNER_TAG: wanted.environment}.items()]
        request = creation_of(wanted)
        return await self._aws.call("apprunner", "create_service", ServiceName=wanted.name, Tags=tags, **request)

    async def follow(self, operation: Operation) -> AsyncIterator[Event]:
        """Yield the platform's lines until the operation has ended.

        Raise UnknownOutcomeError after _OPERATION_SECONDS.
        Read the log and the operation in turn, one call every POLL_SECONDS. Once the log reports the end, read the
        operation at once. When the log cannot be read, continue without it.
        """
        began, shown, is_over, is_readable = self._time.seconds(), 0, False, True
        while True:
            ended = await self.ending(operation) is not OperationStatus.IN_FLIGHT
            if ended and is_over:
                return
            if self._time.seconds() - began > _OPERATION_SECONDS:
                raise UnknownOutcomeError(
                    f"{self._service} is still being changed after {_OPERATION_SECONDS / 60:.0f} minutes",
                    "ask again with `slipway status`",
                )
            await self._time.sleep(_LATE_SECONDS if ended else POLL_SECONDS)
            if is_readable:
                try:
                    lines = tuple(line.message for line in await platform_lines(self._aws, operation))
                except (AwsRefusedError, LostAnswerError) as error:
                    is_readable, lines = False, (*("",) * shown, f"the log cannot be read: {error.what}")
                for line in lines[shown:]:
                    yield Event(one_line(line))
                is_over = any(map(_OVER.search, lines[shown:]))
                shown = len(lines)
            if ended:
                return
            if not is_over:
                await self._time.sleep(POLL_SECONDS)

    async def ending(self, operation: Operation) -> OperationStatus:
        """Return the operation's status. A status that is not in the API model is UNKNOWN."""
        try:
            summary = await self._summary(operation)
        except AwsRefusedError as error:
            if error.code == "ResourceNotFoundException":
                return OperationStatus.GONE
            raise
        return ending_of(summary["Status"]) if summary else OperationStatus.IN_FLIGHT

    async def ended(self, operation: Operation) -> datetime | None:
        summary = await self._summary(operation)
        return summary.get("EndedAt") if summary else None

    async def evidence(self, operation: Operation, spec: ServiceSpec) -> Diagnosis:
        """Return the diagnosis from the lines of this deployment and of its own instances."""
        platform = await platform_lines(self._aws, operation)
        summary = await self._summary(operation)
        since, until = (summary["StartedAt"], summary.get("EndedAt")) if summary else (self._time.now(), None)
        group = group_of(operation.arn, LogSource.APPLICATION)
        application = await of_new_streams(self._aws, group, since, until)
        return diagnose(DeploymentLogs.until_failure(platform, application, WORDS), spec, WORDS)

    async def _describe(self) -> Mapping[str, Any] | None:
        """Describe the service. If it was deleted, look its name up again, because a new service may have the name."""
        if self._arn:
            service = await self._described(self._arn)
            if service and service["Status"] != "DELETED":
                return service
            self._arn = None
        arn = await self._find()
        return await self._described(arn) if arn else None

    async def _described(self, arn: str) -> Mapping[str, Any] | None:
        call = self._aws.call("apprunner", "describe_service", ServiceArn=arn)
        answer = await or_absent(call, "ResourceNotFoundException")
        return answer["Service"] if answer else None

    async def _find(self) -> str | None:
        self._arn = await find(self._aws, self._service)
        return self._arn

    async def _operations(self, arn: str) -> list[Mapping[str, Any]]:
        answer = await self._aws.call("apprunner", "list_operations", ServiceArn=arn, MaxResults=_PAGE)
        return list(answer["OperationSummaryList"])

    async def _summary(self, operation: Operation) -> Mapping[str, Any] | None:
        """Return the summary of an operation, even when many later ones exist."""
        asked = {"ServiceArn": operation.arn, "MaxResults": _PAGE}
        async for summary in self._aws.items("apprunner", "list_operations", "OperationSummaryList", **asked):
            if summary["Id"] == operation.id:
                return dict(summary)
        return None


async def count(_aws: Aws, _arn: str) -> str:
    """Return an empty text: App Runner does not report the number of instances."""
    return ""


async def find(aws: Aws, service: str) -> str | None:
    """Return a service's ARN by its name. App Runner lists a deleted service for a while, beside a new one with its name."""
    async for summary in aws.items("apprunner", "list_services", "ServiceSummaryList"):
        if summary["ServiceName"] == service and summary.get("Status") != "DELETED":
            return str(summary["ServiceArn"])
    return None


def ending_of(word: str) -> OperationStatus:
    return OperationStatus.IN_FLIGHT if word in IN_FLIGHT else _ENDINGS.get(word, OperationStatus.UNKNOWN)


def _not_begun(error: AwsRefusedError) -> SlipwayError:
    """Return why a change did not start; some reasons are temporary."""
    if error.code == "InvalidRequestException" and re.search("assuming (access|instance) role", error.message):
        return NotReadyError(f"App Runner cannot use the role yet ({error.message})", "wait, or check its trust policy")
    taken = error.code == "InvalidRequestException" and "already exists" in error.message
    if taken or error.code in ("InvalidStateException", "ResourceNotFoundException"):
        return BusyError(f"the service was changed at the same time ({error.message})", "run the same command again")
    return error
