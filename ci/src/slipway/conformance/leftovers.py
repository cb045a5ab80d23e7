"""What runs have created, found again by its name's prefix and its tag together, and deleted.

Log groups bear no tag: theirs is the name of a service of ours.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import anyio

from slipway.conformance.account import PREFIX, TAG, Account, Answer, SilentError
from slipway.conformance.service import Image, Service
from slipway.untrusted import one_line

Tell = Callable[[str], None]
_TRIES = 2  # a deletion that failed is asked for once more [M]
_SCALING = "AutoScalingConfiguration"


@dataclass(frozen=True)
class _Thing:
    """Something to delete, as a person reads it, and the call that does."""

    name: str
    service: str
    call: str
    parameters: dict[str, Any]


async def clean(account: Account, run: str | None, tell: Tell) -> tuple[str, ...]:
    """Delete what one run left, or what all of them did; what is still there is answered, and told, with the reason."""
    left: list[str] = []
    try:
        services = [found async for found in _services(account, run)]
        async with anyio.create_task_group() as tasks:
            for service in services:
                tasks.start_soon(_end, service, left)
        async for thing in _others(account, run):
            await _delete(account, thing, left)
    except SilentError as error:
        left.append(f"what could not be looked for: {error}")
    for line in left:
        tell(f"could not be deleted: {line}")
    return tuple(left)


async def _services(account: Account, run: str | None) -> AsyncIterator[Service]:
    async for found in account.pages("apprunner", "ListServices", "ServiceSummaryList"):
        if found["ServiceName"].startswith(PREFIX):
            service = Service(account, Image(), run or "", "")
            service.name, service.arn = found["ServiceName"], found["ServiceArn"]
            if _is_ours(await service.tags(), run):
                yield service


def _is_ours(tags: dict[str, str], run: str | None) -> bool:
    return TAG in tags if run is None else tags.get(TAG) == run


async def _end(service: Service, left: list[str]) -> None:
    """One service, once nothing is in progress with it: it cannot be deleted before."""
    try:
        for _ in range(_TRIES):
            status = await service.settled()
            if status == "DELETED":
                return
            answer = await service.ask("DeleteService")
            if answer.code == "ResourceNotFoundException":
                return
        status = await service.settled()
        if status != "DELETED":
            left.append(one_line(f"service {service.name} is {status}. {answer.error}"))
    except SilentError as error:
        left.append(one_line(f"service {service.name}: {error}"))


async def _others(account: Account, run: str | None) -> AsyncIterator[_Thing]:
    prefix = f"{PREFIX}{run or ''}"
    async for group in account.pages(
        "logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=f"/aws/apprunner/{prefix}"
    ):
        name = group["logGroupName"]
        yield _Thing(f"log group {name}", "logs", "DeleteLogGroup", {"logGroupName": name})
    async for found in account.pages("apprunner", f"List{_SCALING}s", f"{_SCALING}SummaryList", LatestOnly=False):
        arn, name = found[f"{_SCALING}Arn"], found[f"{_SCALING}Name"]
        if name.startswith(prefix):
            tags = await account.ask("apprunner", "ListTagsForResource", ResourceArn=arn)
            if _is_ours({tag["Key"]: tag.get("Value", "") for tag in tags["Tags"]}, run):
                yield _Thing(f"auto scaling {name}", "apprunner", f"Delete{_SCALING}", {f"{_SCALING}Arn": arn})
    async for found in account.pages("ecr", "DescribeRepositories", "repositories"):
        arn, name = found["repositoryArn"], found["repositoryName"]
        if name.startswith(prefix):
            tags = await account.ask("ecr", "ListTagsForResource", resourceArn=arn)
            if _is_ours({tag["Key"]: tag.get("Value", "") for tag in tags["tags"]}, run):
                yield _Thing(f"repository {name}", "ecr", "DeleteRepository", {"repositoryName": name, "force": True})


async def _delete(account: Account, thing: _Thing, left: list[str]) -> None:
    try:
        answer: Answer = await account.ask(thing.service, thing.call, **thing.parameters)
    except SilentError as error:
        left.append(one_line(f"{thing.name}: {error}"))
        return
    if answer.code and "NotFound" not in answer.code:
        left.append(one_line(f"{thing.name}: {answer.error}"))
