"""Stacks whose resources were changed by hand, and what the services say of resources that a stack made."""

import json

import pytest

from slipway.simulator.databases import DatabaseLaunch
from tests.release.direct import opened
from tests.simulator.stacks import (
    body,
    changes,
    deleted,
    environment,
    execute,
    executed,
    proposed,
    reasons,
    resource,
)

TRUST = {"Version": "2012-10-17", "Statement": []}
POLICY = {"Statement": [{"Effect": "Allow", "Action": ["ecr:BatchGetImage"], "Resource": "*"}]}
WIDENED = {"Statement": [{"Effect": "Allow", "Action": ["ecr:BatchGetImage", "*"], "Resource": "*"}]}
ROLE = resource(
    "IAM::Role",
    RoleName="deploy",
    AssumeRolePolicyDocument=TRUST,
    Policies=[{"PolicyName": "slipway", "PolicyDocument": POLICY}],
)
TEMPLATE = body(**environment(protected=True), Role=ROLE)


@pytest.fixture(scope="module")
async def made():
    """An account with the stack of an environment."""
    async with opened() as account:
        assert (await executed(account, TEMPLATE))["StackStatus"] == "CREATE_COMPLETE"
        yield account


async def physical(account) -> dict[str, str]:
    found = await account.ask("cloudformation", "list_stack_resources", StackName="stack")
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found["StackResourceSummaries"]}


async def drifts(account) -> dict[str, list[tuple[str, str, str]]]:
    """Return the drifted resources with the path and both values of each property."""
    detected = await account.ask("cloudformation", "detect_stack_drift", StackName="stack")
    while (found := await account.ask("cloudformation", "describe_stack_drift_detection_status", **detected))[
        "DetectionStatus"
    ] == "DETECTION_IN_PROGRESS":
        await account.cloud.clock.sleep(5)
    listed = (
        await account.ask(
            "cloudformation",
            "describe_stack_resource_drifts",
            StackName="stack",
            StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
        )
    )["StackResourceDrifts"]
    assert found["DriftedStackResourceCount"] == len(listed)
    return {
        each["LogicalResourceId"]: [
            (one["PropertyPath"], one["ExpectedValue"], one["ActualValue"]) for one in each["PropertyDifferences"]
        ]
        for each in listed
    }


@pytest.mark.slow
async def test_changes_by_hand_are_drift_with_both_values_and_are_reverted(made):
    assert await drifts(made) == {}
    names = await physical(made)
    ports = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    opened_up = ports | {"CidrIp": "0.0.0.0/0"}
    group = {"GroupId": names["DatabaseGroup"]}
    rules = [ports | {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, ports | {"UserIdGroupPairs": [group]}]
    await made.ask("ec2", "authorize_security_group_ingress", **group, IpPermissions=rules)
    await made.ask("ec2", "revoke_security_group_ingress", **group, IpPermissions=rules[1:])
    await made.ask("rds", "modify_db_instance", DBInstanceIdentifier=names["Database"], DeletionProtection=False)
    widened = {"PolicyName": "slipway", "PolicyDocument": json.dumps(WIDENED)}
    await made.ask("iam", "put_role_policy", RoleName="deploy", **widened)
    await made.ask("logs", "delete_log_group", logGroupName=names["Group"])
    found = await drifts(made)
    (rule,) = found.pop("DatabaseGroup")
    assert (rule[0], rule[1], json.loads(rule[2])) == ("/SecurityGroupIngress/1", "null", opened_up)
    assert found == {
        "Database": [("/DeletionProtection", "true", "false")],
        "Role": [("/Policies/0/PolicyDocument/Statement/0/Action/1", "null", "*")],
        "Group": [],
    }
    assert (await proposed(made, TEMPLATE, "UPDATE"))["Status"] == "FAILED"  # the template has not changed
    await made.ask("cloudformation", "delete_change_set", StackName="stack", ChangeSetName="changes")
    change = await proposed(made, TEMPLATE, "UPDATE", DeploymentMode="REVERT_DRIFT")
    assert change["StackDriftStatus"] == "DRIFTED"
    assert changes(change) == [
        ("Modify", "DatabaseGroup", "False"),
        ("Modify", "Database", "False"),
        ("Modify", "Url", "False"),  # the database's address may change with the database
        ("Add", "Group", None),
        ("Modify", "Role", "False"),
    ]
    target = change["Changes"][1]["ResourceChange"]["Details"][0]["Target"]
    assert (target["Drift"]["PreviousValue"], target["Drift"]["ActualValue"]) == ("true", "false")
    assert (await execute(made))["StackStatus"] == "UPDATE_COMPLETE"
    assert await drifts(made) == {}
    (group,) = (await made.ask("ec2", "describe_security_groups", GroupIds=[names["DatabaseGroup"]]))["SecurityGroups"]
    assert len(group["IpPermissions"]) == 1


@pytest.mark.slow
async def test_kinds_that_cannot_be_read_are_listed_as_not_checked(account):
    policy = resource("IAM::Policy", PolicyName="p", PolicyDocument=POLICY, Roles=["deploy"])
    await executed(account, body(Policy=policy, Role=ROLE))
    assert await drifts(account) == {}
    listed = (await account.ask("cloudformation", "list_stack_resources", StackName="stack"))["StackResourceSummaries"]
    assert {each["LogicalResourceId"]: each["DriftInformation"]["StackResourceDriftStatus"] for each in listed} == {
        "Policy": "NOT_CHECKED",
        "Role": "IN_SYNC",
    }


async def test_ec2_describes_the_network_that_a_stack_made(made):
    names = await physical(made)
    in_vpc = [{"Name": "vpc-id", "Values": [names["Vpc"]]}]
    subnets = (await made.ask("ec2", "describe_subnets", Filters=in_vpc))["Subnets"]
    assert {each["SubnetId"]: each["MapPublicIpOnLaunch"] for each in subnets} == {
        names[f"{side}{zone}"]: side == "Public" for side in ("Private", "Public") for zone in "AB"
    }
    tables = (await made.ask("ec2", "describe_route_tables", Filters=in_vpc))["RouteTables"]
    routes = {each["RouteTableId"]: each["Routes"][1:] for each in tables}
    assert [each["GatewayId"] for each in routes[names["PublicTable"]]] == [names["Gateway"]]
    assert [each["NatGatewayId"] for each in routes[names["PrivateTable"]]] == [names["Nat"]]
    (group,) = (await made.ask("ec2", "describe_security_groups", GroupIds=[names["DatabaseGroup"]]))["SecurityGroups"]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["UserIdGroupPairs"][0]["GroupId"]) == (5432, names["Tasks"])
    for operation, member in (
        ("describe_vpcs", "Vpcs"),
        ("describe_internet_gateways", "InternetGateways"),
        ("describe_nat_gateways", "NatGateways"),
        ("describe_vpc_endpoints", "VpcEndpoints"),
        ("describe_addresses", "Addresses"),
    ):
        assert (await made.ask("ec2", operation))[member]
    (database,) = (await made.ask("rds", "describe_db_instances"))["DBInstances"]
    assert database["DBSubnetGroup"]["VpcId"] == names["Vpc"]
    where = {"GatewayId": names["Gateway"], "DestinationCidrBlock": "203.0.113.0/24"}
    await made.ask("ec2", "create_route", RouteTableId=names["PrivateTable"], **where)
    (table,) = (await made.ask("ec2", "describe_route_tables", RouteTableIds=[names["PrivateTable"]]))["RouteTables"]
    assert table["Routes"][-1]["GatewayId"] == names["Gateway"]


async def test_a_database_is_the_server_that_the_caller_starts(account):
    launched: list[DatabaseLaunch] = []

    async def attach(launch: DatabaseLaunch) -> tuple[str, int]:
        launched.append(launch)
        return "127.0.0.1", 55415

    account.cloud.databases.attach = attach
    database = resource(
        "RDS::DBInstance",
        DBInstanceIdentifier="Notes",
        Engine="postgres",
        EngineVersion="18",
        DBName="notes",
        MasterUsername="owner",
        MasterUserPassword="secret",
    )
    output = {"Url": {"Value": {"Fn::Sub": "${Database.Endpoint.Address}:${Database.Endpoint.Port}"}}}
    stack = await executed(account, body(output, Database=database))
    assert (stack["Outputs"][0]["OutputValue"], await reasons(account)) == ("127.0.0.1:55415", {})
    assert [(each.identifier, each.user, each.password, each.name, each.version) for each in launched] == [
        ("notes", "owner", "secret", "notes", "18")
    ]
    assert (await deleted(account))["StackStatus"] == "DELETE_COMPLETE"
