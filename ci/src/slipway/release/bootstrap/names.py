"""Names of what bootstrap makes: those in the settings, by which a deployment finds it."""

import re
from collections import Counter
from collections.abc import Iterator

from slipway.settings import RunnerKind, Settings, SettingsError

_ROLE = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?P<path>(?:[^/]+/)*)(?P<name>[\w+=,.@-]{1,64})")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")


def roles_of(settings: Settings, environment: str) -> dict[str, str]:
    """Return the names of an environment's roles by the keys of the settings; raises SettingsError."""
    account = settings.environment(environment).account
    return {
        key: _role_name(arn, account, f"{key} of {environment}") for key, arn in _arns(settings, environment).items()
    }


def check_own(settings: Settings, environment: str) -> None:
    """Raise SettingsError when a role is named twice: each belongs to one stack and has one purpose."""
    own = _arns(settings, environment)
    twice = [arn for arn, number in Counter(own.values()).items() if number > 1]
    others = (name for name in settings.environments if name != environment)
    shared = [arn for name in others for arn in _arns(settings, name).values() if arn in own.values()]
    for arn in (*twice, *shared):
        raise SettingsError(
            f"the role {arn} is named twice", "give each environment and each purpose a role of its own"
        )


def deploy_role(settings: Settings, environment: str) -> str:
    return _checked(f"{settings.service_name(environment)}-deploy")


def image_role(settings: Settings) -> str:
    return _checked(f"{settings.name}-image")


def stack(*parts: str) -> str:
    """Return the name of a stack, which has letters, digits and dashes only."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(("slipway", *parts)))[:128]


def _role_name(arn: str, account: str, at: str) -> str:
    """Return the name of a role that bootstrap can make in an account; `at` is the setting. Raises SettingsError."""
    role = _ROLE.fullmatch(arn)
    if role is None:
        raise SettingsError(f"{at} is not the ARN of a role: {arn!r}", "name one like arn:aws:iam::ACCOUNT:role/NAME")
    if role["account"] != account:
        raise SettingsError(
            f"{at} is a role of the account {role['account']}, and the environment's account is {account}",
            "name one of this account; bootstrap makes roles in no other",
        )
    if role["path"]:
        raise SettingsError(
            f"{at} has the path {role['path']!r}", "name one without a path, or make this role yourself"
        )
    return role["name"]


def _arns(settings: Settings, environment: str) -> dict[str, str]:
    return dict(_named(settings, environment))


def _named(settings: Settings, environment: str) -> Iterator[tuple[str, str]]:
    there = settings.environment(environment)
    yield "access-role", there.access_role
    if there.instance_role:
        yield "instance-role", there.instance_role
    if there.migration and there.migration.runner is RunnerKind.ECS_TASK:
        yield "migration.execution-role", there.migration.execution_role or ""
        if there.migration.task_role:
            yield "migration.task-role", there.migration.task_role


def _checked(name: str) -> str:
    if not _ROLE_NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is not a valid role name in IAM", "give the service a name of 58 letters at most"
        )
    return name
