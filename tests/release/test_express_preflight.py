"""The network of a service on ECS Express Mode, as preflight judges it before anything is made."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from slipway.environment.preflight import preflight
from slipway.errors import RefusedError
from slipway.records.checks import Check, PreflightResult
from slipway.records.outcome import Status
from slipway.records.plan import Action, Observed, State
from slipway.release.engine.plan import plan
from slipway.release.targets.ecs_express.preflight import judge_balancers, judge_subnets
from slipway.release.targets.ecs_express.quotas import judge_processors
from slipway.release.targets.ecs_express.spec import spec_of
from slipway.settings.ecs_express import TaskScaling
from slipway.simulator.faults import Effect, Fault
from slipway.simulator.network import Subnet
from tests.environment.express import staging
from tests.release.bootstrap.wanted import MADE
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


@pytest.mark.parametrize(
    ("private", "table", "found"),
    [
        (
            True,
            PUBLIC,
            "has private = true, and the subnets subnet-a, subnet-b are public: they have a route to an int",
        ),
        (False, ALL_PRIVATE, "has no private = true, and the subnets subnet-a, subnet-b are private"),
        (True, ALL_PRIVATE, ""),
        (False, PUBLIC, ""),
    ],
)
def test_the_subnets_are_of_the_kind_that_the_network_of_the_settings_says(private, table, found):
    (check,) = judge_subnets(replace(SPEC, private=private), [subnet("a"), subnet("b")], [table])
    assert (check.verdict is PreflightResult.REFUSED) == bool(found)
    assert found in check.found
    assert not found or f"write the {'private' if private else 'public'} ones" in check.remedy


@pytest.mark.parametrize(
    ("private", "live", "subnets", "said"),
    [
        (False, True, "subnet-a, subnet-b", "no private = true, and the service stays private, because"),
        (True, False, "subnet-a, subnet-b", "private = true, and the service stays public, because"),
        (False, True, "subnet-c, subnet-d", "no private = true, and with other subnets the service becomes public"),
        (True, False, "subnet-c, subnet-d", "private = true, and with other subnets the service becomes private"),
        (True, True, "subnet-a, subnet-b", ""),
        (None, True, "subnet-c, subnet-d", ""),
    ],
)
def test_a_plan_says_when_a_service_becomes_public_or_is_not_what_private_says(private, live, subnets, said):
    observed = Observed(state=State.LIVE, private=live, fields={"subnets": subnets})
    notes = plan(replace(SPEC, private=private, subnets=("subnet-a", "subnet-b")), observed).notes
    assert [said in note for note in notes if note.startswith("the network has")] == [True] * bool(said)


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


@pytest.mark.parametrize(
    ("quota", "is_new", "verdict", "said"),
    [
        (
            0.5,
            False,
            PreflightResult.OK,
            "may run 0.5 vCPUs on Fargate in this region, and a deployment needs 0.5 with all 1 tasks",
        ),
        (0.4, True, PreflightResult.OK, "needs 0.25 with all 1 tasks"),
        (0.4, False, PreflightResult.REFUSED, "needs 0.5"),
        (
            6,
            False,
            PreflightResult.NOT_COVERED,
            "needs 10 with all 20 tasks: aws service-quotas request-service-quota-increase",
        ),
    ],
)
def test_a_deployment_needs_each_task_twice(quota, is_new, verdict, said):
    spec = replace(SPEC, cpu=256, scaling=TaskScaling(most=20 if quota == 6 else 1))
    check = judge_processors(spec, quota, is_new=is_new)
    assert check.verdict is verdict
    assert said in check.found
    assert bool(check.remedy) == (verdict is PreflightResult.REFUSED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subnets", "said"),
    [
        (
            [Subnet(id="subnet-0a", zone="a"), Subnet(id="subnet-0b", zone="a")],
            "the subnets are in one zone, eu-west-1a",
        ),
        ([Subnet(id="subnet-0a", zone="a", free=7)], "subnet-0a has fewer than 8 free addresses"),
        ([Subnet(id="subnet-0a", zone="a", public=False)], "subnet-0b is public and subnet-0a private"),
    ],
)
async def test_a_network_that_does_not_fit_is_refused_before_anything_is_made(subnets, said):
    async with staging() as there:
        there.account.cloud.ecs.express.resources.network.put(*subnets)
        with pytest.raises(RefusedError, match=said):
            await there.environment.deploy(await there.account.image(), there.tell)
        requests = there.account.cloud.requests
        assert (requests.count("CreateExpressGatewayService"), requests.count("PutImage")) == (0, 1)  # the image's own


@pytest.mark.slow
async def test_plan_and_deployment_refuse_public_subnets_of_an_environment_that_is_private():
    async with staging() as there:
        digest, settings = await there.account.image(), there.environment.settings
        env = replace(settings.environments["staging"], network=MADE)
        private = there.environment.with_settings(replace(settings, environments={"staging": env}))
        plan = await private.plan(digest)
        assert plan.action is Action.BLOCKED
        assert (
            "the network of staging has private = true, and the subnets subnet-0a, subnet-0b are public" in plan.reason
        )
        with pytest.raises(RefusedError, match="has private = true, and the subnets subnet-0a, subnet-0b are public"):
            await private.deploy(digest, there.tell)
        assert "CreateExpressGatewayService" not in there.account.cloud.requests
        there.account.cloud.faults.add(Fault(operation="DescribeSubnets", effect=Effect.DENIED))
        unread = await private.plan(digest)
        assert unread.action is Action.CREATE
        assert "not checked: network: AWS refused ec2 describe_subnets with " in str(unread.notes)


@pytest.mark.slow
async def test_quotas_are_refused_before_anything_is_made_and_only_those_that_the_service_needs():
    async with staging() as there:
        digest, quotas = await there.account.image(), there.account.cloud.quotas
        quotas.cluster_services, quotas.balancers, quotas.vcpus = 0, 0, 0.2

        async def refusals() -> Sequence[Check]:
            there_is = there.environment
            return (await preflight(there_is.aws, there_is.spec(digest), there_is.settings)).refusals

        refused = await refusals()
        assert sorted((check.subject, check.found.partition(", and")[0]) for check in refused) == [
            ("load balancers", "eu-west-1 has 0 load balancers"),
            ("processors", "the account may run 0.2 vCPUs on Fargate in this region"),
            ("services", "the cluster default has 0 services; the account may have 0"),
        ]
        assert all("request-service-quota-increase" in check.remedy for check in refused)
        with pytest.raises(RefusedError, match=r"2 more: `slipway preflight --environment .* --image .*` lists them"):
            await there.environment.deploy(digest, there.tell)
        assert "CreateExpressGatewayService" not in there.account.cloud.requests
        quotas.cluster_services, quotas.balancers, quotas.vcpus = 1, 1, 0.3
        assert (await there.run(there.environment.deploy(digest, there.tell))).outcome.status is Status.SUCCEEDED
        (refusal,) = await refusals()
        assert refusal.subject == "processors"  # an update needs each task twice; the others are there
