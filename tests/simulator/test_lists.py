"""Pages of lists, and quotas, as the models and AWS's documentation have them."""

import anyio
import pytest
from botocore.exceptions import ClientError

from tests.simulator.account import asked

# The code for a token that no page has, as the models of the services have it.
TOKENS = {
    ("apprunner", "list_services"): ("NextToken", "InvalidRequestException"),
    ("ecr", "describe_repositories"): ("nextToken", "InvalidParameterException"),
    ("ecs", "list_task_definitions"): ("nextToken", "InvalidParameterException"),
    ("iam", "list_roles"): ("Marker", "ValidationError"),
    ("logs", "describe_log_groups"): ("nextToken", "InvalidParameterException"),
    ("secretsmanager", "list_secrets"): ("NextToken", "InvalidNextTokenException"),
    ("ssm", "describe_parameters"): ("NextToken", "InvalidNextToken"),
}


@pytest.mark.parametrize("token", ["false", "7", "-1", "Parameters/-1"])
@pytest.mark.parametrize(("service", "operation"), TOKENS)
async def test_a_token_that_no_page_has_is_refused_as_the_model_says(shared_account, service, operation, token):
    member, code = TOKENS[service, operation]
    assert (await shared_account.refusal(service, operation, **{member: token}))[0] == code


async def test_a_list_of_app_runner_is_whole_unless_a_size_is_asked_for(account):
    for number in range(25):
        await account.ask("apprunner", "create_vpc_connector", VpcConnectorName=f"net-{number // 3}", Subnets=["s"])
    digest = await account.image()
    for number in range(25):
        await account.ask("apprunner", "create_service", ServiceName=f"notes-{number}", **asked(digest))
    for operation, member in (("list_services", "ServiceSummaryList"), ("list_vpc_connectors", "VpcConnectors")):
        whole = await account.ask("apprunner", operation)
        assert (len(whole[member]), "NextToken" in whole) == (25, False)
        first = await account.ask("apprunner", operation, MaxResults=20)
        second = await account.ask("apprunner", operation, MaxResults=20, NextToken=first["NextToken"])
        assert first[member] + second[member] == whole[member]


async def test_other_lists_have_pages_of_their_own_size(account):
    before = len((await account.ask("ecr", "describe_repositories"))["repositories"])
    for number in range(101):
        name = {"repositoryName": f"many-{number}"}
        await account.ask("ecr", "create_repository", **name)
        account.cloud.logs.create(f"/many/{number}")
    assert len((await account.ask("logs", "describe_log_groups"))["logGroups"]) == 50
    first = await account.ask("ecr", "describe_repositories")
    rest = await account.ask("ecr", "describe_repositories", nextToken=first["nextToken"], maxResults=1000)
    assert (len(first["repositories"]), len(rest["repositories"])) == (100, 1 + before)
    both = {"repositoryNames": ["many-1"], "maxResults": 1}
    assert (await account.refusal("ecr", "describe_repositories", **both))[0] == "InvalidParameterException"


async def test_of_two_creations_at_once_one_makes_the_service(account):
    digest, outcomes = await account.image(), []

    async def create() -> None:
        try:
            await account.ask("apprunner", "create_service", ServiceName="notes", **asked(digest))
            outcomes.append("created")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(create)
    assert sorted(outcomes) == ["InvalidRequestException", "InvalidRequestException", "created"]
    assert len((await account.ask("apprunner", "list_services"))["ServiceSummaryList"]) == 1


async def test_no_more_is_created_than_the_quotas_allow(account):
    vars(account.cloud.quotas).update(services=1, shared=1, repositories=0, images=1, roles=2)
    await account.create(await account.image())
    code, _ = await account.refusal("apprunner", "create_service", ServiceName="other", **asked("sha256:" + "0" * 64))
    assert code == "ServiceQuotaExceededException"
    scaling = "create_auto_scaling_configuration"
    for _ in range(2):  # a further revision is no further name
        await account.ask("apprunner", scaling, AutoScalingConfigurationName="small")
    refused = await account.refusal("apprunner", scaling, AutoScalingConfigurationName="large")
    assert refused[0] == "ServiceQuotaExceededException"
    assert (await account.refusal("ecr", "create_repository", repositoryName="other"))[0] == "LimitExceededException"
    image = {"repositoryName": "notes", "imageManifest": "{}"}
    assert (await account.refusal("ecr", "put_image", **image))[0] == "LimitExceededException"
    role = {"RoleName": "third", "AssumeRolePolicyDocument": '{"Statement": []}'}
    assert (await account.refusal("iam", "create_role", **role))[0] == "LimitExceeded"


async def test_a_service_stays_with_an_image_as_its_source(account):
    digest = await account.image()
    arn = await account.create(digest)
    code = {"RepositoryUrl": "https://github.com/a/b", "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"}}
    changed = {"SourceConfiguration": {"CodeRepository": code}}
    assert (await account.refusal("apprunner", "update_service", ServiceArn=arn, **changed))[
        0
    ] == "InvalidRequestException"
    both = asked(digest)
    both["SourceConfiguration"] |= changed["SourceConfiguration"]
    refused = await account.refusal("apprunner", "create_service", ServiceName="both", **both)
    assert refused[0] == "InvalidRequestException"
