"""The network of a service on ECS Express Mode, as preflight judges it before anything is made."""

from typing import Any

import pytest

from slipway.records.checks import PreflightResult
from slipway.release.targets.ecs_express.preflight import judge_balancers, judge_subnets
from slipway.release.targets.ecs_express.spec import spec_of
from tests.release.platforms import EXPRESS

SPEC = spec_of(EXPRESS, "staging", f"sha256:{0:064}")
PUBLIC = {"Routes": [{"GatewayId": "igw-1"}], "Associations": [{"Main": True}]}
PRIVATE_B = {"Routes": [{"NatGatewayId": "nat-1"}], "Associations": [{"SubnetId": "subnet-b"}]}
ALL_PRIVATE = {"Routes": [], "Associations": [{"Main": True}]}


def subnet(zone: str, free: int = 8) -> dict[str, Any]:
    return {"SubnetId": f"subnet-{zone}", "VpcId": "vpc-1", "AvailabilityZone": zone, "AvailableIpAddressCount": free}


@pytest.mark.parametrize(
    ("subnets", "tables", "found"),
    [
        ([subnet("a"), subnet("b")], [PUBLIC], "2 in a, b, public, so the service is on the internet"),
        ([subnet("a"), subnet("b")], [ALL_PRIVATE], "2 in a, b, private, so only the VPC reaches the service"),
        ([subnet("a"), subnet("a")], [PUBLIC], "the subnets are in one zone, a, and the load balancer needs 2"),
        ([subnet("a"), subnet("b", 7)], [PUBLIC], "subnet-b has fewer than 8 free addresses"),
        ([subnet("a"), subnet("b")], [PUBLIC, PRIVATE_B], "subnet-a is public and subnet-b private"),
    ],
)
def test_subnets_are_in_two_zones_with_free_addresses_and_all_public_or_all_private(subnets, tables, found):
    (check,) = judge_subnets(SPEC, subnets, tables)
    assert found in check.found
    assert (check.verdict is PreflightResult.REFUSED) == bool(check.remedy) == (not check.found.startswith("2 in"))


def test_every_obstacle_of_the_subnets_is_reported_at_once():
    assert (
        len(
            judge_subnets(
                SPEC, [subnet("a", 7), subnet("a"), {**subnet("b"), "AvailabilityZone": "a"}], [PUBLIC, PRIVATE_B]
            )
        )
        == 3
    )


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        ([], ""),
        (["ab"], ""),
        (["bc", "ab"], ""),
        (["bc"], "the services of this VPC share a load balancer in b, c, and the subnets are in a, b"),
        (["a", "b"], "share a load balancer in a, b"),
    ],
)
def test_a_shared_load_balancer_must_reach_the_zones_of_the_subnets(shared, said):
    balancers = [{"AvailabilityZones": [{"ZoneName": zone} for zone in zones]} for zones in shared]
    checks = judge_balancers(SPEC, {"a", "b"}, balancers)
    assert [said in check.found for check in checks] == ([True] if said else [])
