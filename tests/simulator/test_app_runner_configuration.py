import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.simulator.app_runner.service import configuration_of, merged
from slipway.simulator.contract import AwsError
from tests.simulator.account import ROLE, URI, asked
from tests.simulator.raw import ask_raw

DIGEST = "sha256:" + "0" * 64
LEAST = {
    "SourceConfiguration": {
        "ImageRepository": {"ImageIdentifier": f"{URI}@{DIGEST}", "ImageRepositoryType": "ECR"},
        "AuthenticationConfiguration": {"AccessRoleArn": ROLE},
    }
}


def image_configuration(**settings):
    return {"SourceConfiguration": {"ImageRepository": {"ImageConfiguration": settings}}}


def settings_of(configuration):
    return configuration["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]


def test_what_a_creation_leaves_out_has_app_runners_defaults():
    configuration = configuration_of(LEAST)
    assert configuration["SourceConfiguration"]["AutoDeploymentsEnabled"] is True
    assert configuration["InstanceConfiguration"] == {"Cpu": "1024", "Memory": "2048"}
    assert configuration["HealthCheckConfiguration"] == {
        "Protocol": "TCP",
        "Path": "/",
        "Interval": 5,
        "Timeout": 2,
        "HealthyThreshold": 1,
        "UnhealthyThreshold": 5,
    }
    assert configuration["NetworkConfiguration"]["IngressConfiguration"]["IsPubliclyAccessible"] is True


@pytest.mark.parametrize(
    ("cpu", "memory", "read_back"),
    [
        ("1 vCPU", "2 GB", ("1024", "2048")),
        ("0.25 vCPU", "0.5 GB", ("256", "512")),
        ("0.5 vCPU", "1 GB", ("512", "1024")),
        ("2 vCPU", "6 GB", ("2048", "6144")),
        ("4 vCPU", "12 GB", ("4096", "12288")),
        ("4096", "8192", ("4096", "8192")),
    ],
)
def test_sizes_are_read_back_in_units(cpu, memory, read_back):
    instance = configuration_of(LEAST | {"InstanceConfiguration": {"Cpu": cpu, "Memory": memory}})[
        "InstanceConfiguration"
    ]
    assert (instance["Cpu"], instance["Memory"]) == read_back


@pytest.mark.parametrize(("cpu", "memory"), [("256", "2048"), ("512", "512"), ("1 vCPU", "8 GB"), ("4096", "4096")])
def test_a_pair_of_sizes_that_app_runner_does_not_have_is_refused(cpu, memory):
    with pytest.raises(AwsError, match="InvalidRequestException: Invalid CPU/memory configuration"):
        configuration_of(LEAST | {"InstanceConfiguration": {"Cpu": cpu, "Memory": memory}})


def test_an_image_of_ecr_needs_a_role_to_pull_it_with():
    source = {"ImageRepository": LEAST["SourceConfiguration"]["ImageRepository"]}
    with pytest.raises(AwsError, match="InvalidRequestException: Authentication configuration is invalid"):
        configuration_of({"SourceConfiguration": source})


def test_an_update_inherits_the_start_command_that_it_leaves_out():
    before = merged(configuration_of(LEAST), image_configuration(StartCommand="serve --old", Port="9000"))
    after = settings_of(merged(before, image_configuration(Port="8000")))
    assert after == {"StartCommand": "serve --old", "Port": "8000"}


def test_an_update_replaces_the_variables_as_a_whole():
    before = merged(configuration_of(LEAST), image_configuration(RuntimeEnvironmentVariables={"A": "1", "B": "2"}))
    after = settings_of(merged(before, image_configuration(RuntimeEnvironmentVariables={"B": "3"})))
    assert after["RuntimeEnvironmentVariables"] == {"B": "3"}
    emptied = settings_of(merged(before, image_configuration(RuntimeEnvironmentVariables={})))
    assert emptied["RuntimeEnvironmentVariables"] == {}


def test_what_is_read_back_and_sent_again_changes_nothing():
    before = configuration_of(LEAST | {"InstanceConfiguration": {"Cpu": "2 vCPU", "Memory": "4 GB"}})
    assert merged(before, json.loads(json.dumps(before))) == before


@given(st.dictionaries(st.sampled_from("ABC"), st.text("ab é")), st.sampled_from(["8000", "9000"]))
def test_an_update_changes_neither_the_request_nor_what_was(variables, port):
    before = configuration_of(LEAST)
    request = image_configuration(RuntimeEnvironmentVariables=variables, Port=port)
    copies = json.dumps(before), json.dumps(request)
    settings_of(merged(before, request))["RuntimeEnvironmentVariables"]["NEW"] = "changed later"
    assert (json.dumps(before), json.dumps(request)) == copies


async def test_a_described_service_has_its_configuration_and_its_defaults(account):
    arn = await account.create(await account.image(), InstanceConfiguration={"Cpu": "2 vCPU", "Memory": "4 GB"})
    service = await account.described(arn)
    assert service["InstanceConfiguration"] == {"Cpu": "2048", "Memory": "4096"}
    assert service["HealthCheckConfiguration"]["Interval"] == 5
    assert service["SourceConfiguration"]["AutoDeploymentsEnabled"] is True
    assert service["AutoScalingConfigurationSummary"]["AutoScalingConfigurationRevision"] == 1
    assert service["ServiceArn"].endswith(f"service/notes/{service['ServiceId']}")
    assert "DeletedAt" not in service


async def test_an_instance_gets_port_variables_secrets_and_command(account):
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:notes/url-aBcDeF"
    account.cloud.secrets.put(arn, "postgresql://secret")
    settings = {
        "Port": "9000",
        "StartCommand": "serve --name 'two words'",
        "RuntimeEnvironmentVariables": {"COLOUR": "blue"},
        "RuntimeEnvironmentSecrets": {"DATABASE_URL": arn},
    }
    digest = await account.image()
    created = await account.ask("apprunner", "create_service", ServiceName="notes", **asked(digest, **settings))
    await account.settled(created["Service"]["ServiceArn"])
    (order,) = account.backend.started
    assert (order.repository, order.digest, order.port) == ("notes", digest, 9000)
    assert order.command == ("serve", "--name", "two words")
    assert order.variables == {"COLOUR": "blue", "DATABASE_URL": "postgresql://secret"}


async def test_an_update_that_leaves_the_start_command_out_starts_the_next_release_with_it(account):
    digest, following = await account.image(), await account.image()
    arn = await account.create(digest)
    await account.update(arn, **asked(digest, StartCommand="serve --old"))
    await account.update(arn, **asked(following))
    assert account.backend.started[-1].digest == following
    assert account.backend.started[-1].command == ("serve", "--old")


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ({"ServiceName": "abc"}, "ServiceName"),
        ({"ServiceName": "a" * 41}, "less than or equal to 40"),
        ({"ServiceName": "-notes"}, "regular expression pattern"),
        ({"InstanceConfiguration": {"Cpu": "3 vCPU"}}, "InstanceConfiguration.Cpu"),
        ({"InstanceConfiguration": {"InstanceRoleArn": "arn:aws:iam::1:role/short-of-an-account"}}, "InstanceRoleArn"),
        ({"HealthCheckConfiguration": {"Protocol": "UDP"}}, "enum value set: [TCP, HTTP]"),
        ({"HealthCheckConfiguration": {"Interval": 0}}, "HealthCheckConfiguration.Interval"),
        ({"HealthCheckConfiguration": {"Interval": 21}}, "less than or equal to 20"),
        ({"HealthCheckConfiguration": {"Interval": "5"}}, "Invalid type for parameter"),
        ({"Tags": [{"Key": "aws:mine", "Value": "no"}]}, "Tags.1.member.Key"),
        ({"Surprise": True}, "Surprise"),
        ({"SourceConfiguration": {}, "ServiceName": None}, "ServiceName"),
    ],
)
async def test_a_creation_that_does_not_fit_the_model_is_refused_with_the_reason(shared_account, parts, complaint):
    request = {"ServiceName": "notes", **asked(DIGEST)} | parts
    status, answer = await ask_raw(shared_account.cloud.url, "AppRunner.CreateService", request)
    assert (status, answer["__type"]) == (400, "InvalidRequestException")
    assert "validation error" in answer["Message"]
    assert complaint in answer["Message"]
    assert (await shared_account.ask("apprunner", "list_services"))["ServiceSummaryList"] == []


@pytest.mark.parametrize(
    "image", ["notes", f"notes@{DIGEST}", f"docker.io/library/notes@{DIGEST}", f"{URI}@sha256:\n", URI + ":"]
)
async def test_an_image_that_is_no_place_in_ecr_is_refused(shared_account, image):
    request = {"ServiceName": "notes", **asked(DIGEST)}
    request["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = image
    status, answer = await ask_raw(shared_account.cloud.url, "AppRunner.CreateService", request)
    assert status == httpx.codes.BAD_REQUEST
    assert "ImageIdentifier" in answer["Message"]
