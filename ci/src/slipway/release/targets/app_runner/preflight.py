"""Checks for App Runner only: the service's owner, roles, VPC connector and auto scaling configuration."""

from collections.abc import Mapping

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.plan import ServiceSpec
from slipway.release.errors import or_absent
from slipway.release.preflight.checking import Checker
from slipway.release.preflight.checks import Arn, Checks, account_of, covered, no, not_covered, ok
from slipway.release.preflight.named import OWNER_TAG, checks_of_roles, judge_owner
from slipway.release.targets.app_runner.spec import own
from slipway.release.targets.app_runner.target import find
from slipway.settings import Settings
from slipway.settings.app_runner import Ingress, default_scaling
from slipway.untrusted import one_line

# The services that assume the roles [G].
BUILD, TASKS = "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com"
_ABSENT = ("ResourceNotFoundException", "InvalidRequestException")
_CORRECT = "create it, or correct the ARN in the settings"
_PARTS = (
    ("VPC connector", "egress", "vpc_connector"),
    ("auto scaling", "auto scaling", "auto_scaling_configuration"),
    ("tracing", "tracing", "observability_configuration"),
)


async def _checks_of_roles(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the roles; without an instance role App Runner passes no secrets [F]."""
    trusts = {"access role": (spec.access_role, BUILD), "instance role": (spec.instance_role, TASKS)}
    checks = await checks_of_roles(aws, spec, trusts)
    if spec.instance_role or not spec.secrets:
        return checks
    problem = f"secrets are read with the instance role, and {spec.environment} has none"
    remedy = f"set instance-role in [tool.slipway.environments.{spec.environment}]"
    return (*checks, no("instance role", problem, remedy))


async def checks_of_parts(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the VPC connector and the auto scaling configuration in the settings."""
    chosen, checks = own(spec).open, tuple[Check, ...]()
    for subject, name, part in _PARTS:
        arn = chosen.get(name, "")
        # Every account has the default configuration.
        if arn.startswith("arn:") and arn != default_scaling(aws.region, account_of(spec)):
            checks += await covered(subject, _part(aws, subject, arn, part))
            if part == "vpc_connector":
                checks += (
                    not_covered("network", "security groups and routes behind the VPC connector: nothing was sent"),
                )
    if chosen.get("ingress") == Ingress.PRIVATE.value:
        why = "the VPC ingress connection, without which nothing reaches a private service"
        command = ingress_command(spec.name, await find(aws, spec.name))
        endpoint = f"ENDPOINT is the VPC's interface endpoint of com.amazonaws.{aws.region}.apprunner.requests"
        made = f"`{command} --region {aws.region}` makes it after the first deployment"
        checks += (not_covered("ingress", f"{why}; if there is none, {made}; {endpoint}"),)
    if chosen.get("KMS key", "").startswith("arn:"):
        checks += (not_covered("KMS key", "whether App Runner may use the key"),)
    return checks


def ingress_command(service: str, arn: str | None) -> str:
    """Return the command that creates the VPC ingress connection of a service.

    The service's ARN is unknown before its first deployment.
    """
    return (
        f"aws apprunner create-vpc-ingress-connection --service-arn {arn or 'ARN'} --vpc-ingress-connection-name {service} "
        "--ingress-vpc-configuration VpcId=VPC,VpcEndpointId=ENDPOINT"
    )


async def _part(aws: Aws, subject: str, arn: str, part: str) -> Checks:
    """Check that a part exists in this region and is ACTIVE. App Runner still describes deleted parts, as INACTIVE [M]."""
    name = Arn.parse(arn)
    if name is None or name.service != "apprunner":
        return (no(subject, f"{arn!r} is not the ARN of a {subject} of App Runner", "correct it in the settings"),)
    if name.region != aws.region:
        problem = f"the {subject} {arn} is in {name.region}, not in {aws.region}"
        return (no(subject, problem, f"name one in {aws.region}"),)
    noun = part.title().replace("_", "")
    answer = await or_absent(aws.call("apprunner", f"describe_{part}", **{f"{noun}Arn": arn}), *_ABSENT)
    if answer is None:
        return (no(subject, f"there is no {subject} {arn}", _CORRECT),)
    status = str(answer[noun].get("Status", "")).upper()
    if status != "ACTIVE":
        return (no(subject, f"the {subject} {arn} is {one_line(status) or 'without a status'}", _CORRECT),)
    return (ok(subject, f"{arn} is ACTIVE"),)


async def checks_of_owner(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check the owner of the service, if there is a service of that name."""
    check = await _owned(aws, spec.name, spec.environment)
    return () if check is None else (check,)


async def owned(settings: Settings, environment: str, aws: Aws) -> Check | None:
    """Check whether slipway made an environment's service; None when there is no service of that name."""
    return await _owned(aws, settings.service_name(environment), environment)


async def _owned(aws: Aws, service: str, environment: str) -> Check | None:
    arn = await find(aws, service)
    if arn is None:
        return None
    tags = (await aws.call("apprunner", "list_tags_for_resource", ResourceArn=arn))["Tags"]
    owner = next((tag.get("Value", "") for tag in tags if tag.get("Key") == OWNER_TAG), None)
    adopt = f"aws apprunner tag-resource --resource-arn {arn} --tags Key={OWNER_TAG},Value={environment}"
    return judge_owner(service, environment, owner, adopt)


CHECKERS: Mapping[str, Checker] = {
    "roles": _checks_of_roles,
    "network and scaling": checks_of_parts,
    "service": checks_of_owner,
}
