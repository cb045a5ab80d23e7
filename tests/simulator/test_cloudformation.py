import json

import anyio
import anyio.to_thread
import pytest

from tests.simulator.account import Account, session

CAPABLE = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
TRUST = {"Version": "2012-10-17", "Statement": []}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "notes", "AssumeRolePolicyDocument": TRUST}}
REPOSITORY = {
    "Type": "AWS::ECR::Repository",
    "DeletionPolicy": "Retain",
    "Properties": {"RepositoryName": "letters", "ImageTagMutability": "IMMUTABLE"},
}
GROUP = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "d", "VpcId": "vpc-1"}}
CONNECTOR = {
    "Type": "AWS::AppRunner::VpcConnector",
    "Properties": {
        "VpcConnectorName": "notes",
        "Subnets": ["subnet-1"],
        "SecurityGroups": [{"Fn::GetAtt": ["Group", "GroupId"]}],
    },
}


def body(outputs=None, **resources):
    return json.dumps({"Resources": resources} | ({"Outputs": outputs} if outputs else {}))


async def proposed(account: Account, template: str, kind: str = "CREATE", **more) -> dict:
    """Create a change set and wait for its end."""
    named = {"StackName": "stack", "ChangeSetName": "changes"}
    await account.ask(
        "cloudformation", "create_change_set", TemplateBody=template, ChangeSetType=kind, **named, **CAPABLE, **more
    )
    while (found := await account.ask("cloudformation", "describe_change_set", **named))[
        "Status"
    ] == "CREATE_IN_PROGRESS":
        await account.cloud.clock.sleep(1)
    return found


async def executed(account: Account, template: str, kind: str = "CREATE", **more) -> dict:
    """Execute a change set and wait for its end."""
    await proposed(account, template, kind, **more)
    await account.ask("cloudformation", "execute_change_set", StackName="stack", ChangeSetName="changes")
    while (stack := await described(account))["StackStatus"].endswith("_IN_PROGRESS"):
        await account.cloud.clock.sleep(1)
    return stack


async def described(account: Account) -> dict:
    (stack,) = (await account.ask("cloudformation", "describe_stacks", StackName="stack"))["Stacks"]
    return stack


async def events(account: Account) -> list[tuple[str, str]]:
    told = await account.ask("cloudformation", "describe_stack_events", StackName="stack")
    return [(event["LogicalResourceId"], event["ResourceStatus"]) for event in told["StackEvents"][::-1]]


def changes(change_set: dict) -> list[tuple[str, str, str | None]]:
    told = [change["ResourceChange"] for change in change_set["Changes"]]
    return [(change["Action"], change["LogicalResourceId"], change.get("Replacement")) for change in told]


async def test_a_change_set_lists_the_changes_and_makes_none(account):
    found = await proposed(account, body(Repository=REPOSITORY))
    assert (found["Status"], changes(found)) == ("CREATE_COMPLETE", [("Add", "Repository", None)])
    assert (await described(account))["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert "letters" not in account.cloud.store.repositories


async def test_executed_resources_really_exist_each_after_those_it_refers_to(account):
    output = {"Connector": {"Description": "d", "Value": {"Fn::GetAtt": ["Connector", "VpcConnectorArn"]}}}
    stack = await executed(account, body(output, Connector=CONNECTOR, Group=GROUP, Repository=REPOSITORY, Role=ROLE))
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert account.cloud.store.repositories["letters"].immutable
    (made,) = (await account.ask("apprunner", "list_vpc_connectors"))["VpcConnectors"]
    assert stack["Outputs"][0]["OutputValue"] == made["VpcConnectorArn"]
    assert made["SecurityGroups"][0].startswith("sg-")
    told = await events(account)
    assert told.index(("Group", "CREATE_COMPLETE")) < told.index(("Connector", "CREATE_IN_PROGRESS"))
    assert told[-1] == ("stack", "CREATE_COMPLETE")


async def test_a_failed_creation_is_rolled_back_and_the_stack_cannot_be_updated(account):
    account.cloud.cloudformation.resources.failing["Connector"] = "no such subnet"
    stack = await executed(account, body(Connector=CONNECTOR, Group=GROUP))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Connector", "CREATE_FAILED") in await events(account)
    code, message = await account.refusal(
        "cloudformation", "create_change_set", StackName="stack", ChangeSetName="c", TemplateBody=body(Group=GROUP)
    )
    assert (code, "is in ROLLBACK_COMPLETE state and can not be updated" in message) == ("ValidationError", True)


async def test_an_update_changes_replaces_and_removes(account):
    await executed(account, body(Group=GROUP, Role=ROLE, Repository=REPOSITORY, Connector=CONNECTOR))
    role = {**ROLE, "Properties": {**ROLE["Properties"], "Policies": []}}
    connector = {**CONNECTOR, "Properties": {**CONNECTOR["Properties"], "Subnets": ["subnet-2"]}}
    template = body(Group=GROUP, Role=role, Connector=connector)
    assert changes(await proposed(account, template, "UPDATE")) == [
        ("Modify", "Role", "False"),
        ("Modify", "Connector", "True"),
        ("Remove", "Repository", None),
    ]
    await account.ask("cloudformation", "delete_change_set", StackName="stack", ChangeSetName="changes")
    assert (await executed(account, template, "UPDATE"))["StackStatus"] == "UPDATE_COMPLETE"
    assert "letters" in account.cloud.store.repositories  # it is retained
    (only,) = (await account.ask("apprunner", "list_vpc_connectors"))["VpcConnectors"]
    assert only["Subnets"] == ["subnet-2"]


async def test_a_failed_update_is_rolled_back(account):
    await executed(account, body(Role=ROLE))
    account.cloud.cloudformation.resources.failing["Group"] = "no such vpc"
    assert (await executed(account, body(Role=ROLE, Group=GROUP), "UPDATE"))[
        "StackStatus"
    ] == "UPDATE_ROLLBACK_COMPLETE"
    assert changes(await proposed(account, body(Role=ROLE, Group=GROUP), "UPDATE")) == [("Add", "Group", None)]


async def test_a_change_set_without_changes_has_failed_and_cannot_be_executed(account):
    await executed(account, body(Role=ROLE))
    found = await proposed(account, body(Role=ROLE), "UPDATE")
    assert (found["Status"], "didn't contain changes" in found["StatusReason"]) == ("FAILED", True)
    code, _ = await account.refusal("cloudformation", "execute_change_set", StackName="stack", ChangeSetName="changes")
    assert code == "InvalidChangeSetStatus"


async def test_an_existing_repository_is_adopted_on_request(account):
    await account.ask("ecr", "create_repository", repositoryName="letters")
    found = await proposed(account, body(Repository=REPOSITORY), ImportExistingResources=True)
    assert changes(found) == [("Import", "Repository", None)]
    await account.ask("cloudformation", "delete_change_set", StackName="stack", ChangeSetName="changes")
    assert (await executed(account, body(Repository=REPOSITORY)))["StackStatus"] == "ROLLBACK_COMPLETE"


async def test_roles_with_names_must_be_acknowledged(account):
    named = {"StackName": "stack", "ChangeSetName": "c", "ChangeSetType": "CREATE"}
    refused = await account.refusal("cloudformation", "create_change_set", TemplateBody=body(Role=ROLE), **named)
    assert refused == ("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Resources: {}", "in JSON only"),
        ("{}", "At least one Resources member"),
        (body(Connector=CONNECTOR), r"Unresolved resource dependencies [Group]"),
        (body(Group={"Properties": {}}), "Every Resources object must contain a Type member"),
        (json.dumps({"Resources": {"Group": GROUP}, "Parameters": {}}), "does not support Parameters"),
    ],
)
async def test_an_invalid_template_is_refused(account, template, said):
    named = {"StackName": "stack", "ChangeSetName": "c", "ChangeSetType": "CREATE", **CAPABLE}
    code, message = await account.refusal("cloudformation", "create_change_set", TemplateBody=template, **named)
    assert (code, said in message) == ("ValidationError", True)


async def test_a_missing_stack_is_an_error_to_describe_and_none_to_delete(account):
    refused = await account.refusal("cloudformation", "describe_stacks", StackName="absent")
    assert refused == ("ValidationError", "Stack with id absent does not exist")
    await account.ask("cloudformation", "delete_stack", StackName="absent")
    await account.ask("cloudformation", "delete_change_set", StackName="absent", ChangeSetName="c")


async def test_a_deleted_stack_leaves_its_retained_resources(account):
    await executed(account, body(Repository=REPOSITORY, Group=GROUP, Connector=CONNECTOR))
    await account.ask("cloudformation", "delete_stack", StackName="stack")
    assert (await account.ask("cloudformation", "describe_stacks"))["Stacks"] == []
    assert "letters" in account.cloud.store.repositories
    assert (await account.ask("apprunner", "list_vpc_connectors"))["VpcConnectors"] == []


async def test_the_template_of_a_stack_is_kept_as_it_was_sent(account):
    await executed(account, body(Role=ROLE))
    ask = session.client(
        "cloudformation", endpoint_url=account.cloud.url
    ).get_template  # boto3 reads the JSON in it, against its own model
    found = await anyio.to_thread.run_sync(lambda: ask(StackName="stack"))
    assert found["TemplateBody"] == json.loads(body(Role=ROLE))
