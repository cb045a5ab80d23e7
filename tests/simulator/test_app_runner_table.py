"""App Runner's state table: every call in every state, its error and message included."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.release.direct import opened
from tests.simulator.account import Account, asked
from tests.simulator.scripted import Script

STATES = ("RUNNING", "OPERATION_IN_PROGRESS", "PAUSED", "CREATE_FAILED", "DELETE_FAILED", "DELETED")

NOT_DEPLOYABLE = (
    "InvalidRequestException",
    "Can't start a deployment on the specified service, because it isn't in RUNNING state.",
)
GONE = ("ResourceNotFoundException", "Service with the provided ARN doesn't exist: {arn}.")


def not_now(done: str) -> tuple[str, str]:
    return ("InvalidStateException", f"Service cannot be {done} in the current state: {{status}}.")


UPDATE, PAUSE, RESUME, DELETE = (not_now(done) for done in ("updated", "paused", "resumed", "deleted"))
OK, SAME = "answers", "answers without an operation"
# The outcome of each call in each state: the type of the operation that begins, an answer, or an error.
TABLE: dict[str, tuple[str | tuple[str, str], ...]] = {
    "update_service": ("UPDATE_SERVICE", UPDATE, UPDATE, "CREATE_SERVICE", UPDATE, GONE),
    "start_deployment": (
        "START_DEPLOYMENT",
        NOT_DEPLOYABLE,
        NOT_DEPLOYABLE,
        NOT_DEPLOYABLE,
        NOT_DEPLOYABLE,
        GONE,
    ),
    "pause_service": ("PAUSE_SERVICE", PAUSE, SAME, PAUSE, PAUSE, GONE),
    "resume_service": (SAME, RESUME, "RESUME_SERVICE", RESUME, RESUME, GONE),
    "delete_service": ("DELETE_SERVICE", DELETE, "DELETE_SERVICE", "DELETE_SERVICE", "DELETE_SERVICE", GONE),
    "describe_service": (OK, OK, OK, OK, OK, OK),
    "list_operations": (OK, OK, OK, OK, OK, OK),
}
CELLS = [
    pytest.param(operation, status, expected, id=f"{operation} of {status}")
    for operation, row in TABLE.items()
    for status, expected in zip(STATES, row, strict=True)
]


@pytest.fixture(scope="module")
async def account() -> AsyncIterator[Account]:
    async with opened() as account:
        yield account


async def service_in(account: Account, status: str) -> str:
    """Create a service in a state and return its ARN."""
    name = f"service-{len(account.cloud.app_runner.services)}"
    arn = await account.create(await account.image(Script(healthy=status != "CREATE_FAILED")), name=name)
    match status:
        case "OPERATION_IN_PROGRESS":
            account.cloud.app_runner.services[arn].status = status  # as by maintenance, without an end
        case "PAUSED":
            await account.ask("apprunner", "pause_service", ServiceArn=arn)
        case "DELETE_FAILED":
            account.cloud.app_runner.services[arn].failing.add("DELETE_SERVICE")
            await account.ask("apprunner", "delete_service", ServiceArn=arn)
        case "DELETED":
            await account.ask("apprunner", "delete_service", ServiceArn=arn)
    if status != "OPERATION_IN_PROGRESS":
        await account.settled(arn)
    assert (await account.described(arn))["Status"] == status
    return arn


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """One service for each state, for the calls that do not change it."""
    return {}


async def kept_in(account: Account, kept: dict[str, str], status: str) -> str:
    """Return the ARN of the service that stays in a state."""
    if status not in kept:
        kept[status] = await service_in(account, status)
    return kept[status]


@pytest.mark.parametrize(("operation", "status", "expected"), CELLS)
async def test_every_call_in_every_state(account, kept, operation: str, status: str, expected: Any):
    stays = isinstance(expected, tuple) or expected in {OK, SAME}
    arn = await (kept_in(account, kept, status) if stays else service_in(account, status))
    before = await account.operations(arn)
    request = {"ServiceArn": arn} | (asked(await account.image()) if operation == "update_service" else {})
    if isinstance(expected, tuple):
        code, message = expected
        refused = await account.refusal("apprunner", operation, **request)
        assert refused == (code, message.format(arn=arn, status=status))
        assert (await account.described(arn))["Status"] == status
        assert await account.operations(arn) == before
        return
    answer = await account.ask("apprunner", operation, **request)
    if expected in (OK, SAME):
        assert "OperationId" not in answer
        assert (await account.described(arn))["Status"] == status
        assert await account.operations(arn) == before
        return
    begun, *older = await account.operations(arn)
    assert (begun["Id"], begun["Type"], older) == (answer["OperationId"], expected, before)
    assert (await account.described(arn))["Status"] == "OPERATION_IN_PROGRESS"


@pytest.mark.parametrize(("status", "listed"), [(status, status != "DELETED") for status in STATES])
async def test_a_service_is_listed_until_it_is_deleted(account, kept, status: str, listed: bool):
    arn = await kept_in(account, kept, status)
    pages, more = [], {}
    while more is not None:
        answer = await account.ask("apprunner", "list_services", **more)
        pages += answer["ServiceSummaryList"]
        more = {"NextToken": answer["NextToken"]} if "NextToken" in answer else None
    assert [found["Status"] for found in pages if found["ServiceArn"] == arn] == ([status] if listed else [])
