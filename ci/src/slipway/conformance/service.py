"""One App Runner service of a run, as its account shows it: asked, waited for, and told in one line without its name and ARN."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.conformance.account import PREFIX, TAG, Account, Answer, SilentError, masked
from slipway.conformance.expectations import SAME
from slipway.conformance.walks import BUSY, CPU, MEMORY, Request
from slipway.errors import BadInputError

_FIRST, _MOST, _PATIENCE = 1.0, 10.0, 30 * 60.0
_LOOKS, _LOOK_AGAIN = 5, 2.0  # an operation that has begun may be listed a moment later
_PUBLIC = "public.ecr.aws/"
_NOWHERE = "/slipway-conformance-is-not-here"


@dataclass(frozen=True)
class Image:
    """What the services run. By default AWS's sample of ECR Public, which needs no role; one of a private repository needs one."""

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

    def asked(self, request: Request) -> dict[str, Any]:
        """The parts of a CreateService or an UpdateService."""
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


class Service:
    """`arn` is empty until it is created."""

    def __init__(self, account: Account, image: Image, run: str, name: str) -> None:
        self.account = account
        self.image = image
        self.run = run
        self.name = f"{PREFIX}{run}-{name}"
        self.arn = ""

    async def create(self, request: Request, scaling: str | None = None, **parts: Any) -> Answer:
        """Ask for a service of this name. Every creation bears the run's tag, so that it is found again."""
        sizes = {"Cpu": f"{CPU} vCPU", "Memory": f"{MEMORY} GB"}
        wanted = {"InstanceConfiguration": sizes, **self.image.asked(request), **parts}
        if scaling:
            wanted["AutoScalingConfigurationArn"] = scaling
        tags = [{"Key": TAG, "Value": self.run}]
        return await self.account.ask("apprunner", "CreateService", ServiceName=self.name, Tags=tags, **wanted)

    async def begin(self, request: Request, scaling: str | None) -> None:
        """Create it, and know its ARN. Raises SilentError when the account would not."""
        answer = await self.create(request, scaling)
        if answer.code:
            raise SilentError(self.masked(f"CreateService: {answer.error}"))
        self.arn = answer["Service"]["ServiceArn"]

    async def ask(self, call: str, **parameters: Any) -> Answer:
        return await self.account.ask("apprunner", call, ServiceArn=self.arn, **parameters)

    async def described(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (await self.ask("DescribeService"))["Service"]
        return found

    async def status(self) -> str:
        """One that is not even described any more is DELETED."""
        answer = await self.ask("DescribeService")
        if answer.code == "ResourceNotFoundException":
            return "DELETED"
        found: str = answer["Service"]["Status"]
        return found

    async def settled(self) -> str:
        """Its status when nothing is in progress, or when nobody would wait any longer."""
        began, wait = self.account.time.now(), _FIRST
        while (status := await self.status()) == BUSY:
            if (self.account.time.now() - began).total_seconds() > _PATIENCE:
                break
            await self.account.time.sleep(wait)
            wait = min(2 * wait, _MOST)
        return status

    async def operations(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = (await self.ask("ListOperations"))["OperationSummaryList"]
        return found

    async def tags(self) -> dict[str, str]:
        answer = await self.account.ask("apprunner", "ListTagsForResource", ResourceArn=self.arn)
        return {tag["Key"]: tag.get("Value", "") for tag in answer["Tags"]}

    def masked(self, text: str) -> str:
        return masked(text, {self.arn: "ARN", self.name: "NAME"} if self.arn else {self.name: "NAME"})

    async def told(self, call: str, request: Request | None = None) -> str:
        """Make a call, and say in one line what came of it."""
        match call:
            case "DescribeService":
                answer = await self.ask(call)
                return self.masked(answer.error) or f"answers, {answer['Service']['Status']}"
            case "ListOperations":
                return self.masked((await self.ask(call)).error) or "answers"
            case "ListServices":
                listed = self.account.pages("apprunner", call, "ServiceSummaryList")
                return "listed" if self.arn in [found["ServiceArn"] async for found in listed] else "not listed"
            case "UpdateService":
                return await self._changed(call, self.image.asked(request or Request.SECOND))
            case _:
                return await self._changed(call, {})

    async def _changed(self, call: str, parts: Mapping[str, Any]) -> str:
        answer = await self.ask("ListOperations")
        before = {operation["Id"] for operation in answer.given.get("OperationSummaryList", ())}
        answer = await self.ask(call, **parts)
        if answer.code:
            return self.masked(answer.error)
        begun = await self._begun(before, answer.given.get("OperationId"))
        if "OperationId" in answer.given:
            return f"begins {begun}" if begun else "answers with an operation that is not listed"
        return f"begins {begun}, and the answer has no OperationId" if begun else SAME

    async def _begun(self, before: set[str], named: str | None) -> str | None:
        """The type of the operation that is new; waited for when the answer names one."""
        for _ in range(_LOOKS if named else 1):
            new = [found for found in await self.operations() if found["Id"] not in before]
            if new:
                return str(new[0]["Type"])
            if named:
                await self.account.time.sleep(_LOOK_AGAIN)
        return None


def unfit(error: SilentError) -> str:
    """Why something was not seen, when the account was silent."""
    return f"the account did not answer: {error}"
