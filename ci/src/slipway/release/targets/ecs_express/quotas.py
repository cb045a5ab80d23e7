"""The account's quotas for a service on ECS Express Mode: services in a cluster, processors of Fargate, load balancers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.preflight.checks import Checks, covered, no, not_covered, ok
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.spec import ExpressSpec, own

SHARING = 25  # services of one load balancer; AWS does not raise this limit [G]


@dataclass(frozen=True)
class Quota:
    """A quota, by its codes in Service Quotas. `name` is its subject in a preflight."""

    name: str
    service: str
    code: str

    async def value(self, aws: Aws) -> float:
        """Return the account's value of the quota."""
        answer = await aws.call("service-quotas", "get_service_quota", ServiceCode=self.service, QuotaCode=self.code)
        return float(answer["Quota"]["Value"])

    def more(self, value: float) -> str:
        """Return the command that requests a higher value from AWS."""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {self.service} --quota-code {self.code}"
            f" --desired-value {ceil(value)}"
        )


SERVICES = Quota("services", "ecs", "L-9EF96962")
PROCESSORS = Quota("processors", "fargate", "L-3032A538")
BALANCERS = Quota("load balancers", "elasticloadbalancing", "L-53DA6B97")


async def checks_of_quotas(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the processors for all tasks of a deployment; before the first deployment, also the number of services in the cluster."""
    wanted, is_new = own(spec), not await ExpressApi(aws, own(spec).arn).exists()
    checks = await covered(PROCESSORS.name, _processors(aws, wanted, is_new=is_new))
    return (*checks, *await covered(SERVICES.name, _services(aws, wanted))) if is_new else checks


async def _processors(aws: Aws, spec: ExpressSpec, *, is_new: bool) -> Checks:
    return (judge_processors(spec, await PROCESSORS.value(aws), is_new=is_new),)


def judge_processors(spec: ExpressSpec, quota: float, *, is_new: bool) -> Check:
    """Judge the quota of processors. An update runs each task twice, and other services may use a part of the quota."""
    times = 1 if is_new else 2
    least, most = (times * tasks * spec.cpu / 1024 for tasks in (spec.scaling.least, spec.scaling.most))
    found = f"the account may run {quota:g} vCPUs on Fargate in this region, and a deployment needs"
    if least > quota:
        remedy = (
            f"{PROCESSORS.more(least)}; or lower cpu or scaling.least in [tool.slipway.environments.{spec.environment}]"
        )
        return no(PROCESSORS.name, f"{found} {least:g}", remedy)
    if most > quota:
        return not_covered(
            PROCESSORS.name, f"{found} {most:g} with all {spec.scaling.most} tasks: {PROCESSORS.more(most)}"
        )
    return ok(PROCESSORS.name, f"{found} {most:g} with all {spec.scaling.most} tasks")


async def _services(aws: Aws, spec: ExpressSpec) -> Checks:
    answer = await aws.call("ecs", "describe_clusters", clusters=[spec.cluster])
    number = sum(cluster.get("activeServicesCount", 0) for cluster in answer["clusters"])
    what = f"the cluster {spec.cluster} has {number} services"
    return (_judged(SERVICES, what, number, await SERVICES.value(aws)),)


async def checks_of_balancers(
    aws: Aws, spec: ExpressSpec, shared: Sequence[Mapping[str, Any]], every: Sequence[Mapping[str, Any]]
) -> Checks:
    """Check whether the account may have another load balancer, if the service needs one because the `shared` ones are full or absent."""
    for balancer in shared:
        answer = await aws.call("elbv2", "describe_target_groups", LoadBalancerArn=balancer["LoadBalancerArn"])
        if len(answer["TargetGroups"]) < 2 * SHARING:  # each service has two target groups
            return ()
    if shared and await ExpressApi(aws, spec.arn).exists():
        return ()
    number = sum(balancer["Type"] == "application" for balancer in every)
    return (
        _judged(
            BALANCERS,
            f"{aws.region} has {number} load balancers, and the service needs another",
            number,
            await BALANCERS.value(aws),
        ),
    )


def _judged(quota: Quota, what: str, number: int, value: float) -> Check:
    found = f"{what}; the account may have {value:g}"
    return ok(quota.name, found) if number < value else no(quota.name, found, quota.more(number + 1))
