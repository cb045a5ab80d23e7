"""Botocore's own serialiser and parser are the other side."""

from datetime import UTC, datetime

import httpx
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from slipway.simulator.contract import QUERY_SERVICES, AwsError, find_operation, service
from slipway.simulator.protocols import QueryProtocol
from slipway.workload.workload import NO_CERTIFICATES
from tests.simulator.raw import SIGNED

VERSIONS = {
    "cloudformation": "2010-05-15",
    "iam": "2010-05-08",
    "sts": "2011-06-15",
    "elbv2": "2015-12-01",
    "ec2": "2016-11-15",
}


def spoken(name, action, parameters):
    """A request as botocore sends it, and its operation."""
    operation = service(name).operation_model(action)
    protocol = service(name).metadata["protocol"]
    form = create_serializer(protocol).serialize_to_request(parameters, operation)["body"]
    return QueryProtocol(httpx.QueryParams(form).__str__().encode(), "the-request"), operation


@pytest.mark.parametrize(
    ("name", "action", "parameters"),
    [
        ("iam", "GetRole", {"RoleName": "notes"}),
        ("iam", "CreateRole", {"RoleName": "a", "AssumeRolePolicyDocument": "{}", "Tags": [{"Key": "k", "Value": ""}]}),
        ("iam", "ListRoles", {"MaxItems": 7}),
        ("cloudformation", "ListChangeSets", {"StackName": "notes"}),
        (
            "cloudformation",
            "CreateChangeSet",
            {
                "StackName": "notes",
                "ChangeSetName": "c1",
                "TemplateBody": "Resources: {ä: &}\n",
                "Capabilities": ["CAPABILITY_NAMED_IAM"],
                "Parameters": [{"ParameterKey": "a", "UsePreviousValue": True}, {"ParameterKey": "b"}],
                "NotificationARNs": [],
            },
        ),
        ("sts", "GetCallerIdentity", {}),
        ("elbv2", "ModifyTargetGroup", {"TargetGroupArn": "arn", "Matcher": {"HttpCode": "200"}}),
        ("ec2", "DescribeSubnets", {"SubnetIds": ["a", "b"], "Filters": [{"Name": "vpc-id", "Values": ["c"]}]}),
    ],
)
def test_requests_of_botocore_are_decoded(name, action, parameters):
    protocol, operation = spoken(name, action, parameters)
    assert (protocol.operation.name, protocol.requested) == (action, f"{name}.{action}")
    assert protocol.parameters(operation) == parameters


def test_botocore_decodes_the_answers():
    protocol, operation = spoken("cloudformation", "DescribeStacks", {"StackName": "notes"})
    stack = {
        "StackName": "notes & <co>",
        "CreationTime": datetime(2026, 7, 1, 12, tzinfo=UTC),
        "StackStatus": "CREATE_COMPLETE",
        "EnableTerminationProtection": False,
        "Outputs": [{"OutputKey": "AwsRole", "OutputValue": "arn"}],
        "Capabilities": [],
    }
    answer = protocol.answer(operation, {"Stacks": [stack]})
    parsed = create_parser("query").parse(
        {"status_code": 200, "headers": {}, "body": answer.body}, operation.output_shape
    )
    assert parsed["Stacks"] == [stack]
    assert parsed["ResponseMetadata"]["RequestId"] == "the-request"


def test_an_error_has_the_query_protocols_own_name():
    protocol, operation = spoken("iam", "GetRole", {"RoleName": "notes"})
    answer = protocol.error(AwsError("AccessDeniedException", "no <way>", 403))
    body = {"status_code": answer.status_code, "headers": {}, "body": answer.body}
    error = create_parser("query").parse(body, operation.output_shape)["Error"]
    assert (error["Code"], error["Message"]) == ("AccessDenied", "no <way>")


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("Action=GetRole&Version=2010-05-08&RoleName=a&RoleNam=b", "RoleNam"),
        ("Action=ListRoles&Version=2010-05-08&MaxItems=many", "MaxItems is not of type integer"),
        ("Action=GetRole&Version=2010-05-08&RoleName.member.1=a", "RoleName is not of type string"),
    ],
)
def test_what_the_model_does_not_have_is_refused(form, named):
    protocol = QueryProtocol(form.encode(), "")
    with pytest.raises(AwsError, match=named) as refused:
        protocol.parameters(protocol.operation)
    assert refused.value.code == "ValidationError"


@pytest.mark.parametrize(("name", "version"), VERSIONS.items())
def test_services_are_distinguished_by_the_version_of_their_api(name, version):
    assert service(name).api_version == version
    assert find_operation(QUERY_SERVICES, "DescribeStacks", "apiVersion", version) is None or name == "cloudformation"


@pytest.mark.parametrize("form", [b"", b"\xff\xfe", b"Action=GetRole", b"Action=%00&Version=2010-05-08"])
async def test_an_unknown_operation_is_refused(shared_account, form):
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as plain:
        answer = await plain.post(shared_account.cloud.url, content=form, headers={"authorization": SIGNED})
    assert answer.status_code == 501
    assert "<Code>InvalidAction</Code>" in answer.text
