import json
import re
from functools import partial

import anyio
import anyio.to_thread
import pytest

from slipway.resource_kinds import permissions
from tests.simulator.account import session
from tests.simulator.stacks import (
    CAPABLE,
    body,
    changes,
    deleted,
    described,
    environment,
    events,
    execute,
    executed,
    get,
    proposed,
    reasons,
    ref,
    resource,
    settled,
)

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
    account.cloud.cloudformation.handlers.failing["Connector"] = "no such subnet"
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
    account.cloud.cloudformation.handlers.failing["Group"] = "no such vpc"
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
        (json.dumps({"Resources": {"Group": GROUP}, "Conditions": {}}), "does not support Conditions"),
        (body(Bucket={"Type": "AWS::S3::Bukket"}), "Unrecognized resource types: [AWS::S3::Bukket]"),
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
    await deleted(account)
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


@pytest.mark.slow
async def test_an_environment_is_made_changed_and_deleted(account):
    named = {"Host": {"Value": get("Database", "Endpoint.Address")}}
    stack = await executed(account, body(named, **environment()))
    assert (stack["StackStatus"], await reasons(account)) == ("CREATE_COMPLETE", {})
    (database,) = (await account.ask("rds", "describe_db_instances"))["DBInstances"]
    assert (database["DBInstanceStatus"], database["Endpoint"]["Address"]) == (
        "available",
        stack["Outputs"][0]["OutputValue"],
    )
    (url,) = [
        account.cloud.secrets.value(each["ARN"])
        for each in (await account.ask("secretsmanager", "list_secrets"))["SecretList"]
        if each["Name"] == "notes/database-url"
    ]
    assert re.fullmatch(rf"postgresql://app:[A-Za-z0-9]{{32}}@{database['Endpoint']['Address']}:5432/notes", url)
    change = await proposed(account, body(named, **environment(MultiAZ=True)), "UPDATE")
    assert changes(change) == [("Modify", "Database", "Conditional"), ("Modify", "Url", "False")]
    assert (await execute(account))["StackStatus"] == "UPDATE_COMPLETE"
    assert ("Url", "UPDATE_IN_PROGRESS") not in await events(account)  # the address did not change
    (database,) = (await account.ask("rds", "describe_db_instances"))["DBInstances"]
    assert database["MultiAZ"]
    assert (await deleted(account))["StackStatus"] == "DELETE_COMPLETE"
    assert {kind: models for kind, models in account.cloud.resources.models.items() if models} == {}
    (snapshot,) = (await account.ask("rds", "describe_db_snapshots"))["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == database["DBInstanceIdentifier"]


@pytest.mark.slow
async def test_a_protected_database_keeps_its_stack_and_what_it_needs(account):
    await executed(account, body(**environment(protected=True)))
    assert (await deleted(account))["StackStatus"] == "DELETE_FAILED"
    why = await reasons(account)
    assert "Cannot delete protected DB Instance" in why["Database"]
    assert "has dependencies and cannot be deleted" in why["DatabaseGroup"]
    assert (await described(account))["StackStatusReason"].startswith("The following resource(s) failed to delete: [")


@pytest.mark.parametrize(("policy", "left"), [("Retain", True), ("Delete", False)])
async def test_a_replaced_resource_is_kept_or_deleted_as_its_policy_says(account, policy, left):
    def group(name):
        return resource("Logs::LogGroup", LogGroupName=name) | {"UpdateReplacePolicy": policy}

    await executed(account, body(Group=group("one")))
    change = await proposed(account, body(Group=group("two")), "UPDATE")
    (only,) = change["Changes"]
    assert only["ResourceChange"]["PolicyAction"] == f"ReplaceAnd{policy}"
    assert only["ResourceChange"]["Details"][0]["Target"] == {
        "Attribute": "Properties",
        "Name": "LogGroupName",
        "Path": "/Properties/LogGroupName",
        "RequiresRecreation": "Always",
        "AttributeChangeType": "Modify",
        "BeforeValue": "one",
        "AfterValue": "two",
    }
    assert (await execute(account))["StackStatus"] == "UPDATE_COMPLETE"
    assert account.cloud.logs.has("one") is left


async def test_a_custom_named_resource_cannot_be_replaced_by_itself(account):
    def repository(kind):
        return resource("ECR::Repository", RepositoryName="letters", EncryptionConfiguration={"EncryptionType": kind})

    await executed(account, body(Repository=repository("AES256")))
    stack = await executed(account, body(Repository=repository("KMS")), "UPDATE")
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    why = (await reasons(account))["Repository"]
    assert "cannot update a stack when a custom-named resource requires replacing" in why


async def test_a_rollback_that_fails_is_continued_without_the_resource(account):
    groups = {name: resource("Logs::LogGroup", LogGroupName=name, RetentionInDays=30) for name in ("First", "Second")}
    await executed(account, body(**groups))
    changed = {name: resource("Logs::LogGroup", LogGroupName=name, RetentionInDays=90) for name in groups}
    handlers = account.cloud.cloudformation.handlers
    handlers.failing["Second"], handlers.stuck["First"] = "no", "not now"
    assert (await executed(account, body(**changed), "UPDATE"))["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    refused = await account.refusal(
        "cloudformation", "create_change_set", StackName="stack", ChangeSetName="c", TemplateBody=body(**groups)
    )
    assert "is in UPDATE_ROLLBACK_FAILED state and can not be updated" in refused[1]
    await account.ask("cloudformation", "continue_update_rollback", StackName="stack", ResourcesToSkip=["First"])
    assert (await settled(account))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


async def test_a_creation_whose_rollback_fails_can_only_be_deleted(account):
    handlers = account.cloud.cloudformation.handlers
    handlers.failing["Second"], handlers.stuck["First"] = "no", "in use"
    second = resource("Logs::LogGroup", LogGroupName={"Fn::Sub": "after-${First}"})
    first = resource("Logs::LogGroup", LogGroupName="first")
    assert (await executed(account, body(First=first, Second=second)))["StackStatus"] == "ROLLBACK_FAILED"
    del handlers.stuck["First"]
    assert (await deleted(account))["StackStatus"] == "DELETE_COMPLETE"
    assert not account.cloud.logs.has("first")


async def test_a_protected_stack_is_not_deleted(account):
    await executed(account, body(Role=ROLE))
    protect = partial(account.ask, "cloudformation", "update_termination_protection", StackName="stack")
    await protect(EnableTerminationProtection=True)
    refused = await account.refusal("cloudformation", "delete_stack", StackName="stack")
    assert refused == (
        "ValidationError",
        "Stack [stack] cannot be deleted while TerminationProtection is enabled",
    )
    await protect(EnableTerminationProtection=False)
    assert (await deleted(account))["StackStatus"] == "DELETE_COMPLETE"


async def test_properties_that_do_not_fit_the_schema_fail_their_resource(account):
    wrong = resource("EC2::VPC", CidrBlock=["10.0.0.0/16"], Cider="10.0.0.0/16")
    assert (await executed(account, body(Vpc=wrong)))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (await reasons(account))["Vpc"] == (
        'Resource handler returned message: "Properties validation failed for resource with message:'
        " #/CidrBlock: expected type: String, found: list; #: extraneous key [Cider] is not permitted"
        '" (HandlerErrorCode: InvalidRequest)'
    )


async def test_an_execution_needs_the_permissions_of_its_handlers(account):
    allowed = [action for action in permissions(["AWS::EC2::VPC"]) if action != "ec2:ModifyVpcAttribute"]
    policy = {"Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    named = {"RoleName": "executor"}
    await account.ask("iam", "create_role", **named, AssumeRolePolicyDocument=json.dumps(TRUST))
    await account.ask("iam", "put_role_policy", **named, PolicyName="p", PolicyDocument=json.dumps(policy))
    role = {"RoleARN": "arn:aws:iam::123456789012:role/executor"}
    vpc = resource("EC2::VPC", CidrBlock="10.0.0.0/16")
    assert (await executed(account, body(Vpc=vpc), **role))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (
        "assumed-role/executor/AWSCloudFormation is not authorized to perform: ec2:ModifyVpcAttribute"
        in (await reasons(account))["Vpc"]
    )
    policy["Statement"][0]["Action"] = permissions(["AWS::EC2::VPC"])
    await account.ask("iam", "put_role_policy", **named, PolicyName="p", PolicyDocument=json.dumps(policy))
    await deleted(account)
    assert (await executed(account, body(Vpc=vpc), **role))["StackStatus"] == "CREATE_COMPLETE"


async def test_an_export_lasts_as_long_as_another_stack_uses_it(account):
    def exporting(name):
        return body({"Name": {"Value": ref("Group"), "Export": {"Name": name}}}, Group=group)

    group = resource("Logs::LogGroup", LogGroupName="exported")
    imported = {"Fn::Join": ["-", ["of", {"Fn::ImportValue": "name"}]]}
    user = body(Group=resource("Logs::LogGroup", LogGroupName=imported))
    missing = await proposed(account, user, StackName="user")
    assert (missing["Status"], missing["StatusReason"]) == ("FAILED", "No export named name found.")
    await account.ask("cloudformation", "delete_stack", StackName="user")
    await executed(account, exporting("name"))
    assert (await executed(account, user, StackName="user"))["StackStatus"] == "CREATE_COMPLETE"
    assert account.cloud.logs.has("of-exported")
    in_use = "Export name cannot be deleted as it is in use by user"
    stack = await deleted(account)
    assert (stack["StackStatus"], stack["StackStatusReason"]) == ("CREATE_COMPLETE", in_use)
    assert (await executed(account, exporting("other"), "UPDATE"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    told = (await account.ask("cloudformation", "describe_stack_events", StackName="stack"))["StackEvents"]
    assert in_use in [event.get("ResourceStatusReason") for event in told]


async def test_a_resource_of_another_stack_is_not_adopted(account):
    await executed(account, body(Repository=REPOSITORY), StackName="owner")
    found = await proposed(account, body(Repository=REPOSITORY), ImportExistingResources=True)
    assert (found["Status"], "letters already belongs to the stack" in found["StatusReason"]) == ("FAILED", True)
