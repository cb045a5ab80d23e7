"""Isolation is computed: of the templates it holds, and each mutation breaks it."""

import copy

import pytest

from slipway.release.bootstrap.isolation import breaches
from slipway.release.bootstrap.template import stacks
from tests.release.bootstrap.wanted import FROM_NOTHING, settings

PRIVATE = ("PrivateSubnetA", "PrivateSubnetB")
CALLERS = ("SecurityGroup",)


@pytest.fixture
def resources():
    """The resources of an environment's network and of a service in it."""
    made = [stack.template["Resources"] for stack in stacks(settings(staging=FROM_NOTHING), "staging")]
    return copy.deepcopy({name: each for each in made for name, each in each.items()})


def test_a_made_environment_is_isolated(resources):
    assert breaches(resources, CALLERS, PRIVATE) == ()


ANYWHERE = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "0.0.0.0/0"}
OUT = {"RouteTableId": {"Ref": "PrivateRoutes"}, "DestinationCidrBlock": "0.0.0.0/0"}


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        ("Database", {"PubliclyAccessible": True}, "the database Database has a public address"),
        ("Database", {"PubliclyAccessible": None}, "has a public address"),
        ("Database", {"DBSubnetGroupName": "default"}, "is in no known subnets"),
        ("Database", {"VPCSecurityGroups": []}, "the VPC's default one decides"),
        ("Database", {"VPCSecurityGroups": ["sg-0123"]}, "sg-0123, whose rules are not known"),
        (
            "DatabaseGroup",
            {"SecurityGroupIngress": [ANYWHERE]},
            "the database Database accepts 0.0.0.0/0 on 5432 (DatabaseGroup)",
        ),
        ("DatabaseGroup", {"SecurityGroupIngress": [{"CidrIpv6": "::/0"}]}, "accepts ::/0 on every port"),
        ("DatabaseIngress", {"SourceSecurityGroupId": "sg-0123"}, "accepts the security group sg-0123 on 5432"),
        ("DatabaseIngress", {"SourcePrefixListId": "pl-1"}, "accepts the prefix list pl-1 on 5432"),
        ("DatabaseIngress", {"CidrIp": "10.20.0.0/16"}, "accepts 10.20.0.0/16 on 5432"),
        (
            "DatabaseSubnets",
            {"SubnetIds": [{"Ref": "PublicSubnetA"}]},
            "PublicSubnetA of the database Database has a route",
        ),
        (
            "PrivateSubnetARoutes",
            {"RouteTableId": {"Ref": "PublicRoutes"}},
            "the private subnet PrivateSubnetA has a route",
        ),
        (
            "PrivateSubnetBRoutes",
            {"SubnetId": {"Ref": "PublicSubnetA"}},
            "PrivateSubnetB has no route table of its own",
        ),
        ("NatRoute", {"GatewayId": {"Ref": "InternetGateway"}}, "has a route to an internet gateway"),
        ("NatRoute", {**OUT, "GatewayId": "igw-0123"}, "has a route to an internet gateway"),
    ],
)
def test_each_mutation_is_found(resources, name, changed, said):
    resources[name]["Properties"] |= changed
    assert any(said in breach for breach in breaches(resources, CALLERS, PRIVATE))


def test_another_service_is_a_stranger_until_it_is_named(resources):
    rule = copy.deepcopy(resources["DatabaseIngress"])
    rule["Properties"]["SourceSecurityGroupId"] = {"Ref": "Other"}
    resources["OtherIngress"] = rule
    (found,) = breaches(resources, CALLERS)
    assert found == "the database Database accepts Other on 5432 (DatabaseGroup)"
    assert breaches(resources, (*CALLERS, "Other")) == ()
