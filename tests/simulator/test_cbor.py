"""CBOR against botocore's own encoder and decoder, and the services that boto3 asks in CBOR and in EC2's protocol."""

from datetime import UTC, datetime

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from starlette.requests import Request

from slipway.simulator.cbor import CborProtocol, decode, encode
from slipway.simulator.contract import AwsError, service
from tests.release.direct import opened


def test_the_codec_reads_what_it_writes():
    for value in (
        0,
        23,
        24,
        255,
        256,
        70_000,
        5_000_000_000,
        -1,
        -500,
        1.5,
        True,
        False,
        "ä" * 300,
        b"\0",
        [1, ["a"]],
        {},
    ):
        assert decode(encode(value)) == value
    assert decode(encode({"a": None, "b": datetime.fromtimestamp(7, UTC)})) == {"b": 7.0}
    assert decode(b"\x9f\x01\xf9\x3c\x00\xff") == [1, 1.0]  # of unknown length, with a half float
    assert decode(b"\xbf\x7f\x61a\x61b\xff\xf6\xff") == {}


def test_botocore_and_the_codec_understand_each_other():
    operation = service("cloudwatch").operation_model("DescribeAlarms")
    asked = {"AlarmNames": ["a"], "MaxRecords": 7}
    assert decode(create_serializer("smithy-rpc-v2-cbor").serialize_to_request(asked, operation)["body"]) == asked
    alarm = {"AlarmName": "a", "Threshold": 1.0, "StateUpdatedTimestamp": datetime(2026, 11, 1, tzinfo=UTC)}
    answer = {"body": encode({"MetricAlarms": [alarm]}), "headers": {}, "status_code": 200}
    parsed = create_parser("smithy-rpc-v2-cbor").parse(answer, operation.output_shape)
    assert parsed["MetricAlarms"] == [alarm]


async def test_errors_and_answers_arrive_in_the_protocol_of_each_service():
    async with opened() as account:
        subnets = await account.ask("ec2", "describe_subnets", SubnetIds=["subnet-0a", "subnet-1"])
        zones = [subnet["AvailabilityZone"] for subnet in subnets["Subnets"]]
        tables = await account.ask(
            "ec2", "describe_route_tables", Filters=[{"Name": "vpc-id", "Values": ["vpc-0default"]}]
        )
        account.cloud.ecs.express.resources.network.strict = True
        refusals = [
            await account.refusal("ec2", "describe_subnets", SubnetIds=["subnet-9"]),
            await account.refusal("cloudwatch", "describe_alarms", AlarmNames=["a"], AlarmNamePrefix="b"),
            await account.refusal("elbv2", "describe_target_groups", TargetGroupArns=["arn"]),
        ]
    assert zones == ["eu-west-1a", "eu-west-1b"]
    assert [table["Associations"][0]["SubnetId"] for table in tables["RouteTables"]][-1] == "subnet-1"
    assert [code for code, _ in refusals] == ["InvalidSubnetID.NotFound", "ValidationError", "TargetGroupNotFound"]


@pytest.mark.parametrize("content", [b"\xff", b"\x19\x01", b"\x63ab\xff", b"\xa1\x80\x01", b"\x5b" + b"\xff" * 8])
def test_what_is_not_cbor_is_an_error(content):
    request = Request({"type": "http", "path": "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"})
    with pytest.raises(AwsError, match="SerializationException"):
        CborProtocol(request, content).parameters(None)
