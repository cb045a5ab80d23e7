"""Probes of a service's behaviours. Each returns one line, which is compared with `expectations`.

A probe raises SilentError when the account's answer proves nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slipway.conformance.account import MISSHAPEN, TAG, AwsAccount, Reply, SilentError, masked
from slipway.conformance.expectations import Findings
from slipway.conformance.service import ProbedService
from slipway.conformance.walks import Request

_NOUN, _ARN = "AutoScalingConfiguration", "AutoScalingConfigurationArn"
_LOG_DELAY, _LOG_READS = 15.0, 8  # logs arrive late


async def _unchanged(service: ProbedService) -> str:
    return await service.outcome("UpdateService", Request.FIRST)


async def _sizes(service: ProbedService) -> str:
    sizes = (await service.describe())["InstanceConfiguration"]
    return masked(f"{sizes.get('Cpu')} and {sizes.get('Memory')}")


async def _defaults(service: ProbedService) -> str:
    check = (await service.describe()).get("HealthCheckConfiguration", {})
    keys = ("Protocol", "Path", "Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold")
    return masked(" ".join(str(check.get(key)) for key in keys))


async def _automatic(service: ProbedService) -> str:
    if not service.image.is_public:
        raise SilentError("the image is not from ECR Public")
    source = (await service.describe())["SourceConfiguration"]
    return "on" if source.get("AutoDeploymentsEnabled") else "off"


async def _taken(service: ProbedService) -> str:
    return service.masked((await service.create(Request.FIRST)).error) or "answers: two services have one name"


async def _unfitting(service: ProbedService) -> str:
    other = ProbedService(service.account, service.image, service.run, "large")
    answer = await other.create(Request.FIRST, InstanceConfiguration={"Cpu": "0.25 vCPU", "Memory": "12 GB"})
    return masked(answer.code) or "answers"


async def _tags(service: ProbedService) -> str:
    before = len(await service.operations())
    first = await service.tags()
    added = {"Key": "slipway:seen", "Value": "1"}
    tagged = await service.account.ask("apprunner", "TagResource", ResourceArn=service.arn, Tags=[added])
    if tagged.code:
        return service.masked(tagged.error)
    second = await service.tags()
    await service.account.ask("apprunner", "UntagResource", ResourceArn=service.arn, TagKeys=[added["Key"]])
    third = await service.tags()
    correct = service.run in first.values() and second == first | {"slipway:seen": "1"} and third == first
    begun = len(await service.operations()) - before
    return f"{'set and changed' if correct else 'not as they were set'}, and {'an' if begun else 'no'} operation begins"


async def _kept(service: ProbedService) -> str:
    if service.scaling is None:
        raise SilentError("no auto scaling configuration exists")
    answer = await service.account.ask("apprunner", f"Delete{_NOUN}", **{_ARN: service.scaling})
    return masked(answer.code) or "answers: it is deleted"


async def _inherited(service: ProbedService) -> str:
    if not service.image.command:
        raise SilentError("no start command of the image is known")
    settings = _settings(await service.describe())
    wanted = {"Port": str(service.image.port), "StartCommand": service.image.command}
    lost = [key for key, value in wanted.items() if settings.get(key) != value]
    return f"{' and '.join(lost)} lost" if lost else "port and start command stay"


async def _replaced(service: ProbedService) -> str:
    variables = _settings(await service.describe()).get("RuntimeEnvironmentVariables", {})
    return masked(f"{' and '.join(sorted(variables))}{' alone' if len(variables) == 1 else ''}")


async def _order(service: ProbedService) -> str:
    began = [operation["StartedAt"] for operation in await service.operations()]
    return "newest first" if len(began) > 1 and began == sorted(began, reverse=True) else "in another order"


async def _pages(service: ProbedService) -> str:
    twenty = await service.ask("ListOperations", MaxResults=20)
    more = await service.ask("ListOperations", MaxResults=21)
    return masked(f"20 {twenty.code or 'answered'}, 21 {more.code or 'answered'}")


async def _rolled_back(service: ProbedService) -> str:
    newest, current = (await service.operations())[0], await service.describe()
    same = current.get("HealthCheckConfiguration", {}).get("Protocol") == "TCP"
    same = same and _settings(current).get("RuntimeEnvironmentVariables") == {"SECOND": "2"}
    return f"{newest['Type']} {newest['Status']}, {current['Status']} with {'its previous' if same else 'another'} configuration"


async def _failed(service: ProbedService) -> str:
    newest = (await service.operations())[0]
    return f"{newest['Type']} {newest['Status']}, {await service.status()}"


async def _log(service: ProbedService) -> str:
    """Return a summary of the log of the update, which is the newest operation."""
    newest = (await service.operations())[0]
    lines = await _lines(service, newest)
    end = "ended with RUNNING" if "[AppRunner] Service status is set to RUNNING." in lines else "not ended"
    return masked(f"started with the trigger {_trigger(lines, newest)}, {end}")


async def _triggers(service: ProbedService) -> str:
    operations = {operation["Type"]: operation for operation in await service.operations()}
    kinds = ("CREATE_SERVICE", "START_DEPLOYMENT", "RESUME_SERVICE")
    if missing := [kind for kind in kinds if kind not in operations]:
        raise SilentError(f"no operation {missing[0]} is listed")
    return masked(", ".join([_trigger(await _lines(service, operations[kind]), operations[kind]) for kind in kinds]))


async def _lines(service: ProbedService, operation: Mapping[str, Any]) -> list[str]:
    """Read an operation's log stream after its last line has arrived."""
    group = f"/aws/apprunner/{service.name}/{service.arn.rpartition('/')[2]}/service"
    stream = f"deployment/{_plain(operation)}"
    for _ in range(_LOG_READS):
        reply = await service.account.ask("logs", "FilterLogEvents", logGroupName=group, logStreamNames=[stream])
        lines = [event["message"].strip() for event in reply.answer.get("events", ())]
        if any("Service status is set to RUNNING" in line for line in lines):
            return lines
        await service.account.time.sleep(_LOG_DELAY)
    return lines


def _trigger(lines: list[str], operation: Mapping[str, Any]) -> str:
    prefix = f"[AppRunner] Deployment with ID : {_plain(operation)} started. Triggering event : "
    return next((line.removeprefix(prefix) for line in lines if line.startswith(prefix)), "nothing")


def _plain(operation: Mapping[str, Any]) -> str:
    return str(operation["Id"]).replace("-", "")


def _settings(service: Mapping[str, Any]) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = service["SourceConfiguration"]["ImageRepository"].get("ImageConfiguration", {})
    return settings


PROBES: Mapping[str, Callable[[ProbedService], Awaitable[str]]] = {
    "an update without an effective change": _unchanged,
    "sizes that are read back": _sizes,
    "the defaults of a creation": _defaults,
    "automatic deployments": _automatic,
    "a name that is taken": _taken,
    "the name of a failed creation": _taken,
    "sizes that do not fit": _unfitting,
    "tags": _tags,
    "auto scaling that a service has": _kept,
    "members that an update leaves out": _inherited,
    "variables in an update": _replaced,
    "the order of operations": _order,
    "the length of a page": _pages,
    "a failed update": _rolled_back,
    "a failed creation": _failed,
    "the log of a deployment": _log,
    "the triggers of other operations": _triggers,
}

_SCALING_SUBJECTS = ("auto scaling by one name", "auto scaling without a revision", "auto scaling that is deleted")


async def probe_scaling(account: AwsAccount, name: str, run: str, findings: Findings) -> str | None:
    """Create two revisions of an auto scaling configuration, and delete the second.

    Return the ARN of the first, for a service; None when the account refuses.
    """
    try:
        first, second = [(await _create_scaling(account, name, run))[_NOUN] for _ in range(2)]
        numbers = [made[f"{_NOUN}Revision"] for made in (first, second)]
        findings.saw(_SCALING_SUBJECTS[0], masked(f"revisions {numbers[0]} and {numbers[1]}"))
        without = first[_ARN].rpartition("/1/")[0]
        last = await account.ask("apprunner", f"Describe{_NOUN}", **{_ARN: without})
        findings.saw(_SCALING_SUBJECTS[1], masked(last.error or f"revision {last[_NOUN][f'{_NOUN}Revision']}"))
        await account.ask("apprunner", f"Delete{_NOUN}", **{_ARN: second[_ARN]})
        deleted = await account.ask("apprunner", f"Describe{_NOUN}", **{_ARN: second[_ARN]})
        findings.saw(_SCALING_SUBJECTS[2], masked(deleted.error or deleted[_NOUN]["Status"].upper()))
    except (SilentError, *MISSHAPEN) as error:
        for subject in _SCALING_SUBJECTS:
            findings.missed(subject, masked(str(error)))
        return None
    arn: str = first[_ARN]
    return arn


async def _create_scaling(account: AwsAccount, name: str, run: str) -> Reply:
    tags = [{"Key": TAG, "Value": run}]
    return await account.ask(
        "apprunner", f"Create{_NOUN}", AutoScalingConfigurationName=name, MinSize=1, MaxSize=1, Tags=tags
    )
