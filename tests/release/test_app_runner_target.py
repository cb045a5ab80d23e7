import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway.errors import UnknownOutcomeError
from slipway.records.plan import Action, FieldChange, Observed
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import plan
from slipway.release.engine.target import Operation, OperationStatus
from slipway.release.targets.app_runner.spec import health_of, observed_from, request_of
from slipway.release.targets.app_runner.target import POLL_SECONDS, AppRunnerTarget
from slipway.settings import HealthPace
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.contract import problems, service
from slipway.workload.workload import HealthCheck
from tests.release.desired import ARN, DIGEST, OTHER, observed, spec, target_of, time_of
from tests.release.direct import opened
from tests.simulator.account import BRISK, REGION, SLOW, URI, Account, asked
from tests.simulator.scripted import Script

SLOW_START = HealthPace(interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=12)
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-aBcDeF"
READS = ("describe", "list", "filter", "get")


class Watched(Aws):
    """Remembers when each call was made, in the platform's time, which is held while a call is under way."""

    def __init__(self, account: Account) -> None:
        super().__init__(REGION, account.cloud.url)
        self.clock = account.cloud.clock
        self.calls: list[tuple[datetime, str]] = []

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.calls.append((self.clock.now(), operation))
        with self.clock.held():
            return await super().call(service, operation, **parameters)


class Pages(Aws):
    """Answers ListServices in pages of one, which the simulator does not."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(REGION)
        self.names = names
        self.asked = 0

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        assert (service, operation) == ("apprunner", "list_services")
        self.asked += 1
        page = int(parameters.get("NextToken", 0))
        more = {"NextToken": str(page + 1)} if page + 1 < len(self.names) else {}
        return {"ServiceSummaryList": [{"ServiceName": self.names[page], "ServiceArn": self.names[page]}]} | more


@asynccontextmanager
async def applied(
    account: Account, wanted, aws: Aws | None = None
) -> AsyncIterator[tuple[AppRunnerTarget, Operation | None]]:
    """A target, and the operation that brings it to what is wanted."""
    target = target_of(account, aws=aws)
    there = await target.observe()
    yield target, await target.apply(plan(wanted, there), there, wanted)


def described(**changes: Any) -> dict[str, Any]:
    """A service as AWS describes it."""
    plain = {
        "ServiceArn": ARN,
        "ServiceUrl": "notes.example.org",
        "Status": "RUNNING",
        "InstanceConfiguration": {"Cpu": "1024", "Memory": "2048"},
        "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/healthz"},
    }
    return plain | request_of(spec()) | changes


def with_image(identifier: str) -> dict[str, Any]:
    source = request_of(spec())["SourceConfiguration"]
    return source | {"ImageRepository": source["ImageRepository"] | {"ImageIdentifier": identifier}}


@pytest.mark.parametrize(
    "changes", [{}, {"health_path": None, "instance_role": "arn:aws:iam::123456789012:role/notes"}]
)
def test_a_request_fits_the_service_model(changes):
    request = {"ServiceName": "notes", **request_of(spec(**changes))}
    assert problems(service("apprunner").operation_model("CreateService").input_shape, request) == []


def test_every_field_is_sent_because_an_update_inherits_the_others():
    request = request_of(spec())
    source = request["SourceConfiguration"]
    assert source["AutoDeploymentsEnabled"] is False
    assert source["ImageRepository"]["ImageIdentifier"] == f"{URI}@{DIGEST}"
    assert source["ImageRepository"]["ImageConfiguration"] == {
        "Port": "8000",
        "RuntimeEnvironmentVariables": {},
        "RuntimeEnvironmentSecrets": {},
    }
    assert set(request["HealthCheckConfiguration"]) == {
        "Protocol",
        "Path",
        "Interval",
        "Timeout",
        "HealthyThreshold",
        "UnhealthyThreshold",
    }


def test_the_pace_of_the_health_check_is_sent_observed_and_part_of_the_plan():
    wanted = spec(pace=SLOW_START)
    check = request_of(wanted)["HealthCheckConfiguration"]
    paced = "HTTP /healthz every 10 s, 5 s long, 2 up, 12 down"
    assert check == {
        "Protocol": "HTTP",
        "Path": "/healthz",
        "Interval": 10,
        "Timeout": 5,
        "HealthyThreshold": 2,
        "UnhealthyThreshold": 12,
    }
    assert wanted.fields()["health check"] == paced
    assert observed_from(described(HealthCheckConfiguration=check), None).fields["health check"] == paced
    assert plan(wanted, observed(spec())).changes == (FieldChange("health check", "HTTP /healthz", paced),)
    assert plan(spec(), observed(wanted)).changes == (FieldChange("health check", paced, "HTTP /healthz"),)
    assert health_of(wanted) == HealthCheck(
        path="/healthz", interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=12
    )


@pytest.mark.parametrize(
    ("status", "identifier", "digest"),
    [
        ("RUNNING", f"{URI}@{DIGEST}", DIGEST),
        ("RUNNING", f"{URI}:latest", None),
        ("PAUSED", f"{URI}@{DIGEST}", None),
        ("CREATE_FAILED", f"{URI}@{DIGEST}", None),
        ("DELETED", f"{URI}@{DIGEST}", None),
    ],
)
def test_the_live_digest_is_that_of_a_running_service(status, identifier, digest):
    seen = observed_from(described(Status=status, SourceConfiguration=with_image(identifier)), None)
    assert (seen.status, seen.digest) == (status, digest)


def test_a_service_from_source_code_differs_in_every_field_it_lacks():
    source = {"CodeRepository": {"RepositoryUrl": "https://example.org"}, "AutoDeploymentsEnabled": True}
    seen = observed_from(described(SourceConfiguration=source, HealthCheckConfiguration={}), None)
    assert seen.digest is None
    assert plan(spec(), seen).action is Action.UPDATE


async def test_a_service_is_looked_for_on_every_page():
    pages = Pages(["other-one", "other-two", "notes"])
    assert await AppRunnerTarget(pages, "notes", None)._find() == "notes"
    assert pages.asked == 3
    assert await AppRunnerTarget(pages, "absent", None)._find() is None


async def test_where_nothing_is_nothing_is_observed(account):
    assert await target_of(account).observe() == Observed()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"health_path": None},
        {"variables": {"COLOUR": "blue"}, "secrets": {"URL": SECRET}},
        {"cpu": 2048, "memory": 4096, "port": 9000, "instance_role": "arn:aws:iam::123456789012:role/notes-instance"},
    ],
    ids=["plain", "TCP", "variables", "everything else"],
)
async def test_what_was_asked_for_is_observed_as_it_was_asked_for(account, changes):
    """Otherwise every deployment would find a change."""
    account.cloud.secrets.put(SECRET, "postgresql://…")
    wanted = spec(await account.image(), **changes)
    async with applied(account, wanted) as (target, operation):
        await account.settled(operation.arn)
        seen = await target.observe()
    assert seen.fields == wanted.fields()
    assert (seen.status, seen.digest) == ("RUNNING", wanted.image.digest)
    assert plan(wanted, seen).action is Action.NOOP


async def test_a_created_service_is_tagged_with_its_environment(account):
    async with applied(account, spec(await account.image())) as (_, operation):
        await account.settled(operation.arn)
    assert operation.creating


async def test_an_operation_in_flight_is_named():
    async with opened(pace=SLOW) as account:
        arn = await account.create(await account.image())
        begun = await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(await account.image()))
        seen = await target_of(account).observe()
    assert seen.status == "OPERATION_IN_PROGRESS"
    assert seen.operation == f"UPDATE_SERVICE {begun['OperationId']}"


async def test_an_update_that_changes_nothing_is_no_operation(account):
    wanted = spec(await account.image())
    async with applied(account, wanted) as (target, operation):
        await account.settled(operation.arn)
        there = await target.observe()
        assert await target.apply(plan(wanted, there), there, wanted) is None


async def test_the_platforms_lines_are_reported_once_and_in_order(account):
    async with applied(account, spec(await account.image())) as (target, operation):
        told = [event.line async for event in target.follow(operation)]
    assert told == await account.lines(operation.arn, "service", "deployment")
    assert told[-1] == "[AppRunner] Service status is set to RUNNING."


async def test_control_characters_of_the_platforms_lines_are_removed(account):
    async with applied(account, spec(await account.image())) as (target, operation):
        await account.settled(operation.arn)
        stream = f"deployment/{operation.id.replace('-', '')}"
        group = f"/aws/apprunner/notes/{operation.arn.rpartition('/')[2]}/service"
        account.cloud.logs.write(group, stream, account.cloud.clock.now(), "\x1b[2Jbad\x07\nworse\u202e")
        told = [event.line async for event in target.follow(operation)]
    assert told[-1] == "bad worse"


async def test_while_following_at_most_one_call_is_made_in_three_of_the_platforms_seconds():
    async with opened(pace=replace(BRISK, create=60)) as account:
        aws = Watched(account)
        async with applied(account, spec(await account.image()), aws) as (target, operation):
            before = len(aws.calls)
            _ = [event async for event in target.follow(operation)]
        followed = aws.calls[before:]
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(followed)]
    assert len(followed) > 2
    assert min(gaps) >= timedelta(seconds=POLL_SECONDS)
    assert all(name.startswith(READS) for _, name in followed)


@pytest.mark.slow
async def test_what_takes_too_long_is_unknown_and_names_the_way_to_ask_again():
    async with (
        opened(pace=Pace(create=100_000)) as account,
        applied(account, spec(await account.image())) as (target, operation),
    ):
        with pytest.raises(UnknownOutcomeError, match=r"still being changed after 30 minutes: .*slipway status"):
            _ = [event async for event in target.follow(operation)]


async def test_an_operation_that_is_not_listed_yet_is_pending(account):
    arn = await account.create(await account.image())
    assert await target_of(account).ending(Operation(arn, "not-yet", creating=False)) is OperationStatus.IN_FLIGHT


async def test_an_operation_that_many_others_have_followed_is_found(account):
    arn = await account.create(await account.image())
    first = (await account.operations(arn))[0]["Id"]
    service = account.cloud.app_runner.services[arn]
    service.operations += [replace(service.operations[0], id=f"later-{number}") for number in range(45)]
    assert await target_of(account).ending(Operation(arn, first, creating=True)) is OperationStatus.SUCCEEDED


async def test_an_operation_is_gone_with_its_service(account):
    assert await target_of(account).ending(Operation(ARN, "gone", creating=True)) is OperationStatus.GONE


async def test_the_evidence_is_of_this_deployment(account):
    """The lines of the application before it began are no evidence, and neither are those of a later deployment."""
    broken = Script(lines=("KeyError: 'BEFORE'",), healthy=False)
    arn = await account.create(await account.image(broken))
    async with applied(account, spec(await account.image(Script(lines=("KeyError: 'NOW'",), exit_code=1)))) as (
        target,
        operation,
    ):
        await account.settled(arn)
        later = await account.image(Script(lines=("ModuleNotFoundError: No module named 'later'",), exit_code=1))
        await account.ask("apprunner", "update_service", ServiceArn=arn, **asked(later))
        await account.settled(arn)
        found = await target.evidence(operation, spec(OTHER))
    assert found.rule == "missing-variable"
    assert found.lines == ("KeyError: 'NOW'",)


async def test_the_target_waits_in_the_platforms_time(account):
    began = time_of(account).now()
    await time_of(account).sleep(60)
    assert (time_of(account).now() - began).total_seconds() >= 60
