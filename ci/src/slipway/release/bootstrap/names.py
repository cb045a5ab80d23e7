"""What things are called: as the settings name them, so that a deployment finds what bootstrap has made."""

import re
from collections import Counter
from collections.abc import Iterator

from slipway.settings import Runner, Settings, SettingsError

_ROLE = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?P<path>(?:[^/]+/)*)(?P<name>[\w+=,.@-]{1,64})")
_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")
_SCALING_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,31}")  # App Runner's [M]


def role_name(arn: str, account: str, at: str) -> str:
    """The name of a role that bootstrap is to make in an account; `at` is the setting. Raises SettingsError."""
    found = _ROLE.fullmatch(arn)
    if found is None:
        raise SettingsError(f"{at} is no ARN of a role: {arn!r}", "name one like arn:aws:iam::ACCOUNT:role/NAME")
    if found["account"] != account:
        raise SettingsError(
            f"{at} is a role of the account {found['account']}, and the environment's account is {account}",
            "name one of this account; bootstrap makes roles in no other",
        )
    if found["path"]:
        raise SettingsError(
            f"{at} has the path {found['path']!r}", "name one without a path, or make this role yourself"
        )
    return found["name"]


def roles_of(settings: Settings, environment: str) -> dict[str, str]:
    """The names of an environment's roles by the settings that name them; raises SettingsError."""
    account = settings.environment(environment).account
    return {
        key: role_name(arn, account, f"{key} of {environment}") for key, arn in _arns(settings, environment).items()
    }


def check_own(settings: Settings, environment: str) -> None:
    """Raises SettingsError when a role has two purposes: each belongs to one stack, and must do no more than one thing."""
    ours = _arns(settings, environment)
    twice = [arn for arn, number in Counter(ours.values()).items() if number > 1]
    others = (name for name in settings.environments if name != environment)
    shared = [arn for name in others for arn in _arns(settings, name).values() if arn in ours.values()]
    for arn in (*twice, *shared):
        raise SettingsError(
            f"the role {arn} is named twice", "give each environment and each purpose a role of its own"
        )


def deploy_role(settings: Settings, environment: str) -> str:
    return _checked(f"{settings.service_name(environment)}-deploy")


def image_role(settings: Settings) -> str:
    return _checked(f"{settings.name}-image")


def scaling(settings: Settings, environment: str) -> str:
    name = settings.service_name(environment)
    if not _SCALING_NAME.fullmatch(name):
        raise SettingsError(
            f"App Runner takes no auto scaling configuration with a name like {name!r}",
            f"set service in [tool.slipway.environments.{environment}] to 32 letters at most",
        )
    return name


def stack(*parts: str) -> str:
    """A stack's name, which has letters, digits and dashes only."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(("slipway", *parts)))[:128]


def _arns(settings: Settings, environment: str) -> dict[str, str]:
    return dict(_named(settings, environment))


def _named(settings: Settings, environment: str) -> Iterator[tuple[str, str]]:
    there = settings.environment(environment)
    yield "access-role", there.access_role
    if there.instance_role:
        yield "instance-role", there.instance_role
    if there.migration and there.migration.runner is Runner.ECS_TASK:
        yield "migration.execution-role", there.migration.execution_role or ""
        if there.migration.task_role:
            yield "migration.task-role", there.migration.task_role


def _checked(name: str) -> str:
    if not _ROLE_NAME.fullmatch(name):
        raise SettingsError(f"no role can be called {name!r} in IAM", "give the service a name of 58 letters at most")
    return name
