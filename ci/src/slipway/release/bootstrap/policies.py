"""What the roles of a running service and of its migration may do; what slipway itself may is in permissions.py."""

from collections.abc import Iterable
from typing import Any

from slipway.release.rights import secrets_of

# As AWS's own AWSAppRunnerServicePolicyForECRAccess, on one repository instead of all.
_PULL = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
)


def pull(repository: str) -> dict[str, Any]:
    """Pull images from one repository."""
    return _document(*_pulling(repository))


def read_secrets(secrets: Iterable[str]) -> dict[str, Any] | None:
    """Read exactly these; None when there are none."""
    statements = _reading(secrets)
    return _document(*statements) if statements else None


def start_task(repository: str, secrets: Iterable[str], log_group: str) -> dict[str, Any]:
    """What ECS does before the migration runs: pull, read what the task is given, and write its lines."""
    write = _allow("Log", ("logs:CreateLogStream", "logs:PutLogEvents"), (f"{log_group}:*",))
    return _document(*_pulling(repository), *_reading(secrets), write)


def _pulling(repository: str) -> list[dict[str, Any]]:
    return [
        _allow("SignIn", ("ecr:GetAuthorizationToken",), ("*",)),
        _allow("Pull", _PULL, (repository,)),
    ]


def _reading(secrets: Iterable[str]) -> list[dict[str, Any]]:
    named = tuple(secrets)
    kinds = [
        ("Secrets", "secretsmanager:GetSecretValue", secrets_of("secretsmanager", named)),
        ("Parameters", "ssm:GetParameters", secrets_of("ssm", named)),
    ]
    return [_allow(sid, (action,), arns) for sid, action, arns in kinds if arns]


def _allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
