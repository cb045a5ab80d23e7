"""The roles that bootstrap creates and the settings name: who may assume them, and their policies.

All policies are made from the table of permissions. A test runs every command with exactly its policy.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from slipway.errors import BadInputError
from slipway.release.cloudformation import Resource, retained
from slipway.release.move.counterpart import counterpart
from slipway.release.permissions import Permission, Policy, Scope, document, granted, narrowed
from slipway.release.targets.supported import target_of
from slipway.settings import (
    AppRunnerEnvironment,
    Environment,
    Github,
    RunnerKind,
    Settings,
    SettingsError,
    Subjects,
    TargetKind,
)

_ISSUER = "token.actions.githubusercontent.com"
_ROLE = re.compile(r"arn:aws[\w-]*:iam::(?P<account>\d{12}):role/(?P<path>(?:[^/]+/)*)(?P<name>[\w+=,.@-]+)")
_LONGEST = 64  # of a role's name in IAM
_ROLE_NAME = re.compile(rf"[\w+=,.@-]{{1,{_LONGEST}}}")
_CHANGE = (Permission.OBSERVE, Permission.READ_OWNER, Permission.WRITE_LEDGER, Permission.FOLLOW)
_RELEASE = (*_CHANGE, Permission.READ_LOGS, Permission.INSPECT, Permission.UPDATE_SERVICE, Permission.FIND_CALLED)
_PLAN = (
    *(Permission.OBSERVE, Permission.READ_OWNER, Permission.LOOK_AT_IMAGE),
    *(Permission.LOOK_AT_NETWORK, Permission.FIND_CALLED),
)
_DEPLOY = (*_RELEASE, Permission.PULL, Permission.CREATE_SERVICE)
PERMISSIONS: Mapping[str, tuple[Permission, ...]] = {
    "plan": (*_PLAN, Permission.READ_LEDGER),
    "plan-without-ledger": _PLAN,
    "status": (Permission.OBSERVE, Permission.FIND_NAMES, Permission.COUNT, Permission.READ_LEDGER),
    "history": (Permission.READ_LEDGER,),
    "diagnose": (Permission.OBSERVE, Permission.READ_LOGS, Permission.READ_LEDGER),
    "run": (Permission.OBSERVE, Permission.RUN_TASK, Permission.FIND_CALLED),
    "webhook": (Permission.READ_WEBHOOK,),
    "secret": (Permission.FIND_SECRETS, Permission.STORE_VALUE),
    "logs": (Permission.OBSERVE, Permission.READ_LOGS, Permission.READ_LEDGER),
    "publish": (Permission.PUSH,),
    "preflight": (Permission.INSPECT, Permission.PULL, Permission.FIND_CALLED),
    "migrate-direct": (Permission.READ_DATABASE_URL, Permission.PULL, Permission.FIND_CALLED),
    "migrate-ecs-task": (Permission.RUN_TASK, Permission.FIND_CALLED),
    "deploy": _DEPLOY,
    "rollback": (*_RELEASE, Permission.ABORT),
    "promote-from": (Permission.OBSERVE, Permission.READ_LEDGER, Permission.SEARCH_LEDGER),
    "promote-to": _DEPLOY,
    "pause": (*_CHANGE, Permission.PAUSE_SERVICE),
    "resume": (*_CHANGE, Permission.READ_LOGS, Permission.RESUME_SERVICE),
    "abort": (
        Permission.OBSERVE,
        Permission.READ_OWNER,
        Permission.FOLLOW,
        Permission.ABORT,
        Permission.READ_LEDGER,
        Permission.RECORD_END,
    ),
    "destroy": (*_CHANGE, Permission.DELETE_SERVICE),
    "move": (
        *(*_CHANGE, Permission.PAUSE_SERVICE, Permission.RESUME_SERVICE),
        *(Permission.DELETE_SERVICE, Permission.MOVE, Permission.FIND_CALLED),
    ),
}
# The permissions of `move` on the platform to which it moves.
MOVED = (
    *(Permission.OBSERVE, Permission.READ_OWNER, Permission.FOLLOW, Permission.READ_LOGS, Permission.INSPECT),
    *(Permission.CREATE_SERVICE, Permission.UPDATE_SERVICE, Permission.DELETE_SERVICE),
)
# The role of jobs without a GitHub environment, which publish and plan. They may not read ledgers, which contain values
# of variables.
IMAGE_ROLE = ("publish", "plan-without-ledger")
# The role of jobs in a GitHub environment. Only a person deletes or moves a service, sets a secret, or runs a command.
DEPLOY_ROLE = tuple(
    verb for verb in PERMISSIONS if verb not in ("publish", "plan-without-ledger", "destroy", "secret", "run", "move")
)


def permissions_on(command: str, kind: TargetKind) -> tuple[Permission, ...]:
    """Return the permissions of a command on a platform. `move` needs other permissions on the platform to which it moves."""
    is_second = command == "move" and kind is not TargetKind.APP_RUNNER
    return MOVED if is_second else PERMISSIONS[command]


def roles_of(settings: Settings, environment: str) -> dict[str, str]:
    """Return the names of an environment's roles, by their keys in the settings.

    Raise SettingsError when a role does not fit.
    """
    account = settings.environment(environment).account
    return {
        key: _role_name(arn, account, f"{key} of {environment}") for key, arn in _arns(settings, environment).items()
    }


def check_own(settings: Settings, environment: str) -> None:
    """Raise SettingsError when two settings name the same role: each role belongs to one stack and has one purpose."""
    own = _arns(settings, environment)
    if moved := moved_scope(scope_of(settings, environment)):
        own |= {f"move.{key}": arn for key, arn in moved.env.roles.items() if arn}
    twice = [arn for arn, number in Counter(own.values()).items() if number > 1]
    others = (name for name in settings.environments if name != environment)
    shared = [arn for name in others for arn in _arns(settings, name).values() if arn in own.values()]
    for arn in (*twice, *shared):
        raise SettingsError(
            f"the role {arn} is named twice", "give each environment and each purpose a role of its own"
        )


def deploy_role(settings: Settings, environment: str) -> str:
    return _checked(f"{settings.service_name(environment)}-deploy")


def access_role(settings: Settings, environment: str) -> str:
    """Return the name of the role that starts the task for the database's roles."""
    return _checked(f"{settings.service_name(environment)}-database")


def image_role(settings: Settings) -> str:
    return _checked(f"{settings.name}-image")


def _role_name(arn: str, account: str, at: str) -> str:
    """Return the name of a role that bootstrap can create.

    `at` is the setting with its ARN. Raise SettingsError when it cannot.
    """
    role = _ROLE.fullmatch(arn)
    if role is None:
        raise SettingsError(f"{at} is not the ARN of a role: {arn!r}", "name one like arn:aws:iam::ACCOUNT:role/NAME")
    if role["account"] != account:
        raise SettingsError(
            f"{at} is a role of the account {role['account']}, and the environment's account is {account}",
            "name a role of this account; bootstrap makes roles in no other account",
        )
    if role["path"]:
        raise SettingsError(
            f"{at} has the path {role['path']!r}", "name one without a path, or make this role yourself"
        )
    if len(role["name"]) > _LONGEST:
        what = f"{at} has a name of {len(role['name'])} characters: {arn!r}"
        raise SettingsError(what, f"shorten it to the {_LONGEST} letters that IAM allows")
    return role["name"]


def _arns(settings: Settings, environment: str) -> dict[str, str]:
    env = settings.environment(environment)
    arns = env.roles
    if env.migration and env.migration.runner is RunnerKind.ECS_TASK:
        arns |= {
            "migration.execution-role": env.migration.execution_role,
            "migration.task-role": env.migration.task_role,
        }
    return {key: arn for key, arn in arns.items() if arn}


def _checked(name: str) -> str:
    if not _ROLE_NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is not a valid role name in IAM", "give the service a name of 58 letters at most"
        )
    return name


def oidc_provider(env: Environment) -> Resource:
    """Return the account's OIDC provider for GitHub.

    It outlives its stack, because other services of the account may use it.
    """
    why = "GitHub tells AWS where a job runs, so no AWS key is stored in GitHub"
    return retained("AWS::IAM::OIDCProvider", why, {"Url": f"https://{_ISSUER}", "ClientIdList": [_audience(env)]})


def _audience(env: Environment) -> str:
    """Return the audience of GitHub's tokens: the host name of STS in the partition."""
    return f"sts.{env.domain}"


def trusts_jobs(github: Github, env: Environment, environment: str | None) -> dict[str, Any]:
    """Return the trust policy for jobs of the GitHub environment `environment`; with None, for the branch's jobs without an environment."""
    where = f"environment:{environment}" if environment else f"ref:refs/heads/{github.branch}"
    # the ARN is the same, whichever stack created the provider
    made = f"arn:{env.partition}:iam::{env.account}:oidc-provider/{_ISSUER}"
    provider = github.oidc_provider or made
    subjects = [f"repo:{repository}:{where}" for repository in _repositories(github)]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{_ISSUER}:aud": _audience(env), f"{_ISSUER}:sub": subjects}},
    }
    return document([statement])


def _repositories(github: Github) -> list[str]:
    """Return the trusted forms of the repository's name. GitHub never reuses a number, but may reuse a name."""
    owner, _, name = github.repository.partition("/")
    bare = f"{owner.partition('@')[0]}/{name.partition('@')[0]}"
    if github.subjects is Subjects.NUMBERS:
        return [github.repository]
    return list(dict.fromkeys((github.repository, bare)))


def scope_of(settings: Settings, environment: str) -> Scope:
    """Return the environment to which permissions are limited. Raise SettingsError when its settings do not fit."""
    scope = Scope(settings, environment, target_of(settings, environment).grants)
    settings.service_name(environment)
    return scope


def policy(scope: Scope, verbs: Iterable[str]) -> Policy:
    """Return the smallest IAM policy that allows these commands in one environment.

    Raise BadInputError for an unknown command.
    """
    wanted = tuple(verbs)
    if unknown := [verb for verb in wanted if verb not in PERMISSIONS]:
        raise BadInputError(
            f"there is no command {unknown[0]!r} that needs permissions in AWS",
            f"choose one of {', '.join(PERMISSIONS)}",
        )
    own = narrowed(granted((permission for verb in wanted for permission in PERMISSIONS[verb]), scope.grants), scope)
    second = moved_scope(scope) if "move" in wanted else None
    if second is None:
        return own
    beside = narrowed(granted(permissions_on("move", second.env.target), second.grants), second)["Statement"]
    return document([*own["Statement"], *({**each, "Sid": f"Moved{each['Sid']}"} for each in beside)])


def moved_scope(scope: Scope) -> Scope | None:
    """Return the same environment on the platform to which it will move; None when its settings name none."""
    if not isinstance(scope.env, AppRunnerEnvironment) or scope.env.move is None:
        return None
    return scope_of(counterpart(scope.settings, scope.environment), scope.environment)


def joined(policies: Iterable[Policy]) -> Policy:
    """Join policies. Statements that differ only in their resources become one, and statement ids stay unique."""
    statements: dict[str, dict[str, Any]] = {}
    for statement in (statement for each in policies for statement in each["Statement"]):
        key = json.dumps([statement["Sid"], statement["Action"], statement.get("Condition")])
        same = statements.setdefault(key, dict(statement))
        same["Resource"] = list(dict.fromkeys([*same["Resource"], *statement["Resource"]]))
    seen: Counter[str] = Counter()
    for statement in statements.values():
        seen[statement["Sid"]] += 1
        statement["Sid"] += str(seen[statement["Sid"]]) if seen[statement["Sid"]] > 1 else ""
    return document(statements.values())
