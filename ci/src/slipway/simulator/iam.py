"""AWS IAM and STS: roles, when services may assume them, and the caller's identity."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from slipway.simulator.contract import AwsError, Call, Operations, Quotas, listed, operations_of, paged

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
_ASSUME = "sts:AssumeRole"
# The principals with which App Runner and ECS assume roles [G].
_PRINCIPALS = (
    "build.apprunner.amazonaws.com",
    "tasks.apprunner.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs-tasks.amazonaws.com",
)


def trusting(*principals: str) -> str:
    """Return a trust policy that allows services to assume a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": [*principals]}, "Action": _ASSUME}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_TRUSTING_ALL = trusting(*_PRINCIPALS)


@dataclass(kw_only=True)
class Role:
    """A role with its trust policy."""

    arn: str
    policy: str  # the trust policy as JSON
    created: datetime = _LONG_AGO
    changed: datetime = _LONG_AGO  # the last change of the trust policy
    policies: dict[str, str] = field(default_factory=dict)  # the role's own policies, as JSON by name
    managed: list[str] = field(default_factory=list)  # ARNs of managed policies
    tags: list[Mapping[str, str]] = field(default_factory=list)
    id: str = field(default_factory=lambda: f"AROA{secrets.token_hex(8).upper()}")

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def path(self) -> str:
        return f"/{self.arn.partition(':role/')[2].removesuffix(self.name)}"

    def description(self) -> dict[str, Any]:
        """Return the API's Role; the policy is URL-encoded [M]."""
        return {
            "Path": self.path,
            "RoleName": self.name,
            "RoleId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created,
            "AssumeRolePolicyDocument": quote(self.policy, safe=""),
            "MaxSessionDuration": 3600,
        }


@dataclass
class Iam:
    """Roles by name. IAM knows a new role at once, but services know it only after `propagation` [F]."""

    # with False, roles that were not created here are trusted, as if they existed in a real account
    strict: bool = True
    propagation: float = 90  # seconds of the platform
    roles: dict[str, Role] = field(default_factory=dict)
    quotas: Quotas = field(default_factory=Quotas)

    @property
    def operations(self) -> Operations:
        return operations_of(self)

    def put(self, arn: str, policy: str = _TRUSTING_ALL) -> None:
        """Add a role that all services already know."""
        role = Role(arn=arn, policy=policy)
        self.roles[role.name] = role

    def may_assume(self, arn: str, principal: str, now: datetime) -> bool:
        role = self.roles.get(arn.rpartition("/")[2])
        if role is None:
            return not self.strict
        is_known = now - role.changed >= timedelta(seconds=self.propagation)
        return role.arn == arn and is_known and _trusts(role.policy, principal)

    async def create_role(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["RoleName"]
        if name in self.roles:
            raise AwsError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        if len(self.roles) >= self.quotas.roles:
            message = f"Cannot exceed quota for RolesPerAccount: {self.quotas.roles}"  # [F]
            raise AwsError("LimitExceeded", message, 409)
        _check(request["AssumeRolePolicyDocument"])
        arn = f"arn:aws:iam::{call.account}:role{request.get('Path', '/')}{name}"
        role = Role(arn=arn, policy=request["AssumeRolePolicyDocument"], created=call.now, changed=call.now)
        self.roles[name] = replace(role, tags=request.get("Tags", []))
        return {"Role": self.roles[name].description()}

    async def get_role(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        name = request["RoleName"]
        if name not in self.roles and not self.strict:
            return {"Role": Role(arn=f"arn:aws:iam::{call.account}:role/{name}", policy=_TRUSTING_ALL).description()}
        role = self._existing(name)
        return {"Role": role.description() | ({"Tags": role.tags} if role.tags else {})}

    async def list_roles(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        prefix = request.get("PathPrefix", "/")
        roles = [role.description() for role in self.roles.values() if role.path.startswith(prefix)]
        page = paged("Roles", roles, request, most=100, names=("Marker", "MaxItems"))
        return page | {"IsTruncated": page["Marker"] is not None}

    async def update_assume_role_policy(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Change a trust policy. Services know the change only after `propagation`."""
        role = self._existing(request["RoleName"])
        _check(request["PolicyDocument"])
        role.policy, role.changed = request["PolicyDocument"], call.now
        return {}

    async def delete_role(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        """Delete a role. A role with policies cannot be deleted [M]."""
        role = self._existing(request["RoleName"])
        for left, what in ((role.policies, "delete policies"), (role.managed, "detach all policies")):
            if left:
                raise AwsError("DeleteConflict", f"Cannot delete entity, must {what} first.", 409)
        del self.roles[role.name]
        return {}

    async def put_role_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        _check(request["PolicyDocument"])
        self._existing(request["RoleName"]).policies[request["PolicyName"]] = request["PolicyDocument"]
        return {}

    async def get_role_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        role, name = self._existing(request["RoleName"]), request["PolicyName"]
        if name not in role.policies:
            raise _without_policy(name)
        return {"RoleName": role.name, "PolicyName": name, "PolicyDocument": quote(role.policies[name], safe="")}

    async def list_role_policies(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        role = self._existing(request["RoleName"])
        return {"PolicyNames": sorted(role.policies), "IsTruncated": False}

    async def delete_role_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        role, name = self._existing(request["RoleName"]), request["PolicyName"]
        if role.policies.pop(name, None) is None:
            raise _without_policy(name)
        return {}

    async def attach_role_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        role, arn = self._existing(request["RoleName"]), request["PolicyArn"]
        role.managed += [] if arn in role.managed else [arn]
        return {}

    async def detach_role_policy(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        role, arn = self._existing(request["RoleName"]), request["PolicyArn"]
        if arn not in role.managed:
            raise AwsError("NoSuchEntity", f"Policy {arn} was not found.", 404)
        role.managed.remove(arn)
        return {}

    async def list_attached_role_policies(self, request: Mapping[str, Any], _call: Call) -> Mapping[str, Any]:
        arns = self._existing(request["RoleName"]).managed
        attached = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return {"AttachedPolicies": attached, "IsTruncated": False}

    def policies_of(self, name: str) -> list[Mapping[str, Any]] | None:
        """Return the policies of a role; None when it may do everything or is unknown."""
        role = self.roles.get(name)
        if role is None:
            return [] if self.strict else None
        if any(arn.endswith("/AdministratorAccess") for arn in role.managed):
            return None
        return [json.loads(document) for document in role.policies.values()]

    def _existing(self, name: str) -> Role:
        if name not in self.roles:
            raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
        return self.roles[name]


def _without_policy(name: str) -> AwsError:
    return AwsError("NoSuchEntity", f"The role policy with name {name} cannot be found.", 404)


def _check(policy: str) -> None:
    try:
        document = json.loads(policy)
        valid = all(statement["Effect"] in ("Allow", "Deny") for statement in listed(document["Statement"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        valid = False
    if not valid:
        raise AwsError("MalformedPolicyDocument", "The policy is not in the valid JSON format.")


def _trusts(policy: str, principal: str) -> bool:
    """Return whether a statement allows the principal and none denies it. Conditions count as met."""
    effects = [
        statement["Effect"] for statement in listed(json.loads(policy)["Statement"]) if _fits(statement, principal)
    ]
    return "Allow" in effects and "Deny" not in effects


def _fits(statement: Mapping[str, Any], principal: str) -> bool:
    named = statement.get("Principal", {})
    services = ["*"] if named == "*" else listed(named.get("Service", []))
    actions = listed(statement.get("Action", []))
    return any(service in ("*", principal) for service in services) and any(
        fnmatchcase(_ASSUME.lower(), action.lower()) for action in actions
    )


class Sts:
    """STS. Every caller is the account's only user."""

    def __init__(self) -> None:
        self.operations: Operations = {"GetCallerIdentity": self.get_caller_identity}

    async def get_caller_identity(self, _request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        arn = f"arn:aws:iam::{call.account}:user/simulated"
        return {"UserId": "AIDASIMULATED00000000", "Account": call.account, "Arn": arn}
