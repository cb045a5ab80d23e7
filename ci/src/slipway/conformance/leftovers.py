"""Delete resources of the suite's runs, which are found by name prefix and tag together.

Log groups have no tag. The name of the suite's service identifies them.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio

from slipway.conformance.account import MISSHAPEN, PREFIX, TAG, AwsAccount, SilentError
from slipway.conformance.service import ProbedService, ProbeImage
from slipway.untrusted import one_line

TellLine = Callable[[str], None]
_DELETIONS = 2  # a failed deletion is repeated once [M]
_RETRIES, _PAUSE = 6, 20.0
T = TypeVar("T")


@dataclass(frozen=True)
class Leftover:
    """A resource to delete, and the call that deletes it."""

    name: str
    service: str
    call: str
    parameters: dict[str, Any]


async def clean(account: AwsAccount, run: str | None, tell: TellLine) -> tuple[str, ...]:
    """Delete the resources of one run, or of all. Return those that could not be deleted, with reasons."""
    left: list[str] = []
    services = await listed(_services(account, run), "services", left)
    async with anyio.create_task_group() as tasks:
        for service in services:
            tasks.start_soon(_delete_service, service, left)
    # Auto scaling configurations are deleted after the services that use them.
    for kind, found in (("log groups", _log_groups), ("auto scaling", _scaling), ("repositories", _repositories)):
        for leftover in await listed(found(account, run), kind, left):
            await delete(account, leftover, left)
    for line in left:
        tell(f"could not be deleted: {line}")
    return tuple(left)


async def listed(resources: AsyncIterator[T], kind: str, left: list[str]) -> list[T]:
    """Collect the resources of a kind before any is deleted. An error is recorded in `left` and ends the list."""
    found: list[T] = []
    try:
        async for resource in resources:
            found.append(resource)  # noqa: PERF401 -- keeps those before an error
    except (SilentError, *MISSHAPEN) as error:
        left.append(one_line(f"{kind} that could not be listed: {error}"))
    return found


async def _services(account: AwsAccount, run: str | None) -> AsyncIterator[ProbedService]:
    async for found in account.pages("apprunner", "ListServices", "ServiceSummaryList"):
        if found["ServiceName"].startswith(prefix(run)):
            service = ProbedService(account, ProbeImage(), run or "", "")
            service.name, service.arn = found["ServiceName"], found["ServiceArn"]
            tags = await account.ask("apprunner", "ListTagsForResource", ResourceArn=service.arn)
            if is_ours(tags["Tags"], run):
                yield service


def is_ours(tags: Iterable[Mapping[str, str]], run: str | None) -> bool:
    return any(tag["Key"] == TAG and run in (None, tag.get("Value", "")) for tag in tags)


async def _delete_service(service: ProbedService, left: list[str]) -> None:
    """Delete a service when no operation is in progress, as App Runner requires."""
    try:
        for _ in range(_DELETIONS):
            status = await service.settled()
            if status == "DELETED":
                return
            reply = await service.ask("DeleteService")
            if reply.code == "ResourceNotFoundException":
                return
        status = await service.settled()
        if status != "DELETED":
            left.append(one_line(f"service {service.name} is {status}. {reply.error}"))
    except (SilentError, *MISSHAPEN) as error:
        left.append(one_line(f"service {service.name}: {error}"))


async def _log_groups(account: AwsAccount, run: str | None) -> AsyncIterator[Leftover]:
    async for leftover in log_groups(account, f"/aws/apprunner/{prefix(run)}"):
        yield leftover


async def log_groups(account: AwsAccount, beginning: str) -> AsyncIterator[Leftover]:
    """Yield the log groups whose names begin with `beginning`."""
    async for group in account.pages("logs", "DescribeLogGroups", "logGroups", logGroupNamePrefix=beginning):
        name = group["logGroupName"]
        yield Leftover(f"log group {name}", "logs", "DeleteLogGroup", {"logGroupName": name})


async def _scaling(account: AwsAccount, run: str | None) -> AsyncIterator[Leftover]:
    noun = "AutoScalingConfiguration"
    async for found in account.pages("apprunner", f"List{noun}s", f"{noun}SummaryList", LatestOnly=False):
        arn, name = found[f"{noun}Arn"], found[f"{noun}Name"]
        if name.startswith(prefix(run)):
            tags = await account.ask("apprunner", "ListTagsForResource", ResourceArn=arn)
            if is_ours(tags["Tags"], run):
                yield Leftover(f"auto scaling {name}", "apprunner", f"Delete{noun}", {f"{noun}Arn": arn})


async def _repositories(account: AwsAccount, run: str | None) -> AsyncIterator[Leftover]:
    async for found in account.pages("ecr", "DescribeRepositories", "repositories"):
        arn, name = found["repositoryArn"], found["repositoryName"]
        if name.startswith(prefix(run)):
            tags = await account.ask("ecr", "ListTagsForResource", resourceArn=arn)
            if is_ours(tags["tags"], run):
                whole = {"repositoryName": name, "force": True}
                yield Leftover(f"repository {name}", "ecr", "DeleteRepository", whole)


def prefix(run: str | None) -> str:
    return f"{PREFIX}{run or ''}"


async def delete(account: AwsAccount, leftover: Leftover, left: list[str]) -> None:
    """Delete a resource, with retries: it counts as used for a while after its service was deleted [F]."""
    try:
        for retries in reversed(range(_RETRIES + 1)):
            reply = await account.ask(leftover.service, leftover.call, **leftover.parameters)
            if not reply.code or "NotFound" in reply.code:
                return
            if retries:
                await account.time.sleep(_PAUSE)
        left.append(one_line(f"{leftover.name}: {reply.error}"))
    except SilentError as error:
        left.append(one_line(f"{leftover.name}: {error}"))
