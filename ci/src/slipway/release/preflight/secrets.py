"""Secrets: whether those that the settings name exist. Only descriptions are read, never values."""

from collections.abc import Mapping
from typing import Any

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.errors import AwsRefusedError
from slipway.release.preflight.account import Arn, account_of
from slipway.release.preflight.answers import Checks, covered, no, not_covered, ok

_MOST = 50  # names in one filter [M]


async def look(aws: Aws, spec: ServiceSpec) -> Checks:
    """Check every secret, by its variable."""
    checks: list[Check] = []
    parameters: dict[str, str] = {}
    for variable, reference in spec.secrets.items():
        name = Arn.parse(reference)
        if name and name.service == "secretsmanager":
            checks += _elsewhere(variable, reference, name, aws, spec) or await covered(
                variable, _secret(aws, variable, reference)
            )
        elif name and name.service == "ssm":
            away = _elsewhere(variable, reference, name, aws, spec)
            checks += away
            parameters |= {} if away else {variable: reference}
        elif name:
            checks.append(no(variable, f"{reference} is of {name.service}, which does not store secrets", _NAME))
        else:
            checks.append(no(variable, f"{reference!r} is not an ARN", _NAME))
    return (*checks, *(await _parameters(aws, parameters) if parameters else ()))


_NAME = "name the ARN of a secret in Secrets Manager or of a parameter in SSM"


def _elsewhere(variable: str, reference: str, name: Arn, aws: Aws, spec: ServiceSpec) -> Checks:
    """Return the check of a secret in another account or region; parameters of another account are not supported [M]."""
    is_ours = name.account == account_of(spec)
    if not is_ours and name.service == "ssm":
        problem = f"{reference} is in another account, and the platform reads parameters of its own account only"
        return (no(variable, problem, f"create one in the account of {spec.environment}, and name that"),)
    if not is_ours:
        return (not_covered(variable, f"{reference} is in another account, which was not asked"),)
    if name.region != aws.region:
        return (not_covered(variable, f"{reference} is in the region {name.region}, which was not asked"),)
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
    """Judge a secret that exists: one that is scheduled for deletion is refused."""
    if gone := described.get("DeletedDate"):
        problem = f"the secret {arn} is scheduled for deletion on {gone:%Y-%m-%d}"
        return (no(variable, problem, f"aws secretsmanager restore-secret --secret-id {arn}"),)
    there = ok(variable, f"{arn} is there")
    if not key:
        return (there,)
    return there, not_covered(variable, f"whether the secret has the key {key}: its value was not read")


def _split(reference: str) -> tuple[str, str]:
    """Return the secret's ARN, and the JSON key of `ARN:KEY:STAGE:VERSION`."""
    parts = reference.split(":")
    return ":".join(parts[:7]), "".join(parts[7:8])


async def _parameters(aws: Aws, wanted: Mapping[str, str]) -> Checks:
    """Check all parameters, 50 per call."""
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
    """Return the names that a parameter's ARN may refer to: `parameter/url` is the ARN of `url` and of `/url`.

    >>> names_of("arn:aws:ssm:eu-west-1:123456789012:parameter/team/url")
    ('/team/url',)
    """
    name = reference.partition(":parameter/")[2]
    return (f"/{name}",) if "/" in name else (name, f"/{name}")
