"""What a service shares with others in its region: a VPC connector, an auto scaling configuration."""

from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec, default_scaling
from slipway.release.errors import AwsRefusedError
from slipway.release.preflight.account import account_of
from slipway.release.preflight.answers import Checks, covered, no, ok
from slipway.release.preflight.arn import Arn
from slipway.untrusted import one_line

_ABSENT = ("ResourceNotFoundException", "InvalidRequestException")
_CORRECT = "create it, or correct the ARN in the settings"


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Those that the settings name."""
    checks: Checks = ()
    if arn := spec.vpc_connector:
        checks += await covered("VPC connector", _resource(aws, "VPC connector", arn, "VpcConnector"))
    if (arn := spec.auto_scaling) != default_scaling(aws.region, account_of(spec)):  # that one is in every account
        checks += await covered("auto scaling", _resource(aws, "auto scaling", arn, "AutoScalingConfiguration"))
    return checks


async def _resource(aws: Aws, subject: str, arn: str, noun: str) -> Checks:
    """There, in this region, and ACTIVE: what was deleted is still described as INACTIVE [M]."""
    found = Arn.parse(arn)
    if found is None or found.service != "apprunner":
        return (no(subject, f"{arn!r} is no ARN of a {subject} of App Runner", "correct it in the settings"),)
    if found.region != aws.region:
        said = f"the {subject} {arn} is in {found.region}, not in {aws.region}"
        return (no(subject, said, f"name one in {aws.region}"),)
    operation = "describe_vpc_connector" if noun == "VpcConnector" else "describe_auto_scaling_configuration"
    try:
        described = (await aws.call("apprunner", operation, **{f"{noun}Arn": arn}))[noun]
    except AwsRefusedError as error:
        if error.code not in _ABSENT:
            raise
        return (no(subject, f"there is no {subject} {arn}", _CORRECT),)
    status = str(described.get("Status", "")).upper()
    if status != "ACTIVE":
        return (no(subject, f"the {subject} {arn} is {one_line(status) or 'in no state'}", _CORRECT),)
    return (ok(subject, f"{arn} is ACTIVE"),)
