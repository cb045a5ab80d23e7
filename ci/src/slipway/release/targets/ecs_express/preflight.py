"""Checks for ECS Express Mode only: the service's owner, roles, subnets and quotas, and the price of a first service."""

from collections.abc import Mapping, Sequence
from typing import Any

from slipway.records.checks import Check, PreflightResult
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.errors import or_absent
from slipway.release.preflight.checking import NETWORK, QUOTAS, Checker
from slipway.release.preflight.checks import Checks, covered, no, ok
from slipway.release.preflight.named import OWNER_TAG, checks_of_roles, judge_owner
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.quotas import BALANCERS, checks_of_balancers, checks_of_quotas
from slipway.release.targets.ecs_express.spec import arn_of, own
from slipway.settings import Settings

ECS, TASKS = "ecs.amazonaws.com", "ecs-tasks.amazonaws.com"  # the services that assume the roles [G]
MANAGED_POLICY = "service-role/AmazonECSInfrastructureRoleforExpressGatewayServices"
_BALANCER = "ecs-express-gateway-alb-"  # the beginning of a shared load balancer's name [F]
_LEAST_ZONES, _LEAST_ADDRESSES = 2, 8  # needed by the shared load balancer [G]


async def _checks_of_roles(aws: Aws, spec: ServiceSpec) -> Checks:
    roles = {
        "access role": (spec.access_role, TASKS),
        "instance role": (spec.instance_role, TASKS),
        "infrastructure role": (own(spec).infrastructure_role, ECS),
    }
    return await checks_of_roles(aws, spec, roles)


async def checks_of_subnets(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the subnets' zones and free addresses, and whether all are public or all private."""
    wanted = own(spec).subnets
    asked = {"SubnetIds": [*wanted]} if wanted else {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    answer = await or_absent(aws.call("ec2", "describe_subnets", **asked), "InvalidSubnetID.NotFound")
    if answer is None:
        return (no("subnets", f"not all of these subnets exist in {aws.region}: {', '.join(wanted)}", _correct(spec)),)
    subnets = answer["Subnets"]
    vpcs = sorted({subnet["VpcId"] for subnet in subnets})
    if len(vpcs) != 1:
        found = " and ".join(vpcs) or "no default VPC"
        return (no("subnets", f"the service needs subnets of one VPC, and there is {found}", _correct(spec)),)
    tables = await aws.call("ec2", "describe_route_tables", Filters=[{"Name": "vpc-id", "Values": vpcs}])
    judged = judge_subnets(spec, subnets, tables["RouteTables"])
    if any(check.verdict is PreflightResult.REFUSED for check in judged):
        return judged
    return *judged, *await covered("load balancer", _checks_of_balancers(aws, spec, subnets, tables["RouteTables"]))


async def _checks_of_balancers(
    aws: Aws, spec: ServiceSpec, subnets: Sequence[Mapping[str, Any]], tables: Sequence[Mapping[str, Any]]
) -> Checks:
    """Check the zones of the load balancer that a VPC's services share.

    The first of these services determines the zones [G].
    """
    scheme = "internet-facing" if _is_public(subnets[0]["SubnetId"], tables) else "internal"
    every = [each async for each in aws.items("elbv2", "describe_load_balancers", "LoadBalancers")]
    shared = [
        balancer
        for balancer in every
        if balancer["LoadBalancerName"].startswith(_BALANCER)
        and (balancer["VpcId"], balancer["Scheme"]) == (subnets[0]["VpcId"], scheme)
    ]
    judged = judge_balancers(spec, {subnet["AvailabilityZone"] for subnet in subnets}, shared)
    return judged or await covered(BALANCERS.name, checks_of_balancers(aws, own(spec), shared, every))


def judge_balancers(spec: ServiceSpec, zones: set[str], balancers: Sequence[Mapping[str, Any]]) -> Checks:
    """Judge whether a shared load balancer covers the subnets' zones. Without one, the service will create it."""
    reached = [{zone["ZoneName"] for zone in balancer["AvailabilityZones"]} for balancer in balancers]
    if not reached or any(zones <= each for each in reached):
        return ()
    known = ", ".join(sorted(set.union(*reached)))
    problem = (
        f"the services of this VPC share a load balancer in {known}, and the subnets are in {', '.join(sorted(zones))}"
    )
    return (no("load balancer", problem, f"{_correct(spec)}, in the zones of the load balancer"),)


def judge_subnets(
    spec: ServiceSpec, subnets: Sequence[Mapping[str, Any]], tables: Sequence[Mapping[str, Any]]
) -> Checks:
    """Judge the subnets of one VPC by its route tables. A public subnet has a route to an internet gateway."""
    zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    few = [subnet["SubnetId"] for subnet in subnets if subnet["AvailableIpAddressCount"] < _LEAST_ADDRESSES]
    public = {subnet["SubnetId"] for subnet in subnets if _is_public(subnet["SubnetId"], tables)}
    private = {subnet["SubnetId"] for subnet in subnets} - public
    refused: list[Check] = []
    if len(zones) < _LEAST_ZONES:
        problem = f"the subnets are in one zone, {', '.join(zones)}, and the load balancer needs {_LEAST_ZONES}"
        refused.append(no("subnets", problem, _correct(spec)))
    if few:
        problem = f"{', '.join(few)} has fewer than {_LEAST_ADDRESSES} free addresses, which the load balancer needs"
        refused.append(no("subnets", problem, _correct(spec)))
    if public and private:
        problem = f"{', '.join(sorted(public))} is public and {', '.join(sorted(private))} private"
        refused.append(no("subnets", problem, f"{_correct(spec)}, all public or all private"))
    elif own(spec).private not in (None, not public):
        refused.append(_contrary(spec, subnets))
    what = "public, so the service is on the internet" if public else "private, so only the VPC reaches the service"
    return tuple(refused) or (ok("subnets", f"{len(subnets)} in {', '.join(zones)}, {what}"),)


def _contrary(spec: ServiceSpec, subnets: Sequence[Mapping[str, Any]]) -> Check:
    """Refuse subnets that contradict the network's setting `private`."""
    named = ", ".join(sorted(subnet["SubnetId"] for subnet in subnets))
    setting, kind = ("private = true", "private") if own(spec).private else ("no private = true", "public")
    found = "private" if kind == "public" else "public: they have a route to an internet gateway"
    problem = f"the network of {spec.environment} has {setting}, and the subnets {named} are {found}"
    remedy = (
        f"write the {kind} ones, which `slipway bootstrap --environment {spec.environment}` prints, as subnets into "
        f"[tool.slipway.environments.{spec.environment}]"
    )
    return no("subnets", problem, remedy)


def _is_public(subnet: str, tables: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the subnet's route table, otherwise the VPC's main one, leads to an internet gateway."""

    def of(key: str, value: object) -> Mapping[str, Any] | None:
        return next((table for table in tables if any(each.get(key) == value for each in table["Associations"])), None)

    table = of("SubnetId", subnet) or of("Main", True) or {}
    return any(str(route.get("GatewayId", "")).startswith("igw-") for route in table.get("Routes", ()))


def _correct(spec: ServiceSpec) -> str:
    return f"name other subnets in [tool.slipway.environments.{spec.environment}]"


async def checks_of_service(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the owner of the service, if there is a service of that name."""
    wanted = own(spec)
    check = await _owned(aws, wanted.arn, wanted.environment)
    return () if check is None else (check,)


async def checks_of_cost(aws: Aws, spec: ServiceSpec) -> Checks:
    """Estimate the price of a service that does not exist yet."""
    wanted = own(spec)
    return () if await ExpressApi(aws, wanted.arn).exists() else (ok("cost", wanted.price),)


async def owned(settings: Settings, environment: str, aws: Aws) -> Check | None:
    """Check whether slipway made an environment's service; None when there is no service of that name."""
    return await _owned(aws, arn_of(settings, environment), environment)


async def _owned(aws: Aws, arn: str, environment: str) -> Check | None:
    service = await ExpressApi(aws, arn).service("TAGS")
    if service is None or service["status"]["statusCode"] == "INACTIVE":
        return None
    owner = next((tag.get("value", "") for tag in service.get("tags", ()) if tag.get("key") == OWNER_TAG), None)
    adopt = f"aws ecs tag-resource --resource-arn {arn} --tags key={OWNER_TAG},value={environment}"
    return judge_owner(arn.rpartition("/")[2], environment, owner, adopt)


CHECKERS: Mapping[str, Checker] = {
    "roles": _checks_of_roles,
    NETWORK: checks_of_subnets,
    "service": checks_of_service,
    "cost": checks_of_cost,
    QUOTAS: checks_of_quotas,
}
