"""The secrets: that what the settings name is there. Values are never asked for, only what describes them."""

from collections.abc import Mapping
from typing import Any

from slipway.records.preflight import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.errors import AwsRefusedError
from slipway.release.preflight.account import account_of
from slipway.release.preflight.answers import Checks, covered, no, not_covered, ok
from slipway.release.preflight.arn import Arn

_MOST = 50  # names in one filter [M]


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Every secret, by the variable that it becomes."""
    if not spec.secrets:
        return ()
    checks: list[Check] = []
    if spec.instance_role is None:  # "Instance Role have to be provided if passing in RuntimeEnvironmentSecrets" [F]
        checks.append(_nobody_reads(spec))
    parameters: dict[str, str] = {}
    for variable, reference in spec.secrets.items():
        found = Arn.parse(reference)
        if found and found.service == "secretsmanager":
            checks += _elsewhere(variable, reference, found, aws, spec) or await covered(
                variable, _secret(aws, variable, reference)
            )
        elif found and found.service == "ssm":
            away = _elsewhere(variable, reference, found, aws, spec)
            checks += away
            parameters |= {} if away else {variable: reference}
        elif found:
            checks.append(no(variable, f"{reference} is of {found.service}, which keeps no secrets", _NAME))
        else:
            checks.append(no(variable, f"{reference!r} is no ARN", _NAME))
    return (*checks, *(await _parameters(aws, parameters) if parameters else ()))


_NAME = "name the ARN of a secret in Secrets Manager or of a parameter in SSM"


def _nobody_reads(spec: ServiceSpec) -> Check:
    return no(
        "instance role",
        f"secrets are read with the instance role, and {spec.environment} has none",
        f"set instance-role in [tool.slipway.environments.{spec.environment}]",
    )


def _elsewhere(variable: str, reference: str, found: Arn, aws: Aws, spec: ServiceSpec) -> Checks:
    """What is not of this account and region is not looked at from here; parameters of another account are not supported [M]."""
    is_ours = found.account == account_of(spec)
    if not is_ours and found.service == "ssm":
        said = f"{reference} is in another account, and App Runner reads parameters of its own only"
        return (no(variable, said, f"make one in the account of {spec.environment}, and name that"),)
    if not is_ours:
        return (not_covered(variable, f"{reference} is in another account, which was not asked"),)
    if found.region != aws.region:
        return (not_covered(variable, f"{reference} is in the region {found.region}, which was not asked"),)
    return ()


async def _secret(aws: Aws, variable: str, reference: str) -> Checks:
    arn, key = _split(reference)
    try:
        described = await aws.call("secretsmanager", "describe_secret", SecretId=arn)
    except AwsRefusedError as error:
        if error.code != "ResourceNotFoundException":
            raise
        return (no(variable, f"there is no secret {arn}", "create it, or correct the ARN in the settings"),)
    return judge(variable, arn, key, described)


def judge(variable: str, arn: str, key: str, described: Mapping[str, Any]) -> Checks:
    """A secret that is there, unless it is on its way out."""
    if gone := described.get("DeletedDate"):
        said = f"the secret {arn} is scheduled for deletion on {gone:%Y-%m-%d}"
        return (no(variable, said, f"aws secretsmanager restore-secret --secret-id {arn}"),)
    there = ok(variable, f"{arn} is there")
    if not key:
        return (there,)
    return there, not_covered(variable, f"whether the secret has the key {key}: its value was not read")


def _split(reference: str) -> tuple[str, str]:
    """The secret's ARN, and the key of its JSON in `ARN:KEY:STAGE:VERSION`."""
    parts = reference.split(":")
    return ":".join(parts[:7]), "".join(parts[7:8])


async def _parameters(aws: Aws, wanted: Mapping[str, str]) -> Checks:
    """All at once, a few calls for however many."""
    return await covered("parameters", _described(aws, wanted))


async def _described(aws: Aws, wanted: Mapping[str, str]) -> Checks:
    names = [name for reference in wanted.values() for name in names_of(reference)]
    there: set[str] = set()
    for first in range(0, len(names), _MOST):
        page: dict[str, Any] = {
            "ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": names[first : first + _MOST]}]
        }
        while True:
            answer = await aws.call("ssm", "describe_parameters", **page)
            there |= {str(parameter["Name"]) for parameter in answer["Parameters"]}
            if not answer.get("NextToken"):
                break
            page["NextToken"] = answer["NextToken"]
    return tuple(
        ok(variable, f"{reference} is there")
        if there.intersection(names_of(reference))
        else no(variable, f"there is no parameter {reference}", "create it, or correct the ARN in the settings")
        for variable, reference in wanted.items()
    )


def names_of(reference: str) -> tuple[str, ...]:
    """The names that a parameter's ARN may stand for: `parameter/url` is that of `url` and of `/url`.

    >>> names_of("arn:aws:ssm:eu-west-1:123456789012:parameter/team/url")
    ('/team/url',)
    """
    name = reference.partition(":parameter/")[2]
    return (f"/{name}",) if "/" in name else (name, f"/{name}")
