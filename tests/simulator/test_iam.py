import json

import pytest

from slipway.simulator.clock import VirtualClock
from slipway.simulator.iam import trusting
from tests.simulator.account import asked, opened

BUILD, TASKS = "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"
NEW = "arn:aws:iam::123456789012:role/service/new"


@pytest.fixture
async def account():
    async with opened(clock=VirtualClock()) as account:
        yield account


def with_role(digest, role, **instance):
    request = asked(digest)
    request["SourceConfiguration"]["AuthenticationConfiguration"] = {"AccessRoleArn": role}
    return {"ServiceName": "notes", **request, "InstanceConfiguration": instance}


async def made(account, policy):
    await account.ask("iam", "create_role", RoleName="new", Path="/service/", AssumeRolePolicyDocument=policy)


async def test_a_role_is_made_read_changed_and_deleted(account):
    await made(account, trusting(BUILD))
    role = (await account.ask("iam", "get_role", RoleName="new"))["Role"]
    assert (role["Arn"], role["Path"], role["RoleName"]) == (NEW, "/service/", "new")
    assert role["AssumeRolePolicyDocument"] == json.loads(trusting(BUILD))
    await account.ask("iam", "update_assume_role_policy", RoleName="new", PolicyDocument=trusting(TASKS))
    assert (await account.ask("iam", "get_role", RoleName="new"))["Role"]["AssumeRolePolicyDocument"] == json.loads(
        trusting(TASKS)
    )
    listed = await account.ask("iam", "list_roles", PathPrefix="/service/")
    assert ([found["Arn"] for found in listed["Roles"]], listed["IsTruncated"]) == ([NEW], False)
    await account.ask("iam", "delete_role", RoleName="new")
    assert (await account.refusal("iam", "get_role", RoleName="new"))[0] == "NoSuchEntity"


async def test_roles_are_listed_in_pages(account):
    for number in range(3):
        account.cloud.iam.put(f"arn:aws:iam::123456789012:role/many/{number}")
    first = await account.ask("iam", "list_roles", PathPrefix="/many/", MaxItems=2)
    rest = await account.ask("iam", "list_roles", PathPrefix="/many/", Marker=first["Marker"])
    assert [role["RoleName"] for role in first["Roles"] + rest["Roles"]] == ["0", "1", "2"]


async def test_a_role_is_made_once_and_with_a_policy(account):
    await made(account, trusting(BUILD))
    said = {"RoleName": "new", "AssumeRolePolicyDocument": trusting(BUILD)}
    assert (await account.refusal("iam", "create_role", **said))[0] == "EntityAlreadyExists"
    for policy in ("{", "[]", "{}", '{"Statement": [{"Effect": "Maybe"}]}'):
        said = {"RoleName": "other", "AssumeRolePolicyDocument": policy}
        assert (await account.refusal("iam", "create_role", **said))[0] == "MalformedPolicyDocument"


async def test_app_runner_knows_a_new_role_after_a_while(account):
    digest = await account.image()
    await made(account, trusting(BUILD))
    for _ in range(2):
        code, message = await account.refusal("apprunner", "create_service", **with_role(digest, NEW))
        assert (code, message) == ("InvalidRequestException", f"Error in assuming access role {NEW}")
        await account.cloud.clock.sleep(44)
    await account.cloud.clock.sleep(2)
    await account.ask("apprunner", "create_service", **with_role(digest, NEW))


@pytest.mark.parametrize(
    "role", ["arn:aws:iam::123456789012:role/absent", "arn:aws:iam::999999999999:role/notes-access"]
)
async def test_a_missing_role_is_refused_forever(account, role):
    digest = await account.image()
    await account.cloud.clock.sleep(1000)
    code, message = await account.refusal("apprunner", "create_service", **with_role(digest, role))
    assert (code, "assuming access role" in message) == ("InvalidRequestException", True)
    assert account.cloud.app_runner.services == {}


async def test_a_role_that_trusts_another_service_is_refused_forever(account):
    digest = await account.image()
    await made(account, trusting(TASKS))
    await account.cloud.clock.sleep(1000)
    code, _ = await account.refusal("apprunner", "create_service", **with_role(digest, NEW))
    assert code == "InvalidRequestException"
    arn = await account.create(digest)
    code, message = await account.refusal(
        "apprunner", "update_service", ServiceArn=arn, InstanceConfiguration={"InstanceRoleArn": NEW + "er"}
    )
    assert (code, "assuming instance role" in message) == ("InvalidRequestException", True)
    await account.update(arn, InstanceConfiguration={"InstanceRoleArn": NEW})


async def test_a_lenient_account_trusts_roles_of_the_real_one(account):
    account.cloud.iam.strict = False
    theirs = "arn:aws:iam::123456789012:role/theirs"
    await account.ask("apprunner", "create_service", **with_role(await account.image(), theirs))
    role = (await account.ask("iam", "get_role", RoleName="theirs"))["Role"]
    assert BUILD in json.dumps(role["AssumeRolePolicyDocument"])
    await made(account, trusting(TASKS))
    await account.cloud.clock.sleep(1000)
    assert (await account.refusal("apprunner", "create_service", **with_role("sha256:" + "0" * 64, NEW)))[0]
