"""An App Runner service of a run: it is called and awaited, and its answers are condensed to one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.conformance.account import PREFIX, TAG, AwsAccount, Reply, SilentError, masked
from slipway.conformance.expectations import SAME
from slipway.conformance.walks import BUSY, CPU, MEMORY, Request
from slipway.errors import BadInputError

_FIRST_WAIT, _LONGEST_WAIT, _TIMEOUT = 1.0, 10.0, 30 * 60.0  # seconds
_LISTINGS, _LISTING_PAUSE = 5, 2.0  # a new operation may appear in the list a moment later
_PUBLIC = "public.ecr.aws/"
_NOWHERE = "/slipway-conformance-is-not-here"


@dataclass(frozen=True)
class ProbeImage:
    """The image that the services run. A private repository's image needs an access role."""

    identifier: str = "public.ecr.aws/aws-containers/hello-app-runner:latest"
    port: int = 8000
    command: str = "python ./app.py"
    access_role: str | None = None

    def __post_init__(self) -> None:
        if not self.is_public and not self.access_role:
            raise BadInputError(
                f"{self.identifier} is an image of a private repository",
                "name the role that may pull it with --access-role",
            )

    @property
    def is_public(self) -> bool:
        return self.identifier.startswith(_PUBLIC)

    def configuration(self, request: Request) -> dict[str, Any]:
        """Return the source and health check for a CreateService or an UpdateService."""
        settings: dict[str, Any] = {"RuntimeEnvironmentVariables": {"SECOND": "2"}}
        if request is not Request.SECOND:
            settings = {"Port": str(self.port), "RuntimeEnvironmentVariables": {"FIRST": "1"}}
            settings |= {"StartCommand": self.command} if self.command else {}
        repository = {
            "ImageIdentifier": self.identifier,
            "ImageRepositoryType": "ECR_PUBLIC" if self.is_public else "ECR",
            "ImageConfiguration": settings,
        }
        source: dict[str, Any] = {"ImageRepository": repository}
        if self.access_role:
            source |= {"AuthenticationConfiguration": {"AccessRoleArn": self.access_role}}
        return {"SourceConfiguration": source} | _health(request)


def _health(request: Request) -> dict[str, Any]:
    match request:
        case Request.FAILING:
            return {"HealthCheckConfiguration": {"Protocol": "HTTP", "Path": _NOWHERE}}
        case Request.HEALTHY:
            return {"HealthCheckConfiguration": {"Protocol": "TCP", "Path": "/"}}
        case _:
            return {}


class ProbedService:
    """A service of the suite.

    `arn` is empty before its creation. `scaling` is the ARN of its auto scaling configuration, or None.
    """

    def __init__(self, account: AwsAccount, image: ProbeImage, run: str, name: str, scaling: str | None = None) -> None:
        self.account = account
        self.image = image
        self.run = run
        self.name = f"{PREFIX}{run}-{name}"
        self.arn = ""
        self.scaling = scaling

    async def create(self, request: Request, **parts: Any) -> Reply:
        """Call CreateService with this name and the run's tag, by which `leftovers` finds the service."""
        sizes = {"Cpu": f"{CPU} vCPU", "Memory": f"{MEMORY} GB"}
        parameters = {"InstanceConfiguration": sizes, **self.image.configuration(request), **parts}
        if self.scaling:
            parameters["AutoScalingConfigurationArn"] = self.scaling
        tags = [{"Key": TAG, "Value": self.run}]
        return await self.account.ask("apprunner", "CreateService", ServiceName=self.name, Tags=tags, **parameters)

    async def begin(self, request: Request) -> None:
        """Create the service and keep its ARN. Raise SilentError when the account refuses."""
        reply = await self.create(request)
        if reply.code:
            raise SilentError(self.masked(f"CreateService: {reply.error}"))
        self.arn = reply["Service"]["ServiceArn"]

    async def ask(self, call: str, **parameters: Any) -> Reply:
        return await self.account.ask("apprunner", call, ServiceArn=self.arn, **parameters)

    async def describe(self) -> Mapping[str, Any]:
        service: Mapping[str, Any] = (await self.ask("DescribeService"))["Service"]
        return service

    async def status(self) -> str:
        """Return the status. A service that AWS no longer describes is DELETED."""
        reply = await self.ask("DescribeService")
        return "DELETED" if reply.code == "ResourceNotFoundException" else str(reply["Service"]["Status"])

    async def settled(self) -> str:
        """Return the status when no operation is in progress, or after 30 minutes."""
        began, wait = self.account.time.now(), _FIRST_WAIT
        while (status := await self.status()) == BUSY:
            if (self.account.time.now() - began).total_seconds() > _TIMEOUT:
                break
            await self.account.time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
        return status

    async def operations(self) -> Sequence[Mapping[str, Any]]:
        listed: Sequence[Mapping[str, Any]] = (await self.ask("ListOperations"))["OperationSummaryList"]
        return listed

    async def tags(self) -> dict[str, str]:
        reply = await self.account.ask("apprunner", "ListTagsForResource", ResourceArn=self.arn)
        return {tag["Key"]: tag.get("Value", "") for tag in reply["Tags"]}

    def masked(self, text: str) -> str:
        return masked(text, {self.arn: "ARN", self.name: "NAME"} if self.arn else {self.name: "NAME"})

    async def outcome(self, call: str, request: Request | None = None) -> str:
        """Make a call, and return its outcome in one line."""
        match call:
            case "DescribeService":
                reply = await self.ask(call)
                return self.masked(reply.error) or f"answers, {reply['Service']['Status']}"
            case "ListOperations":
                return self.masked((await self.ask(call)).error) or "answers"
            case "ListServices":
                listed = self.account.pages("apprunner", call, "ServiceSummaryList")
                return "listed" if self.arn in [summary["ServiceArn"] async for summary in listed] else "not listed"
            case "UpdateService":
                return await self._changed(call, self.image.configuration(request or Request.SECOND))
            case _:
                return await self._changed(call, {})

    async def _changed(self, call: str, parts: Mapping[str, Any]) -> str:
        reply = await self.ask("ListOperations")
        before = {operation["Id"] for operation in reply.answer.get("OperationSummaryList", ())}
        reply = await self.ask(call, **parts)
        if reply.code:
            return self.masked(reply.error)
        begun = await self._begun(before, reply.answer.get("OperationId"))
        if "OperationId" in reply.answer:
            return f"begins {begun}" if begun else "answers with an operation that is not listed"
        return f"begins {begun}, and the answer has no OperationId" if begun else SAME

    async def _begun(self, before: set[str], named: str | None) -> str | None:
        """Return the type of the new operation. Wait for it when the answer names one."""
        for _ in range(_LISTINGS if named else 1):
            new = [operation for operation in await self.operations() if operation["Id"] not in before]
            if new:
                return str(new[0]["Type"])
            if named:
                await self.account.time.sleep(_LISTING_PAUSE)
        return None


def inconclusive(error: SilentError) -> str:
    return f"the account did not answer: {error}"
