"""How each behaviour of a service is looked at: a function that answers one line, as `expectations` has it.

Raises SilentError when the account does not answer the question.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slipway.conformance.account import SilentError, masked
from slipway.conformance.service import Service
from slipway.conformance.walks import Request

Look = Callable[[Service, str | None], Awaitable[str]]
_LATE, _TRIES = 15.0, 8  # logs come when they come


async def _unchanged(service: Service, _scaling: str | None) -> str:
    return await service.told("UpdateService", Request.FIRST)


async def _sizes(service: Service, _scaling: str | None) -> str:
    sizes = (await service.described())["InstanceConfiguration"]
    return masked(f"{sizes.get('Cpu')} and {sizes.get('Memory')}")


async def _defaults(service: Service, _scaling: str | None) -> str:
    check = (await service.described()).get("HealthCheckConfiguration", {})
    keys = ("Protocol", "Path", "Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold")
    return masked(" ".join(str(check.get(key)) for key in keys))


async def _automatic(service: Service, _scaling: str | None) -> str:
    if not service.image.is_public:
        raise SilentError("the image is none of ECR Public")
    source = (await service.described())["SourceConfiguration"]
    return "on" if source.get("AutoDeploymentsEnabled") else "off"


async def _taken(service: Service, _scaling: str | None) -> str:
    return service.masked((await service.create(Request.FIRST)).error) or "answers: there are two of one name"


async def _unfitting(service: Service, _scaling: str | None) -> str:
    other = Service(service.account, service.image, service.run, "large")
    answer = await other.create(Request.FIRST, InstanceConfiguration={"Cpu": "0.25 vCPU", "Memory": "12 GB"})
    return masked(answer.code) or "answers"


async def _tags(service: Service, _scaling: str | None) -> str:
    before = len(await service.operations())
    first = await service.tags()
    added = {"Key": "slipway:seen", "Value": "1"}
    tagged = await service.account.ask("apprunner", "TagResource", ResourceArn=service.arn, Tags=[added])
    if tagged.code:
        return service.masked(tagged.error)
    second = await service.tags()
    await service.account.ask("apprunner", "UntagResource", ResourceArn=service.arn, TagKeys=[added["Key"]])
    third = await service.tags()
    right = service.run in first.values() and second == first | {"slipway:seen": "1"} and third == first
    begun = len(await service.operations()) - before
    return f"{'set and changed' if right else 'not as they were set'}, and {'an' if begun else 'no'} operation begins"


async def _kept(service: Service, scaling: str | None) -> str:
    if scaling is None:
        raise SilentError("there is no auto scaling configuration")
    answer = await service.account.ask(
        "apprunner", "DeleteAutoScalingConfiguration", AutoScalingConfigurationArn=scaling
    )
    return masked(answer.code) or "answers: it is deleted"


async def _inherited(service: Service, _scaling: str | None) -> str:
    if not service.image.command:
        raise SilentError("no start command of the image is known")
    settings = _settings(await service.described())
    wanted = {"Port": str(service.image.port), "StartCommand": service.image.command}
    lost = [key for key, value in wanted.items() if settings.get(key) != value]
    return f"{' and '.join(lost)} lost" if lost else "port and start command stay"


async def _replaced(service: Service, _scaling: str | None) -> str:
    variables = _settings(await service.described()).get("RuntimeEnvironmentVariables", {})
    return masked(f"{' and '.join(sorted(variables))}{' alone' if len(variables) == 1 else ''}")


async def _order(service: Service, _scaling: str | None) -> str:
    began = [operation["StartedAt"] for operation in await service.operations()]
    return "newest first" if len(began) > 1 and began == sorted(began, reverse=True) else "in another order"


async def _pages(service: Service, _scaling: str | None) -> str:
    twenty = await service.ask("ListOperations", MaxResults=20)
    more = await service.ask("ListOperations", MaxResults=21)
    return masked(f"20 {twenty.code or 'answered'}, 21 {more.code or 'answered'}")


async def _rolled_back(service: Service, _scaling: str | None) -> str:
    newest, found = (await service.operations())[0], await service.described()
    same = found.get("HealthCheckConfiguration", {}).get("Protocol") == "TCP"
    same = same and _settings(found).get("RuntimeEnvironmentVariables") == {"SECOND": "2"}
    return f"{newest['Type']} {newest['Status']}, {found['Status']} with {'what it had' if same else 'something else than it had'} before"


async def _failed(service: Service, _scaling: str | None) -> str:
    newest = (await service.operations())[0]
    return f"{newest['Type']} {newest['Status']}, {await service.status()}"


async def _log(service: Service, _scaling: str | None) -> str:
    """Of the update: the newest operation there."""
    newest = (await service.operations())[0]
    lines = await _lines(service, newest)
    end = "ended with RUNNING" if "[AppRunner] Service status is set to RUNNING." in lines else "not ended"
    return masked(f"started with the trigger {_trigger(lines, newest)}, {end}")


async def _triggers(service: Service, _scaling: str | None) -> str:
    operations = {operation["Type"]: operation for operation in await service.operations()}
    kinds = ("CREATE_SERVICE", "START_DEPLOYMENT", "RESUME_SERVICE")
    if missing := [kind for kind in kinds if kind not in operations]:
        raise SilentError(f"no operation {missing[0]} is listed")
    return masked(", ".join([_trigger(await _lines(service, operations[kind]), operations[kind]) for kind in kinds]))


async def _lines(service: Service, operation: Mapping[str, Any]) -> list[str]:
    """What its stream has, once it has its end."""
    group = f"/aws/apprunner/{service.name}/{service.arn.rpartition('/')[2]}/service"
    stream = f"deployment/{_plain(operation)}"
    for _ in range(_TRIES):
        answer = await service.account.ask("logs", "FilterLogEvents", logGroupName=group, logStreamNames=[stream])
        lines = [event["message"].strip() for event in answer.given.get("events", ())]
        if any("Service status is set to RUNNING" in line for line in lines):
            return lines
        await service.account.time.sleep(_LATE)
    return lines


def _trigger(lines: list[str], operation: Mapping[str, Any]) -> str:
    begin = f"[AppRunner] Deployment with ID : {_plain(operation)} started. Triggering event : "
    return next((line.removeprefix(begin) for line in lines if line.startswith(begin)), "nothing")


def _plain(operation: Mapping[str, Any]) -> str:
    return str(operation["Id"]).replace("-", "")


def _settings(service: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = service["SourceConfiguration"]["ImageRepository"].get("ImageConfiguration", {})
    return found


LOOKS: Mapping[str, Look] = {
    "an update without an effective change": _unchanged,
    "sizes that are read back": _sizes,
    "what a creation leaves out": _defaults,
    "automatic deployments": _automatic,
    "a name that is taken": _taken,
    "the name of a failed creation": _taken,
    "sizes that do not fit": _unfitting,
    "tags": _tags,
    "auto scaling that a service has": _kept,
    "what an update leaves out": _inherited,
    "variables in an update": _replaced,
    "the order of operations": _order,
    "the length of a page": _pages,
    "a failed update": _rolled_back,
    "a failed creation": _failed,
    "the log of a deployment": _log,
    "the triggers of what is no update": _triggers,
}
