"""Express Mode's two tables, each with every cell: calls by the state of a service, and deployments by signal."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from slipway.simulator.contract import service as model
from slipway.simulator.ecs.express.rollout import (
    TRANSITIONS,
    Count,
    Pace,
    Signal,
    Step,
    breaker_threshold,
    goes_off,
    steps,
)
from tests.release.direct import opened
from tests.simulator.account import Account
from tests.simulator.express import EXECUTION_ROLE, Notes, created, trust, wanted

STATES = ("absent", "idle", "deploying", "DRAINING", "INACTIVE")
OK = "answers"
TAKEN = ("InvalidParameterException", "Creation of service was not idempotent.")
LEAVING = ("InvalidParameterException", "Unable to Start a service that is still Draining.")
NOT_FOUND = ("ServiceNotFoundException", "Service not found.")
NO_RESOURCE = ("InvalidParameterException", "Resource not found")
DRAINING = ("ServiceNotActiveException", "Service is in DRAINING status")
INACTIVE = ("ServiceNotActiveException", "Cannot perform this operation on a service in INACTIVE status")
ABSENT = ("ResourceNotFoundException", "Resource not found")
TABLE: dict[str, tuple[str | tuple[str, str], ...]] = {
    "create_express_gateway_service": ("deploys", TAKEN, TAKEN, LEAVING, "deploys"),
    "update_express_gateway_service": (NOT_FOUND, "deploys", "deploys", DRAINING, INACTIVE),
    "an update without a change": (NOT_FOUND, OK, OK, DRAINING, INACTIVE),
    "delete_express_gateway_service": (NO_RESOURCE, "drains", "drains", DRAINING, INACTIVE),
    "describe_express_gateway_service": (ABSENT, OK, OK, OK, OK),
    "list_service_deployments": (NOT_FOUND, OK, OK, OK, NOT_FOUND),
    "stop_service_deployment": (
        ("ServiceDeploymentNotFoundException", "Service deployment not found."),
        ("ConflictException", "The service deployment is in the SUCCESSFUL state and cannot be stopped."),
        "rolls back",
        ("ServiceDeploymentNotFoundException", "Service deployment not found."),
        ("ServiceDeploymentNotFoundException", "Service deployment not found."),
    ),
}
CELLS = [
    pytest.param(operation, state, expected, id=f"{operation} of {state}")
    for operation, row in TABLE.items()
    for state, expected in zip(STATES, row, strict=True)
]
LASTING = ("absent", "idle", "INACTIVE")
QUICK = Pace(provision=0, canary=0, bake=0, clean_up=0, drain=1, forget=1e9)


@pytest.fixture(scope="module")
async def account() -> AsyncIterator[Account]:
    async with opened() as account:
        account.cloud.ecs.express.pace = QUICK
        trust(account)
        yield account


@pytest.fixture(scope="module")
def kept() -> dict[str, Notes]:
    """One service for each state, for the calls that do not change it."""
    return {}


async def notes_in(account: Account, state: str) -> Notes:
    """Return a service in a state, which owns a name of its own."""
    notes = Notes(account, f"notes-{uuid.uuid4().hex[:8]}")
    if state == "absent":
        return notes
    if state == "idle":
        return await notes.created(await account.image())
    await notes.create(await account.image())
    if state in ("DRAINING", "INACTIVE"):
        await notes.ask("delete_express_gateway_service", serviceArn=notes.arn)
    if state == "INACTIVE":
        await account.cloud.clock.sleep(QUICK.drain + 1)
    return notes


async def call(notes: Notes, operation: str) -> dict[str, Any]:
    match operation:
        case "create_express_gateway_service":
            return await notes.ask(operation, **created(notes.name, await notes.account.image()))
        case "update_express_gateway_service":
            return await notes.ask(operation, serviceArn=notes.arn, **wanted(await notes.account.image()))
        case "an update without a change":
            return await notes.ask("update_express_gateway_service", serviceArn=notes.arn)
        case "list_service_deployments":
            return await notes.ask(operation, service=notes.arn)
        case "stop_service_deployment":
            service = notes.account.cloud.ecs.express.services.get(notes.arn)
            arn = service.deployments[-1].arn if service else notes.arn
            return await notes.ask(operation, serviceDeploymentArn=arn)
        case _:
            return await notes.ask(operation, serviceArn=notes.arn)


@pytest.mark.parametrize(("operation", "state", "expected"), CELLS)
async def test_every_call_in_every_state(account, kept, operation: str, state: str, expected: Any):
    stays = isinstance(expected, tuple) or expected == OK
    notes = kept.get(state) if stays else None
    notes = notes or await notes_in(account, state)
    if stays and state in LASTING:  # between two tests virtual time passes
        kept[state] = notes
    if isinstance(expected, tuple):
        with pytest.raises(Exception, match=r"An error occurred") as refused:
            await call(notes, operation)
        error = refused.value.response["Error"]
        assert (error["Code"], error["Message"]) == expected
        return
    before = (
        [each.arn for each in account.cloud.ecs.express.services[notes.arn].deployments] if state != "absent" else []
    )
    await call(notes, operation)
    service = account.cloud.ecs.express.services[notes.arn]
    if expected == "deploys":
        assert service.status == "ACTIVE"
        newest, *older = await all_deployments(notes)
        assert newest["status"] == "PENDING"
        assert [each["status"] for each in older] == {"idle": ["SUCCESSFUL"], "deploying": ["STOP_REQUESTED"]}.get(
            state, []
        )
        assert (await notes.described())["currentDeployment"] == newest["serviceDeploymentArn"]
    elif expected == "drains":
        described = await notes.described()
        assert (described["status"]["statusCode"], described.get("currentDeployment")) == ("DRAINING", None)
        assert await all_deployments(notes) == []
    elif expected == "rolls back":
        assert (await all_deployments(notes))[0]["status"] == "ROLLBACK_REQUESTED"
    else:
        assert [each.arn for each in service.deployments] == before
    if not stays:
        service.deleted or await notes.ask("delete_express_gateway_service", serviceArn=notes.arn)


@pytest.mark.parametrize(
    ("parts", "refusal"),
    [
        ({"memory": "99"}, "ClientException: No Fargate configuration exists for given values: 256 CPU, 99 memory."),
        (
            {"networkConfiguration": {"subnets": ["subnet-0a"]}},
            "InvalidParameterException: At least two subnets in two",
        ),
        ({"serviceName": "a name!"}, "InvalidParameterException: Invalid service name: a name!."),
        ({"cluster": "absent"}, "ClusterNotFoundException: Cluster not found."),
        ({"infrastructureRoleArn": EXECUTION_ROLE + "-absent"}, "AccessDeniedException: Cannot assume role"),
    ],
)
async def test_a_refused_creation_leaves_nothing(account, parts, refusal):
    resources, services = account.cloud.ecs.express.resources, account.cloud.ecs.express.services
    before = len(services)
    request = created(f"notes-{uuid.uuid4().hex[:8]}", await account.image()) | parts
    error = ": ".join(await account.refusal("ecs", "create_express_gateway_service", **request))
    assert error.startswith(refusal)
    assert len(services) == before
    alive = [service for service in services.values() if not service.inactive]
    assert (len(resources.balancing.groups), len(resources.alarms.alarms)) == (2 * len(alive), len(alive))


async def all_deployments(notes: Notes) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await notes.ask("list_service_deployments", service=notes.arn))[
        "serviceDeployments"
    ]
    return listed


STATUSES = model("ecs").shape_for("ServiceDeploymentStatus").enum
S = Signal
# The state after each signal; a signal that is missing has no effect.
DEPLOYMENTS: dict[str, dict[Signal, str]] = {
    "PENDING": {
        S.BEGINS: "IN_PROGRESS",
        S.SUPERSEDED: "STOP_REQUESTED",
        S.REQUESTED: "ROLLBACK_REQUESTED",
        S.DELETED: "STOPPED",
    },
    "IN_PROGRESS": {
        S.SUCCEEDS: "SUCCESSFUL",
        S.SUPERSEDED: "STOP_REQUESTED",
        S.REQUESTED: "ROLLBACK_REQUESTED",
        S.ALARM: "ROLLBACK_IN_PROGRESS",
        S.BREAKER: "ROLLBACK_IN_PROGRESS",
        S.DELETED: "STOPPED",
    },
    "STOP_REQUESTED": {S.STOPS: "STOPPED", S.DELETED: "STOPPED"},
    "ROLLBACK_REQUESTED": {S.SUCCEEDS: "SUCCESSFUL", S.REVERTS: "ROLLBACK_IN_PROGRESS", S.DELETED: "STOPPED"},
    "ROLLBACK_IN_PROGRESS": {
        S.REVERTED: "ROLLBACK_SUCCESSFUL",
        S.STUCK: "ROLLBACK_FAILED",
        S.DELETED: "ROLLBACK_FAILED",
    },
}


@pytest.mark.parametrize("status", STATUSES)
def test_every_signal_in_every_state_of_a_deployment(status: str):
    assert {signal: TRANSITIONS[status].get(signal) for signal in Signal} == {
        signal: DEPLOYMENTS.get(status, {}).get(signal) for signal in Signal
    }
    assert set(TRANSITIONS) == set(STATUSES)


def test_a_deployment_shows_five_percent_before_all_of_the_traffic_moves():
    moved = [(step.stage, step.share, step.seconds) for step in steps(Pace(), creates=False, reconciles=True)]
    assert moved == [
        ("RECONCILE_SERVICE", 0, 0),
        ("PRE_SCALE_UP", 0, 0),
        ("SCALE_UP", 0, 0),
        ("POST_SCALE_UP", 0, 0),
        ("TEST_TRAFFIC_SHIFT", 0, 0),
        ("POST_TEST_TRAFFIC_SHIFT", 0, 0),
        ("PRODUCTION_TRAFFIC_SHIFT", 5, 180),
        ("PRODUCTION_TRAFFIC_SHIFT", 100, 0),
        ("POST_PRODUCTION_TRAFFIC_SHIFT", 100, 0),
        ("BAKE_TIME", 100, 180),
        ("CLEAN_UP", 100, 60),
    ]
    first = [*steps(Pace(), creates=True, reconciles=False)]
    assert {step.share for step in first} == {0, 100}
    assert Step("BAKE_TIME", 100, 180, watched=True) in first


@pytest.mark.parametrize(
    ("percents", "expected"),
    [([2.0], False), ([2.0, 2.0], True), ([2.0, 0.0, 2.0], True), ([2.0, 0.0, 0.0, 2.0], False), ([1.0, 1.0], False)],
)
def test_the_alarm_needs_two_bad_minutes_of_three(percents, expected):
    assert goes_off(percents) is expected


@pytest.mark.parametrize(
    ("clients", "servers", "floor", "percent"), [(4, 0, 5, 0), (4, 0, 0, 4), (5, 0, 5, 5), (0, 1, 5, 1)]
)
def test_few_client_errors_do_not_count(clients, servers, floor, percent):
    assert Count(total=100, client_errors=clients, server_errors=servers).percent(floor) == percent


@pytest.mark.parametrize(("desired", "threshold"), [(1, 3), (6, 3), (7, 4), (1000, 200)])
def test_the_circuit_breaker_trips_at_half_of_the_desired_tasks(desired, threshold):
    assert breaker_threshold(desired) == threshold
