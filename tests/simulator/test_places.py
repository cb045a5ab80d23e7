"""Accounts and regions are apart; the simulator asks for its own credentials, under names of this machine."""

import httpx
import pytest

from slipway.oci.artifact import Artifact, Blob
from slipway.oci.registry import Login
from slipway.oci.registry import opened as registry_opened
from slipway.simulator.cloud import InitialState
from slipway.workload.workload import NO_CERTIFICATES
from tests.release.direct import DirectEndpoint
from tests.simulator.account import REGION, ROLE, asked

ELSEWHERE, OTHER = "ap-southeast-2", "210987654321"
ASKS = {
    "apprunner": ("list_services", "ServiceSummaryList"),
    "ecr": ("describe_repositories", "repositories"),
    "secretsmanager": ("list_secrets", "SecretList"),
    "ssm": ("describe_parameters", "Parameters"),
    "logs": ("describe_log_groups", "logGroups"),
    "ecs": ("list_task_definitions", "taskDefinitionArns"),
    "cloudformation": ("describe_stacks", "Stacks"),
}
MAKES = (
    ("secretsmanager", "create_secret", {"Name": "token", "SecretString": "x"}),
    ("ssm", "put_parameter", {"Name": "token", "Value": "x", "Type": "String"}),
)


async def test_regions_and_accounts_have_nothing_in_common_but_roles(account):
    arn = await account.create(await account.image())
    for service, operation, request in MAKES:
        await account.ask(service, operation, **request)
    there = [DirectEndpoint(account.cloud, region=ELSEWHERE), DirectEndpoint(account.cloud, OTHER)]
    for endpoint in there:
        for service, (operation, member) in ASKS.items():
            assert (await endpoint.send(service, operation, {}))[member] == [], service
        for service, operation, request in MAKES:
            await endpoint.send(service, operation, request)  # the name is free
        with pytest.raises(Exception, match="ResourceNotFoundException"):
            await endpoint.send("apprunner", "describe_service", {"ServiceArn": arn})
        made = await endpoint.send("ecr", "create_repository", {"repositoryName": "notes"})
        assert made["repository"]["repositoryArn"].split(":")[3:5] == endpoint.place
    roles = [(await endpoint.send("iam", "list_roles", {}))["Roles"] for endpoint in there]
    assert [len(found) for found in roles] == [2, 0]
    identities = [(await endpoint.send("sts", "get_caller_identity", {}))["Account"] for endpoint in there]
    assert identities == ["123456789012", OTHER]


async def test_a_service_runs_an_image_of_its_own_region_or_of_the_one_that_it_names(account):
    """The same repository and tag exist in both regions, with different images."""
    far = DirectEndpoint(account.cloud, region=ELSEWHERE)
    await far.send("ecr", "create_repository", {"repositoryName": "notes"})
    login = account.cloud.places.at("123456789012", ELSEWHERE).store.password
    artifact = Artifact(kind="application/x-test", config=Blob("application/x-config", b"{}"), layers=())
    async with registry_opened(account.cloud.url, "notes", Login("AWS", login)) as registry:
        digest = await registry.push(artifact)
    assert account.cloud.store.repositories["notes"].manifests == {}
    for region in (REGION, ELSEWHERE):
        endpoint = DirectEndpoint(account.cloud, region=region)
        uri = {"ImageIdentifier": f"123456789012.dkr.ecr.{ELSEWHERE}.amazonaws.com/notes@{digest}"}
        request = {"ServiceName": "notes", **asked(digest)}
        request["SourceConfiguration"]["ImageRepository"] |= uri
        begun = await endpoint.send("apprunner", "create_service", request)
        named = {"ServiceArn": begun["Service"]["ServiceArn"]}
        while (found := await endpoint.send("apprunner", "describe_service", named))["Service"]["Status"].endswith(
            "PROGRESS"
        ):
            await account.cloud.clock.sleep(1)
        assert found["Service"]["Status"] == "RUNNING"
    order = account.backend.started[-1]
    assert (order.digest, order.repository) == (digest, f"123456789012.dkr.ecr.{ELSEWHERE}.amazonaws.com/notes")


async def test_an_initial_state_is_in_every_region_and_a_secret_in_its_own(account):
    secret = f"arn:aws:ssm:{ELSEWHERE}:123456789012:parameter/notes/token"
    state = InitialState(repositories=("other",), roles=(ROLE,), secrets={secret: "TOKEN"})
    state.put_into(account.cloud, {"TOKEN": "hunter2"})
    for region, values in ((REGION, []), (ELSEWHERE, ["hunter2"])):
        endpoint = DirectEndpoint(account.cloud, region=region)
        named = {"repositoryNames": ["other"]}
        assert len((await endpoint.send("ecr", "describe_repositories", named))["repositories"]) == 1
        asked_for = {"Names": ["/notes/token"], "WithDecryption": True}
        found = (await endpoint.send("ssm", "get_parameters", asked_for))["Parameters"]
        assert [each["Value"] for each in found] == values


@pytest.mark.parametrize("service", ["apprunner", "sts"])
async def test_keys_of_aws_are_refused(shared_account, service):
    code = {"apprunner": "UnrecognizedClientException", "sts": "InvalidClientTokenId"}[service]
    endpoint = DirectEndpoint(shared_account.cloud, "AKIAREAL")
    with pytest.raises(Exception, match=f"{code}.*The simulator's access key is simulated"):
        await endpoint.send(service, {"apprunner": "list_services", "sts": "get_caller_identity"}[service], {})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:4566", 405),
        ("localhost", 405),
        ("notes.localhost:80", 405),
        ("[::1]:4566", 405),
        ("stand-in:4566", 405),  # a container's name for a service of an engine
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:4566", 421),
        ("10.0.0.1", 421),
        ("[", 421),
    ],
)
async def test_a_name_that_only_resolves_to_this_machine_is_refused(shared_account, host, status):
    """DNS rebinding: a page of another origin would otherwise call the account as if it were its own server."""
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert (await client.get(shared_account.cloud.url, headers={"host": host})).status_code == status
