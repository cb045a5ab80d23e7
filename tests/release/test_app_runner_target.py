import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from statistics import mean
from typing import Any

import pytest

from slipway.errors import UnknownOutcomeError
from slipway.records.outcome import Status
from slipway.records.plan import Action, FieldChange, Observed
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import plan
from slipway.release.engine.target import Operation, OperationStatus
from slipway.release.targets.app_runner.spec import creation_of, health_of, observed_from, request_of, update_of
from slipway.release.targets.app_runner.target import POLL_SECONDS, AppRunnerTarget
from slipway.simulator.app_runner.service import Pace
from slipway.simulator.contract import problems, service
from slipway.simulator.faults import Effect, Fault
from slipway.workload.workload import HealthCheck
from tests.release.desired import ARN, DIGEST, OTHER, choosing, deployed, observed, spec, target_of, time_of
from tests.release.direct import opened
from tests.simulator.account import BRISK, REGION, SLOW, URI, Account, asked
from tests.simulator.scripted import Script

SLOW_START = "every 10 s, 5 s long, 2 up, 12 down"
TRACING = f"arn:aws:apprunner:{REGION}:123456789012:observabilityconfiguration/xray/1/{1:032}"
KEY = f"arn:aws:kms:{REGION}:123456789012:key/00000000-0000-0000-0000-000000000001"
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
    "changes",
    [
        {},
        {"health_path": None, "instance_role": "arn:aws:iam::123456789012:role/notes"},
        {"open": {"ingress": "private", "tracing": TRACING, "KMS key": KEY}, "start_command": "serve --all"},
    ],
)
def test_a_request_fits_the_service_model(changes):
    request = {"ServiceName": "notes", **creation_of(spec(**changes))}
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
    wanted = spec(open=choosing(health_pace=SLOW_START))
    check = request_of(wanted)["HealthCheckConfiguration"]
    assert check == {
        "Protocol": "HTTP",
        "Path": "/healthz",
        "Interval": 10,
        "Timeout": 5,
        "HealthyThreshold": 2,
        "UnhealthyThreshold": 12,
    }
    usual = "every 5 s, 2 s long, 1 up, 5 down"
    assert wanted.fields()["health pace"] == SLOW_START
    assert observed_from(described(HealthCheckConfiguration=check), None).fields["health pace"] == SLOW_START
    assert plan(wanted, observed(spec())).changes == (FieldChange("health pace", usual, SLOW_START),)
    assert plan(spec(), observed(wanted)).changes == (FieldChange("health pace", SLOW_START, usual),)
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
        {
            "start_command": "serve --all",
            "open": choosing(ingress="private", IP_addresses="dual-stack", tracing=TRACING, KMS_key=KEY),
        },
    ],
    ids=["plain", "TCP", "variables", "everything else", "private"],
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


async def test_a_created_service_has_the_tags_of_the_settings_and_its_environments(account):
    async with applied(account, spec(await account.image(), tags={"team": "notes"})) as (_, operation):
        await account.settled(operation.arn)
    assert operation.creating
    assert account.cloud.app_runner.services[operation.arn].tags == {"team": "notes", "slipway:environment": "staging"}


async def test_what_was_set_by_hand_is_kept_while_the_settings_leave_it_open(account):
    """A plain deployment would make a private service public otherwise, and cut it off from its VPC."""
    connector = await account.ask("apprunner", "create_vpc_connector", VpcConnectorName="vpc1", Subnets=["subnet-1"])
    private = {"open": choosing(ingress="private", egress=connector["VpcConnector"]["VpcConnectorArn"], tracing=TRACING,
                                health_pace=SLOW_START)}  # fmt: skip
    async with applied(account, spec(await account.image(), **private)) as (target, operation):
        await account.settled(operation.arn)
        before = await target.observe()
        assert before.private
        later = spec(await account.image(), open={})
        made = plan(later, before)
        assert [change.name for change in made.changes] == ["image"]
        assert all(word in made.notes[0] for word in ("ingress private", "egress arn:", "tracing arn:", SLOW_START))
        await target.apply(made, before, later)
        await account.settled(operation.arn)
        after = await target.observe()
    assert after.fields == {**before.fields, "image": str(later.image)}
    request = account.cloud.app_runner.services[operation.arn].operations
    assert [each.type for each in request] == ["CREATE_SERVICE", "UPDATE_SERVICE"]


def test_a_setting_changes_what_was_set_by_hand_and_the_plan_shows_it():
    by_hand = observed(spec(open=choosing(ingress="private", auto_scaling="arn:theirs")))
    wanted = spec(open={"ingress": "public"})
    made = plan(wanted, by_hand)
    assert made.changes == (FieldChange("ingress", "private", "public"),)
    assert "auto scaling arn:theirs" in made.notes[0]
    assert update_of(wanted, by_hand.fields)["NetworkConfiguration"]["IngressConfiguration"] == {
        "IsPubliclyAccessible": True
    }


def test_a_part_that_is_left_open_is_not_sent_because_the_deploy_role_may_not_use_it():
    sent = update_of(spec(open={}), observed(spec(open=choosing(egress="arn:theirs"))).fields)
    assert not {"AutoScalingConfigurationArn", "NetworkConfiguration", "ObservabilityConfiguration"} & set(sent)
    part = update_of(spec(open={"ingress": "private"}), observed(spec(open=choosing(egress="arn:theirs"))).fields)
    assert part["NetworkConfiguration"]["EgressConfiguration"] == {"EgressType": "VPC", "VpcConnectorArn": "arn:theirs"}


def test_the_key_of_a_service_cannot_be_changed():
    made = plan(spec(open=choosing(KMS_key=KEY)), observed(spec()))
    assert made.action is Action.BLOCKED
    assert made.reason.startswith("an update cannot change the KMS key none; leave it out of the settings")
    assert plan(spec(open={}), observed(spec(open=choosing(KMS_key=KEY)))).action is Action.NOOP


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


async def test_a_log_that_cannot_be_read_is_reported_once_and_hides_no_end(account):
    async with applied(account, spec(await account.image())) as (target, operation):
        account.cloud.faults.add(Fault(operation="FilterLogEvents", effect=Effect.UNAVAILABLE, times=1000))
        told = [event.line async for event in target.follow(operation)]
        assert await target.ending(operation) is OperationStatus.SUCCEEDED
    account.cloud.faults.clear()
    assert len(told) == 1
    assert told[0].startswith("the log cannot be read: AWS refused logs filter_log_events")


async def test_while_following_at_most_one_call_is_made_in_three_of_the_platforms_seconds():
    async with opened(pace=replace(BRISK, create=60)) as account:
        aws = Watched(account)
        async with applied(account, spec(await account.image()), aws) as (target, operation):
            before = len(aws.calls)
            _ = [event async for event in target.follow(operation)]
        followed = aws.calls[before:]
    gaps = [(later[0] - earlier[0]).total_seconds() for earlier, later in itertools.pairwise(followed)]
    assert len(followed) > 10
    assert mean(gaps) >= 3
    assert max(gaps) <= POLL_SECONDS
    assert all(name.startswith(READS) for _, name in followed)


async def test_a_run_ends_five_seconds_after_its_operation_at_most():
    """Whenever that ends between two looks; the time of all calls together is none here."""
    for step in range(6):
        async with opened(pace=replace(BRISK, create=20 + step * POLL_SECONDS / 3)) as account:
            done = await deployed(account, spec(await account.image()))
            (service,) = account.cloud.app_runner.services.values()
        (operation,) = service.operations
        assert done.outcome.status is Status.SUCCEEDED
        assert done.outcome.seconds - (operation.ended - operation.started).total_seconds() <= 5


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
