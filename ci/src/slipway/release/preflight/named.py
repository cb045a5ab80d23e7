"""The roles and secrets in the settings: whether they exist, and whether the platform may assume the roles.

Only trust policies of roles and descriptions of secrets are read, never values.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.aws.logs import creation_of
from slipway.release.aws.references import parts_of_secret
from slipway.release.engine.plan import ServiceSpec
from slipway.release.errors import or_absent
from slipway.release.preflight.checks import Arn, Checks, account_of, covered, no, not_covered, ok
from slipway.untrusted import one_line

_NAME = "name the ARN of a secret in Secrets Manager or of a parameter in SSM"
_ASSUME = "sts:assumerole"
OWNER_TAG = "slipway:environment"
_MOST = 50  # names in one filter [M]
_YOUNG_SECONDS = 90  # a younger role may not be known to the platform yet [F]


async def checks_of_roles(aws: Aws, spec: ServiceSpec, trusts: Mapping[str, tuple[str | None, str]]) -> Checks:
    """Check roles. `trusts` has, by subject, the role's ARN or None, and the service that assumes the role."""
    checks: Checks = ()
    for subject, (arn, principal) in trusts.items():
        if arn:
            checks += await covered(subject, _role(aws, spec, subject, (arn, principal)))
    return checks


async def _role(aws: Aws, spec: ServiceSpec, subject: str, trust: tuple[str, str]) -> Checks:
    arn, principal = trust
    named = Arn.parse(arn)
    if named is None or named.service != "iam" or not named.resource.startswith("role/"):
        return (no(subject, f"{arn!r} is not the ARN of a role", "correct it in the settings"),)
    if named.account != account_of(spec):
        problem = f"the {subject} {arn} is of another account than {spec.environment}"
        return (no(subject, problem, "name a role of the environment's own account; the platform assumes no other"),)
    name = named.resource.rpartition("/")[2]
    answer = await or_absent(aws.call("iam", "get_role", RoleName=name), "NoSuchEntity", "NoSuchEntityException")
    if answer is None:
        return (no(subject, f"there is no role {arn}", "create it, or correct the ARN in the settings"),)
    role = answer["Role"]
    found = Arn.parse(role["Arn"])
    if found and found.account != named.account:
        return (not_covered(subject, f"{arn}: these credentials belong to another account"),)
    if role["Arn"] != arn:
        problem = f"there is no role {arn}; the one of that name is {one_line(role['Arn'])}"
        return (no(subject, problem, "correct the path in the settings"),)
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (judge_role(subject, arn, principal, role, now),)


def judge_role(subject: str, arn: str, principal: str, role: Mapping[str, Any], now: datetime) -> Check:
    """Judge whether the trust policy allows `principal` to assume the role.

    A new role passes, because the deployment waits until the platform knows it.
    """
    allowing: list[Mapping[str, Any]] = []
    denying: list[Mapping[str, Any]] = []
    for statement in _statements(role.get("AssumeRolePolicyDocument")):
        if "NotPrincipal" in statement or "NotAction" in statement:
            return not_covered(
                subject, f"the trust policy of {arn} uses NotPrincipal or NotAction, which slipway does not evaluate"
            )
        if _fits(statement, principal):
            (allowing if statement.get("Effect") == "Allow" else denying).append(statement)
    remedy = f"allow sts:AssumeRole to {principal} in its trust policy (aws iam update-assume-role-policy)"
    if any("Condition" not in statement for statement in denying):
        return no(subject, f"the trust policy of {arn} denies sts:AssumeRole to {principal}", remedy)
    if not allowing:
        return no(subject, f"the role {arn} does not trust {principal}", remedy)
    if denying or all("Condition" in statement for statement in allowing):
        return not_covered(subject, f"whether the conditions in the trust policy of {arn} hold for {principal}")
    age = (now - role["CreateDate"]).total_seconds()
    young = f"; it is {max(age, 0):.0f} s old, and a deployment waits until the platform knows it"
    return ok(subject, f"{arn} trusts {principal}" + (young if age < _YOUNG_SECONDS else ""))


def _statements(policy: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the statements of a policy that boto3 has decoded; none for any other value."""
    statements = policy.get("Statement", []) if isinstance(policy, Mapping) else []
    yield from (statement for statement in _listed(statements) if isinstance(statement, Mapping))


def _fits(statement: Mapping[str, Any], principal: str) -> bool:
    """Return whether the statement applies to this principal and to sts:AssumeRole.

    Actions may have wildcards and any case [G].
    """
    named = statement.get("Principal", {})
    services = _listed(named.get("Service", [])) if isinstance(named, Mapping) else [named]
    actions = [str(action).lower() for action in _listed(statement.get("Action", []))]
    return any(service in ("*", principal) for service in services) and any(
        fnmatchcase(_ASSUME, action) for action in actions
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def judge_owner(service: str, environment: str, owner: str | None, adopt: str) -> Check:
    """Judge a service's owner by slipway's tag, None without a tag.

    A person can let slipway adopt a service by setting the tag.
    """
    if owner == environment:
        return ok("owner", f"{service} was made for {environment}")
    if owner is None:
        return no("owner", f"the service {service} was not made by slipway", f"to adopt it: {adopt}")
    problem = f"the service {service} belongs to the environment {one_line(owner)}, not to {environment}"
    return no("owner", problem, f"set another service in the settings, or hand it over: {adopt}")


async def checks_of_log(group: str, aws: Aws, spec: ServiceSpec) -> Checks:
    """Check that the log group of the migrating task exists, because ECS starts no task without it."""
    call = aws.call("logs", "describe_log_streams", logGroupName=group, limit=1)
    if await or_absent(call, "ResourceNotFoundException") is not None:
        return (ok("migration", f"its log group {group} is there"),)
    problem = f"there is no log group {group}, so ECS cannot start the task that migrates"
    return (no("migration", problem, creation_of(group, spec.environment)),)


async def checks_of_secrets(aws: Aws, spec: ServiceSpec) -> Checks:
    checks: list[Check] = []
    parameters: dict[str, str] = {}
    for variable, reference in spec.secrets.items():
        name = Arn.parse(reference)
        if name is None:
            checks.append(no(variable, f"{reference!r} is not an ARN", _NAME))
        elif name.service not in ("secretsmanager", "ssm"):
            checks.append(no(variable, f"{reference} is of {name.service}, which does not store secrets", _NAME))
        elif elsewhere := _elsewhere(variable, reference, name, aws, spec):
            checks.append(elsewhere)
        elif name.service == "ssm":
            parameters[variable] = reference
        else:
            checks += await covered(variable, _secret(aws, variable, reference))
    return (*checks, *(await covered("parameters", _parameters(aws, parameters)) if parameters else ()))


def _elsewhere(variable: str, reference: str, name: Arn, aws: Aws, spec: ServiceSpec) -> Check | None:
    """Return a check for a secret in another account or region; None for one in ours.

    Parameters in another account are not supported [M].
    """
    is_ours = name.account == account_of(spec)
    if not is_ours and name.service == "ssm":
        problem = f"{reference} is in another account, and the platform reads parameters of its own account only"
        return no(variable, problem, f"create one in the account of {spec.environment}, and name that")
    if not is_ours:
        return not_covered(variable, f"{reference} is in another account, which was not asked")
    if name.region != aws.region:
        return not_covered(variable, f"{reference} is in the region {name.region}, which was not asked")
    return None


async def _secret(aws: Aws, variable: str, reference: str) -> Checks:
    arn, key, *_ = parts_of_secret(reference)
    call = aws.call("secretsmanager", "describe_secret", SecretId=arn)
    description = await or_absent(call, "ResourceNotFoundException")
    if description is None:
        return (no(variable, f"there is no secret {arn}", "create it, or correct the ARN in the settings"),)
    return judge_secret(variable, arn, key, description)


def judge_secret(variable: str, arn: str, key: str, description: Mapping[str, Any]) -> Checks:
    """Judge an existing secret. Refuse one that is scheduled for deletion."""
    if gone := description.get("DeletedDate"):
        problem = f"the secret {arn} is scheduled for deletion on {gone:%Y-%m-%d}"
        return (no(variable, problem, f"aws secretsmanager restore-secret --secret-id {arn}"),)
    stages: Mapping[str, list[str]] = description.get("VersionIdsToStages", {})
    current = next((version for version, names in stages.items() if "AWSCURRENT" in names), "")
    exists = ok(variable, f"{arn} exists", current)
    if not key:
        return (exists,)
    return exists, not_covered(variable, f"whether the secret has the key {key}: its value was not read")


async def _parameters(aws: Aws, wanted: Mapping[str, str]) -> Checks:
    """Check all parameters, in calls of 50 names."""
    names = [name for reference in wanted.values() for name in names_of(reference)]
    versions: dict[str, str] = {}
    for first in range(0, len(names), _MOST):
        names_filter = {"Key": "Name", "Option": "Equals", "Values": names[first : first + _MOST]}
        async for each in aws.items("ssm", "describe_parameters", "Parameters", ParameterFilters=[names_filter]):
            versions[str(each["Name"])] = str(each.get("Version", ""))
    return tuple(
        ok(variable, f"{reference} exists", next(versions[name] for name in names_of(reference) if name in versions))
        if versions.keys() & set(names_of(reference))
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
