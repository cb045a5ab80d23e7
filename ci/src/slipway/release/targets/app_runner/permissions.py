"""What each verb may do in AWS: IAM actions, narrowed to the resources of one environment. The policies of all roles are made from this table.

Sources: the service authorization reference of each service (docs.aws.amazon.com/service-authorization, "list_apprunner", "list_ecr",
"list_logs", "list_ecs", "list_iam", "list_secretsmanager", "list_ssm") says which resource an action knows. A test plays every verb under it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from slipway.errors import BadInputError
from slipway.release.engine.spec import default_scaling
from slipway.settings import Environment, MigrationRunner, Runner, Settings

Policy = Mapping[str, Any]


class Resource(Enum):
    """What an action is narrowed to; the value is the statement's name in a policy."""

    ANY = "WhatKnowsNoResource"
    REPOSITORY = "Repository"
    SERVICE = "Service"
    SERVICE_AND_PARTS = "ServiceAndWhatItIsMadeOf"
    OWN_ROLE = "AppRunnersOwnRole"
    CONNECTORS = "VpcConnectors"
    SCALINGS = "AutoScaling"
    SERVICE_LOGS = "ServiceLogs"
    ROLES = "Roles"
    PASSED_ROLES = "RolesForAppRunner"
    SECRETS = "Secrets"
    DATABASE_SECRET = "SecretWithTheDatabase"  # noqa: S105 -- a name in a policy
    DATABASE_PARAMETER = "ParameterWithTheDatabase"
    ANY_TASK = "WhatKnowsNoResourceOfTasks"
    CLUSTER = "MigrationCluster"
    TASK_DEFINITION = "MigrationTask"
    TASKS = "MigrationTasks"
    TASK_LOGS = "MigrationLogs"
    TASK_ROLES = "RolesForTheMigrationTask"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One environment, as far as permissions are narrowed to it. `database` is the secret with the database's URL where slipway itself migrates, `task` the family of the task where one does."""

    region: str
    account: str
    repository: str
    service: str
    roles: tuple[str, ...]
    secrets: tuple[str, ...]
    connectors: tuple[str, ...]
    scalings: tuple[str, ...]
    database: tuple[str, ...] = ()
    task: str | None = None
    cluster: str = ""
    log_group: str = ""
    task_roles: tuple[str, ...] = ()


# What a role may be passed to. The service authorization reference says bullet.amazonaws.com, AWS's own AWSAppRunnerFullAccess says
# apprunner.amazonaws.com [G], and users report either to be refused and tasks.apprunner.amazonaws.com to be right [F]. The roles are
# named one by one and trust App Runner only, so that all of them are named here.
_APP_RUNNER = (
    "apprunner.amazonaws.com",
    "build.apprunner.amazonaws.com",
    "bullet.amazonaws.com",
    "tasks.apprunner.amazonaws.com",
)
_CONDITIONS: Mapping[Resource, tuple[str, tuple[str, ...]]] = {
    Resource.PASSED_ROLES: ("iam:PassedToService", _APP_RUNNER),
    Resource.TASK_ROLES: ("iam:PassedToService", ("ecs-tasks.amazonaws.com",)),
    Resource.OWN_ROLE: ("iam:AWSServiceName", ("apprunner.amazonaws.com",)),
}

_SERVICE = "arn:aws:apprunner:{region}:{account}:service/{service}/*"
_PATTERNS: Mapping[Resource, tuple[str, ...]] = {
    Resource.ANY: ("*",),
    Resource.REPOSITORY: ("arn:aws:ecr:{region}:{account}:repository/{repository}",),
    Resource.SERVICE: (_SERVICE,),
    Resource.SERVICE_AND_PARTS: (_SERVICE,),
    Resource.OWN_ROLE: (
        "arn:aws:iam::{account}:role/aws-service-role/apprunner.amazonaws.com/AWSServiceRoleForAppRunner",
    ),
    Resource.SERVICE_LOGS: ("arn:aws:logs:{region}:{account}:log-group:/aws/apprunner/{service}/*",),
    Resource.ANY_TASK: ("*",),
    Resource.CLUSTER: ("arn:aws:ecs:{region}:{account}:container-instance/{cluster}/*",),  # so the reference has it
    Resource.TASK_DEFINITION: (
        "arn:aws:ecs:{region}:{account}:task-definition/{task}:*",
        "arn:aws:ecs:{region}:{account}:task-definition/{task}-look:*",
    ),
    Resource.TASKS: ("arn:aws:ecs:{region}:{account}:task/{cluster}/*",),
    Resource.TASK_LOGS: ("arn:aws:logs:{region}:{account}:log-group:{log_group}:*",),
}

_OF_A_TASK = (
    Resource.ANY_TASK,
    Resource.CLUSTER,
    Resource.TASK_DEFINITION,
    Resource.TASKS,
    Resource.TASK_LOGS,
)

Actions = Mapping[Resource, tuple[str, ...]]


def merged(*parts: Actions) -> Actions:
    """Actions by resource, each once."""
    found: dict[Resource, set[str]] = {}
    for part in parts:
        for resource, actions in part.items():
            found.setdefault(resource, set()).update(actions)
    return {resource: tuple(sorted(found[resource])) for resource in Resource if resource in found}


_OBSERVE: Actions = {
    Resource.ANY: ("apprunner:ListServices",),
    Resource.SERVICE: ("apprunner:DescribeService", "apprunner:ListOperations"),
}
_READ_LEDGER: Actions = {Resource.REPOSITORY: ("ecr:BatchGetImage", "ecr:ListImages")}
_WRITE_LEDGER: Actions = {
    Resource.REPOSITORY: (
        "ecr:BatchDeleteImage",
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecr:DescribeRepositories",
        "ecr:ListImages",
        "ecr:PutImage",
    )
}
# The first record in a repository's life needs a blob to name.
_BEGIN_LEDGER: Actions = {
    Resource.REPOSITORY: ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart")
}
_READ_LOGS: Actions = {Resource.SERVICE_LOGS: ("logs:DescribeLogStreams", "logs:FilterLogEvents")}
_UPDATE: Actions = {
    Resource.SERVICE_AND_PARTS: ("apprunner:UpdateService",),
    Resource.PASSED_ROLES: ("iam:PassRole",),
}
# A service is created with a tag, and CreateService asks for the right to set it. At an account's first service App Runner makes a role of its
# own by the caller's right (developer guide, "Using service-linked roles") [G].
_CREATE: Actions = {
    Resource.OWN_ROLE: ("iam:CreateServiceLinkedRole",),
    Resource.SERVICE_AND_PARTS: ("apprunner:CreateService",),
    Resource.SERVICE: ("apprunner:TagResource",),
}
# Before anything of a service is changed, whose it is.
_OWNER: Actions = {Resource.SERVICE: ("apprunner:ListTagsForResource",)}
_CHANGE = merged(_OBSERVE, _OWNER, _WRITE_LEDGER, {Resource.SERVICE_LOGS: ("logs:FilterLogEvents",)})
# What is looked at before a release is brought to life, and what it takes to start it where slipway runs.
_LOOKS: Actions = {
    Resource.ANY: ("apprunner:ListServices", "ssm:DescribeParameters"),
    Resource.REPOSITORY: ("ecr:BatchGetImage", "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer"),
    Resource.SERVICE: ("apprunner:ListTagsForResource",),
    Resource.ROLES: ("iam:GetRole",),
    Resource.SECRETS: ("secretsmanager:DescribeSecret",),
    Resource.CONNECTORS: ("apprunner:DescribeVpcConnector",),
    Resource.SCALINGS: ("apprunner:DescribeAutoScalingConfiguration",),
}
_PULL: Actions = {
    Resource.ANY: ("ecr:GetAuthorizationToken",),
    Resource.REPOSITORY: ("ecr:BatchGetImage", "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer"),
}
_DEPLOY = merged(_CHANGE, _BEGIN_LEDGER, _READ_LOGS, _LOOKS, _PULL, _UPDATE, _CREATE)
# From where slipway runs: with the release's own files, and the one secret that has the database's URL.
_MIGRATE_FROM_HERE: Actions = {
    Resource.DATABASE_SECRET: ("secretsmanager:GetSecretValue",),
    Resource.DATABASE_PARAMETER: ("ssm:GetParameter",),
}
_MIGRATE_BY_TASK: Actions = {
    Resource.ANY_TASK: ("ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"),
    Resource.TASK_DEFINITION: ("ecs:RegisterTaskDefinition", "ecs:RunTask"),
    Resource.TASKS: ("ecs:DescribeTasks",),
    Resource.CLUSTER: ("ecs:ListTasks",),
    Resource.TASK_ROLES: ("iam:PassRole",),
    Resource.TASK_LOGS: ("logs:FilterLogEvents",),
}
_PUBLISH: Actions = {
    Resource.ANY: ("ecr:GetAuthorizationToken",),
    Resource.REPOSITORY: (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
    ),
}
# DeleteService also asks for the right to take the service's own domains away.
_DESTROY: Actions = {Resource.SERVICE: ("apprunner:DeleteService", "apprunner:DisassociateCustomDomain")}

VERBS: Mapping[str, Actions] = {
    "plan": merged(_OBSERVE, _OWNER),
    "status": merged(_OBSERVE, _READ_LEDGER),
    "history": _READ_LEDGER,
    "diagnose": merged(_OBSERVE, _READ_LOGS, {Resource.REPOSITORY: ("ecr:BatchGetImage",)}),
    "publish": _PUBLISH,
    "preflight": merged(_LOOKS, _PULL),
    "migrate-direct": merged(_MIGRATE_FROM_HERE, _PULL),
    "migrate-ecs-task": _MIGRATE_BY_TASK,
    "deploy": _DEPLOY,
    "rollback": merged(_CHANGE, _READ_LOGS, _LOOKS, _UPDATE),
    "promote-from": merged(_OBSERVE, _READ_LEDGER),
    "promote-to": _DEPLOY,
    "pause": merged(_CHANGE, _BEGIN_LEDGER, {Resource.SERVICE: ("apprunner:PauseService",)}),
    "resume": merged(_CHANGE, _BEGIN_LEDGER, _READ_LOGS, {Resource.SERVICE: ("apprunner:ResumeService",)}),
    "destroy": merged(_CHANGE, _BEGIN_LEDGER, _DESTROY),
}
# For the jobs without an environment of GitHub's: they publish, and ask what a deployment would change.
IMAGE_ROLE = ("publish", "plan")
# For the jobs of one environment. What takes a service away is none of a job's business; whoever does that is a person.
DEPLOY_ROLE = tuple(verb for verb in VERBS if verb not in ("publish", "destroy"))


def scope_of(settings: Settings, environment: str) -> Scope:
    """What an environment's permissions are narrowed to; raises SettingsError."""
    there, service = settings.environment(environment), settings.service_name(environment)
    app_runner = f"arn:aws:apprunner:{there.region}:{there.account}"
    return Scope(
        region=there.region,
        account=there.account,
        repository=settings.name,
        service=service,
        roles=tuple(role for role in (there.access_role, there.instance_role) if role),
        secrets=whole(there.secrets.values()),
        connectors=_named(there.vpc_connector, f"{app_runner}:vpcconnector/{service}/*", made=bool(there.network)),
        scalings=_named(
            there.auto_scaling or default_scaling(there.region, there.account),
            f"{app_runner}:autoscalingconfiguration/{service}/*",
            made=bool(there.scaling),
        ),
        database=_of_the_database(settings, there),
        **_of_the_task(there.migration, service),
    )


def _named(arn: str | None, revisions: str, *, made: bool) -> tuple[str, ...]:
    """What the settings name, and every revision of what bootstrap makes."""
    return tuple(found for found in (made and revisions, arn) if found)


def whole(secrets: Iterable[str]) -> tuple[str, ...]:
    """The secrets themselves, each once; a reference may go on with a key in its JSON, a stage and a version."""
    return tuple(sorted({":".join(secret.split(":")[:7]) for secret in secrets}))


def _of_the_database(settings: Settings, there: Environment) -> tuple[str, ...]:
    """Only where the settings say that slipway migrates from where it runs."""
    is_direct = there.migration is not None and there.migration.runner is Runner.DIRECT
    named = there.secrets.get(settings.migrations.database_variable)
    return whole([named]) if is_direct and named else ()


def _of_the_task(migration: MigrationRunner | None, service: str) -> dict[str, Any]:
    if migration is None or migration.runner is not Runner.ECS_TASK:
        return {}
    return {
        "task": f"{service}-migration",
        "cluster": migration.cluster,
        "log_group": migration.log_group or f"/slipway/{service}",
        "task_roles": tuple(role for role in (migration.execution_role, migration.task_role) if role),
    }


def policy(scope: Scope, verbs: Iterable[str]) -> Policy:
    """The least that these verbs need in one environment; raises BadInputError for a verb that there is not."""
    return document(merged(*(_of(verb) for verb in verbs)), scope)


def joined(policies: Iterable[Policy]) -> Policy:
    """One policy of several, where the same right on several resources is one statement."""
    found: dict[str, dict[str, Any]] = {}
    for statement in (statement for each in policies for statement in each["Statement"]):
        same = found.setdefault(statement["Sid"], dict(statement))
        same["Resource"] = list(dict.fromkeys([*same["Resource"], *statement["Resource"]]))
    return {"Version": "2012-10-17", "Statement": list(found.values())}


def document(actions: Actions, scope: Scope) -> Policy:
    """A policy of one statement for each kind of resource that the environment has."""
    statements = [_statement(resource, found, scope) for resource, found in actions.items() if arns(resource, scope)]
    return {"Version": "2012-10-17", "Statement": statements}


def arns(resource: Resource, scope: Scope) -> tuple[str, ...]:
    """The ARNs of a kind of resource, with wildcards for what AWS adds to a name; none when the environment has no such resource."""
    named = {
        Resource.CONNECTORS: scope.connectors,
        Resource.SCALINGS: scope.scalings,
        Resource.ROLES: scope.roles,
        Resource.PASSED_ROLES: scope.roles,
        Resource.TASK_ROLES: scope.task_roles,
        Resource.SECRETS: tuple(found for found in scope.secrets if ":secretsmanager:" in found),
        Resource.DATABASE_SECRET: tuple(found for found in scope.database if ":secretsmanager:" in found),
        Resource.DATABASE_PARAMETER: tuple(found for found in scope.database if ":ssm:" in found),
    }
    patterns = () if resource in _OF_A_TASK and not scope.task else _PATTERNS.get(resource, ())
    made = tuple(pattern.format(**vars(scope)) for pattern in patterns)
    parts = scope.connectors + scope.scalings if resource is Resource.SERVICE_AND_PARTS else ()
    return named.get(resource, made + parts)


def _of(verb: str) -> Actions:
    if verb not in VERBS:
        raise BadInputError(f"there is no verb {verb!r} that asks AWS for anything", f"there are {', '.join(VERBS)}")
    return VERBS[verb]


def _statement(resource: Resource, actions: tuple[str, ...], scope: Scope) -> dict[str, Any]:
    key, values = _CONDITIONS.get(resource, ("", ()))
    condition = {"Condition": {"StringEquals": {key: list(values)}}} if key else {}
    narrowed = {"Action": list(actions), "Resource": list(arns(resource, scope))}
    return {"Sid": resource.value, "Effect": "Allow", **narrowed, **condition}
