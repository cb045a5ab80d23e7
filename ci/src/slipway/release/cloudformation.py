"""Resources of a CloudFormation template, and the policies of roles in it, as plain data.

Every resource states its purpose.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipway.release.permissions import allow, document, secrets_of

Resource = dict[str, Any]

# These actions are those of AWS's managed policies for pulling (such as AmazonECSTaskExecutionRolePolicy). Here they
# are limited to one repository.
_PULL = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
)


@dataclass(frozen=True)
class Part:
    """A part of a template: resources and outputs, by their names."""

    resources: Mapping[str, Resource] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)


def resource(kind: str, why: str, properties: Mapping[str, Any], **attributes: Any) -> Resource:
    return {"Type": kind, "Metadata": {"Why": why}, **attributes, "Properties": dict(properties)}


def retained(kind: str, why: str, properties: Mapping[str, Any]) -> Resource:
    """Return a resource that outlives its stack."""
    return resource(kind, why, properties, DeletionPolicy="Retain", UpdateReplacePolicy="Retain")


def role(
    name: str, why: str, trust: Mapping[str, Any], policy: Mapping[str, Any] | None, managed: Sequence[str] = ()
) -> Resource:
    """Return a role with its own policy, and with the managed policies at these ARNs."""
    policies: dict[str, Any] = {"Policies": [{"PolicyName": "slipway", "PolicyDocument": policy}]} if policy else {}
    policies |= {"ManagedPolicyArns": list(managed)} if managed else {}
    return resource("AWS::IAM::Role", why, {"RoleName": name, "AssumeRolePolicyDocument": trust, **policies})


def output(where: str, value: Any) -> dict[str, Any]:
    """Return an output. `where` is the place into which a person writes its value."""
    return {"Description": where, "Value": value}


def trusts_service(principal: str) -> dict[str, Any]:
    return document([{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}])


def pull(repository: str) -> dict[str, Any]:
    """Return a policy for pulling images from one repository, which is named by its ARN."""
    return document(_pulling(repository))


def read_secrets(secrets: Iterable[str]) -> dict[str, Any] | None:
    """Return a policy for reading exactly these secrets; None when there are none."""
    statements = _reading(secrets)
    return document(statements) if statements else None


def start_task(repository: str, secrets: Iterable[str], log_group: str) -> dict[str, Any]:
    """Return a policy for ECS's work on a task: pull the image, read the task's secrets, write its log."""
    write = allow("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{log_group}:*",))
    return document([*_pulling(repository), *_reading(secrets), write])


def _pulling(repository: str) -> list[dict[str, Any]]:
    return [
        allow("SignIn", ("ecr:GetAuthorizationToken",), ("*",)),
        allow("Pull", _PULL, (repository,)),
    ]


def _reading(secrets: Iterable[str]) -> list[dict[str, Any]]:
    references = tuple(secrets)
    kinds = [
        ("Secrets", "secretsmanager:GetSecretValue", secrets_of("secretsmanager", references)),
        ("Parameters", "ssm:GetParameters", secrets_of("ssm", references)),
    ]
    return [allow(sid, (action,), arns) for sid, action, arns in kinds if arns]
