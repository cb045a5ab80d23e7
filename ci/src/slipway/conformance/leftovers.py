"""What runs have created, found again by its name's prefix and its tag together, and deleted.

Log groups bear no tag: theirs is the name of a service of ours.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio

from slipway.conformance.account import MISSHAPEN, PREFIX, TAG, Account, Answer, SilentError
from slipway.conformance.service import Image, Service
from slipway.untrusted import one_line

Tell = Callable[[str], None]
_TRIES = 2  # a deletion that failed is asked for once more [M]
_AGAIN, _PAUSE = 6, 20.0
T = TypeVar("T")


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
    services = await _found(_services(account, run), "services", left)
    async with anyio.create_task_group() as tasks:
        for service in services:
            tasks.start_soon(_end, service, left)
    # Auto scaling after the services that have it.
    for kind, things in (("log groups", _log_groups), ("auto scaling", _scaling), ("repositories", _repositories)):
        for thing in await _found(things(account, run), kind, left):
            await _delete(account, thing, left)
    for line in left:
        tell(f"could not be deleted: {line}")
    return tuple(left)


async def _found(looked_for: AsyncIterator[T], kind: str, left: list[str]) -> list[T]:
    """All of a list, before any of it is deleted. What cannot be looked for stays, and the rest goes all the same."""
    found: list[T] = []
    try:
        async for thing in looked_for:
            found.append(thing)  # noqa: PERF401 -- what was found before an error counts
    except (SilentError, *MISSHAPEN) as error:
        left.append(one_line(f"{kind} that could not be looked for: {error}"))
    return found


async def _services(account: Account, run: str | None) -> AsyncIterator[Service]:
    async for found in account.pages("apprunner", "ListServices", "ServiceSummaryList"):
        if found["ServiceName"].startswith(_prefix(run)):
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
    except (SilentError, *MISSHAPEN) as error:
        left.append(one_line(f"service {service.name}: {error}"))


async def _log_groups(account: Account, run: str | None) -> AsyncIterator[_Thing]:
    prefix = f"/aws/apprunner/{_prefix(run)}"
    async for group in account.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=prefix):
        name = group["logGroupName"]
        yield _Thing(f"log group {name}", "logs", "DeleteLogGroup", {"logGroupName": name})


async def _scaling(account: Account, run: str | None) -> AsyncIterator[_Thing]:
    noun = "AutoScalingConfiguration"
    async for found in account.pages("apprunner", f"List{noun}s", f"{noun}SummaryList", LatestOnly=False):
        arn, name = found[f"{noun}Arn"], found[f"{noun}Name"]
        if name.startswith(_prefix(run)):
            tags = await account.ask("apprunner", "ListTagsForResource", ResourceArn=arn)
            if _is_ours({tag["Key"]: tag.get("Value", "") for tag in tags["Tags"]}, run):
                yield _Thing(f"auto scaling {name}", "apprunner", f"Delete{noun}", {f"{noun}Arn": arn})


async def _repositories(account: Account, run: str | None) -> AsyncIterator[_Thing]:
    async for found in account.pages("ecr", "DescribeRepositories", "repositories"):
        arn, name = found["repositoryArn"], found["repositoryName"]
        if name.startswith(_prefix(run)):
            tags = await account.ask("ecr", "ListTagsForResource", resourceArn=arn)
            if _is_ours({tag["Key"]: tag.get("Value", "") for tag in tags["tags"]}, run):
                yield _Thing(f"repository {name}", "ecr", "DeleteRepository", {"repositoryName": name, "force": True})


def _prefix(run: str | None) -> str:
    return f"{PREFIX}{run or ''}"


async def _delete(account: Account, thing: _Thing, left: list[str]) -> None:
    try:
        answer = await _deleted(account, thing)
    except SilentError as error:
        left.append(one_line(f"{thing.name}: {error}"))
        return
    if not _is_gone(answer):
        left.append(one_line(f"{thing.name}: {answer.error}"))


async def _deleted(account: Account, thing: _Thing) -> Answer:
    """Asked again for a while: what a service had counts as used for some time after the service is gone [F]."""
    for _ in range(_AGAIN):
        answer = await account.ask(thing.service, thing.call, **thing.parameters)
        if _is_gone(answer):
            return answer
        await account.time.sleep(_PAUSE)
    return await account.ask(thing.service, thing.call, **thing.parameters)


def _is_gone(answer: Answer) -> bool:
    return not answer.code or "NotFound" in answer.code
