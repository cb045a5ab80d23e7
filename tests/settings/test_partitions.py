"""Regions of other partitions: their ARNs, domains and audience, and regions without the service."""

from dataclasses import replace

import pytest

from slipway.errors import BadInputError
from slipway.release.aws.client import Aws, check_region
from slipway.release.bootstrap.template import stacks
from tests.release.bootstrap.wanted import FULL, settings


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
    ],
)
def test_arns_and_addresses_are_those_of_the_regions_partition(region, partition, domain):
    roles = {key: getattr(FULL, key).replace(":aws:", f":{partition}:") for key in ("access_role", "instance_role")}
    migration = replace(
        FULL.migration,
        execution_role=FULL.migration.execution_role.replace(":aws:", f":{partition}:"),
        task_role=FULL.migration.task_role.replace(":aws:", f":{partition}:"),
    )
    secrets = {key: arn.replace(":aws:", f":{partition}:") for key, arn in FULL.secrets.items()}
    there = settings(staging=replace(FULL, region=region, migration=migration, secrets=secrets, **roles))
    assert there.repository("staging") == f"123456789012.dkr.ecr.{region}.{domain}/notes"
    texts = "".join(stack.text for stack in stacks(there, "staging"))
    assert f"sts.{domain}" in texts
    assert {part.split(":")[0] for part in texts.split("arn:")[1:]} == {partition}


def test_a_region_without_the_service_is_refused_with_those_that_have_it_and_an_unknown_region_is_not():
    with pytest.raises(BadInputError, match=r"AWS has no apprunner in the region cn-north-1: .*eu-west-1"):
        check_region("apprunner", "cn-north-1")
    check_region("apprunner", "eu-west-1")
    check_region("apprunner", "mars-north-1")


@pytest.mark.parametrize(
    ("region", "remedy"), [("eu-wst-1", "did you mean eu-west-1"), ("moon-base-7", "update boto3")]
)
async def test_no_request_is_made_for_a_region_that_does_not_exist(region, remedy):
    with pytest.raises(BadInputError, match=f"no region {region} .*{remedy}"):
        await Aws(region, "http://127.0.0.1:1").once("sts", "get_caller_identity")
