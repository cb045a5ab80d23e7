"""IAM roles: whether they exist and trust the service that assumes them. Their permissions are not read."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from typing import Any

from slipway.records.checks import Check
from slipway.release.aws.client import Aws
from slipway.release.engine.spec import ServiceSpec
from slipway.release.errors import AwsRefusedError
from slipway.release.preflight.account import Arn, account_of
from slipway.release.preflight.answers import Checks, covered, no, not_covered, ok
from slipway.untrusted import one_line

_ASSUME = "sts:assumerole"
_YOUNG_SECONDS = 90  # until then a platform may not know a role [F]


async def look(aws: Aws, spec: ServiceSpec, principals: tuple[str, str]) -> Checks:
    """Check the access role and the instance role, if there is one; `principals` are the services that assume them."""
    access, instance = principals
    checks = await covered("access role", _role(aws, spec, "access role", (spec.access_role, access)))
    if spec.instance_role:
        checks += await covered("instance role", _role(aws, spec, "instance role", (spec.instance_role, instance)))
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
    try:
        answer = await aws.call("iam", "get_role", RoleName=name)
    except AwsRefusedError as error:
        if error.code not in ("NoSuchEntity", "NoSuchEntityException"):
            raise
        return (no(subject, f"there is no role {arn}", "create it, or correct the ARN in the settings"),)
    role = answer["Role"]
    there = Arn.parse(role["Arn"])
    if there and there.account != named.account:
        return (not_covered(subject, f"{arn}: these credentials belong to another account"),)
    if role["Arn"] != arn:
        problem = f"there is no role {arn}; the one of that name is {one_line(role['Arn'])}"
        return (no(subject, problem, "correct the path in the settings"),)
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (judge(subject, arn, principal, role, now),)


def judge(subject: str, arn: str, principal: str, role: Mapping[str, Any], now: datetime) -> Check:
    """Judge whether the trust policy lets `principal` assume the role. A new role passes: the deployment waits until the platform knows it."""
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
    """Yield the statements of a policy that boto3 has decoded; anything else has none."""
    statements = policy.get("Statement", []) if isinstance(policy, Mapping) else []
    yield from (statement for statement in _listed(statements) if isinstance(statement, Mapping))


def _fits(statement: Mapping[str, Any], principal: str) -> bool:
    """Whether the statement applies to this principal and sts:AssumeRole; actions may have wildcards and any case [G]."""
    named = statement.get("Principal", {})
    services = _listed(named.get("Service", [])) if isinstance(named, Mapping) else [named]
    actions = [str(action).lower() for action in _listed(statement.get("Action", []))]
    return any(service in ("*", principal) for service in services) and any(
        fnmatchcase(_ASSUME, action) for action in actions
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
