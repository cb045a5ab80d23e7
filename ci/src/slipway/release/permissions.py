"""The permissions that commands need, and their IAM actions on resources of every target: ECR, secrets, roles, the migrating task.

A target adds the actions on its own platform (targets/*/account.py). The service authorization reference of each
service lists the resources that an action accepts (docs.aws.amazon.com/service-authorization, "list_ecr", "list_logs",
"list_ecs", "list_iam", …).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from slipway.release.aws.references import parts_of_secret
from slipway.settings import Environment, MigrationRunner, RunnerKind, Settings

Policy = Mapping[str, Any]


class Permission(Enum):
    """A permission that commands need, on any target."""

    OBSERVE = "observe the service and its operations"
    FIND_CALLED = "read the addresses of the services that it calls"
    READ_OWNER = "read which environment a service belongs to"
    FOLLOW = "read the platform's lines about an operation"
    FIND_NAMES = "read the names of its own at the load balancer"
    COUNT = "count the running instances of the service"
    READ_LOGS = "read what the service itself has written"
    UPDATE_SERVICE = "update the service"
    CREATE_SERVICE = "create the service"
    PAUSE_SERVICE = "pause the service"
    RESUME_SERVICE = "resume the service"
    DELETE_SERVICE = "delete the service"
    ABORT = "roll back a deployment in progress"
    MOVE = "move the service's traffic to another platform"
    READ_LEDGER = "read the ledger"
    SEARCH_LEDGER = "list all records of the ledger"
    WRITE_LEDGER = "write the ledger"
    RECORD_END = "record how a deployment ended"
    INSPECT = "check everything that a release needs"
    LOOK_AT_NETWORK = "check whether the service fits into its subnets"
    PULL = "pull the release's image"
    LOOK_AT_IMAGE = "read the manifest and the platform of the release's image"
    PUSH = "push an image"
    FIND_SECRETS = "ask whether secrets exist"
    STORE_VALUE = "store a new value of a secret"
    READ_WEBHOOK = "read the secret with the webhook's URL"
    READ_DATABASE_URL = "read the secret with the database's URL"
    RUN_TASK = "migrate by an ECS task"


@dataclass(frozen=True)
class Scope:
    """One environment, to whose resources permissions are limited. `grants` are its target's actions."""

    settings: Settings
    environment: str
    grants: "Grants"

    @property
    def env(self) -> Environment:
        return self.settings.environment(self.environment)

    @property
    def task(self) -> MigrationRunner | None:
        migration = self.env.migration
        return migration if migration and migration.runner is RunnerKind.ECS_TASK else None

    @cached_property
    def names(self) -> dict[str, str]:
        """The words that fill the patterns of ARNs."""
        return {
            "partition": self.env.partition,
            "region": self.env.region,
            "account": self.env.account,
            "repository": self.settings.name,
            "ledger": self.settings.ledger(self.environment),
            "service": self.settings.service_name(self.environment),
            "cluster": self.task.cluster if self.task else "",
            "log_group": self.settings.migration_log(self.environment),
        }


Arns = Callable[[Scope], Sequence[str | None]]


@dataclass(frozen=True)
class Resource:
    """The resource of a policy statement.

    `sid` is the statement's name; `what` describes the resource on the reference page.
    `condition` is a condition key with its allowed values. An environment without the resource gets no such statement.
    """

    sid: str
    what: str
    arns: Arns
    condition: tuple[str, tuple[str, ...]] | None = None

    def within(self, scope: Scope) -> tuple[str, ...]:
        """Return the ARNs of the resource in an environment, with wildcards where AWS adds characters to a name."""
        return tuple(arn for arn in self.arns(scope) if arn)


Actions = Mapping[Resource, tuple[str, ...]]
Grants = Mapping[Permission, Actions]


def patterns(*texts: str) -> Arns:
    """Return a function that fills these patterns with an environment's names."""
    return lambda scope: [text.format(**scope.names) for text in texts]


def of_task(*texts: str) -> Arns:
    """Return a function like that of `patterns`, with no ARNs for environments whose database is not migrated by a task."""
    return lambda scope: patterns(*texts)(scope) if scope.task else ()


def of_database(service: str) -> Arns:
    """Return a function for the ARN of the secret with the database's URL.

    It has no ARNs unless slipway connects to the database itself.
    """

    def arns(scope: Scope) -> tuple[str, ...]:
        migration = scope.env.migration
        secret = scope.env.secrets.get(scope.settings.migrations.database_variable)
        is_direct = migration is not None and migration.runner is RunnerKind.DIRECT
        return secrets_of(service, [secret]) if is_direct and secret else ()

    return arns


_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")


def secrets_of(service: str, references: Iterable[str]) -> tuple[str, ...]:
    """Return the ARNs of one AWS service's secrets (secretsmanager or ssm), each once, without JSON keys.

    AWS adds six letters to a secret's name. A reference may lack them, so the policy then has a pattern for them.
    """
    arns = {parts_of_secret(reference)[0] for reference in references}
    arns = {f"{arn}-??????" if ":secretsmanager:" in arn and not _SUFFIX.search(arn) else arn for arn in arns}
    return tuple(sorted(arn for arn in arns if f":{service}:" in arn))


ANY = Resource("AnyResource", "`*`: AWS accepts no resource for these actions", patterns("*"))
REPOSITORY = Resource(
    "Repository",
    "the ECR repository of the service's images",
    patterns("arn:{partition}:ecr:{region}:{account}:repository/{repository}"),
)
TRIAL = Resource(
    "TrialRepository",
    "the ECR repository of images that are only tried",
    patterns("arn:{partition}:ecr:{region}:{account}:repository/{repository}-try"),
)
LEDGER = Resource(
    "Ledger",
    "the ECR repository of the environment's ledger",
    patterns("arn:{partition}:ecr:{region}:{account}:repository/{ledger}"),
)
ROLES = Resource(
    "Roles",
    "the roles of the service",
    lambda scope: tuple(scope.env.roles.values()),
)
SECRETS = Resource(
    "Secrets",
    "the secrets that the settings name, by ARN; their descriptions, never their values",
    lambda scope: secrets_of("secretsmanager", scope.env.secrets.values()),
)
WEBHOOK_SECRET = Resource(
    "WebhookSecret",
    "the secret with the URL of the environment's webhook",
    lambda scope: secrets_of("secretsmanager", filter(None, [scope.env.webhook])),
)
OWN_SECRETS = Resource(
    "OwnSecrets",
    "the secrets that `slipway secret set` makes for the service",
    patterns("arn:{partition}:secretsmanager:{region}:{account}:secret:{service}/*"),
)
DATABASE_SECRET = Resource(
    "DatabaseSecret",
    "the secret with the database's URL, where `migration.runner` is direct",
    of_database("secretsmanager"),
)
DATABASE_PARAMETER = Resource(
    "DatabaseParameter",
    "the parameter in SSM with the database's URL, where `migration.runner` is direct",
    of_database("ssm"),
)
ANY_TASK = Resource(
    "AnyTaskResource", "`*`, only where a task migrates: AWS accepts no resource for these actions", of_task("*")
)
CLUSTER = Resource(
    "MigrationCluster",
    "the cluster of the task that migrates, which AWS expresses as the container instances in it",
    of_task("arn:{partition}:ecs:{region}:{account}:container-instance/{cluster}/*"),
)
TASK_DEFINITION = Resource(
    "MigrationTask",
    "the definition of the task that migrates",
    of_task(
        "arn:{partition}:ecs:{region}:{account}:task-definition/{service}-migration:*",
        "arn:{partition}:ecs:{region}:{account}:task-definition/{service}-migration-status:*",
    ),
)
TASKS = Resource(
    "MigrationTasks",
    "the tasks in the cluster of the task that migrates",
    of_task("arn:{partition}:ecs:{region}:{account}:task/{cluster}/*"),
)
TASK_LOGS = Resource(
    "MigrationLogs",
    "the log group of the task that migrates",
    of_task("arn:{partition}:logs:{region}:{account}:log-group:{log_group}:*"),
)
TASK_ROLES = Resource(
    "MigrationTaskRoles",
    "the execution and task role of the task that migrates, which may be passed to ECS tasks only",
    lambda scope: (scope.task.execution_role, scope.task.task_role) if scope.task else (),
    ("iam:PassedToService", ("ecs-tasks.amazonaws.com",)),
)

_READ_IMAGE = ("ecr:BatchGetImage", "ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer")
_WRITE_RECORD = (
    "ecr:BatchDeleteImage",
    "ecr:BatchGetImage",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:PutImage",
)
_UPLOAD = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart")
_PUSH = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:PutImage",
    *_UPLOAD,
)
SHARED: Grants = {
    Permission.READ_LEDGER: {LEDGER: ("ecr:BatchGetImage",)},
    Permission.SEARCH_LEDGER: {LEDGER: ("ecr:ListImages",)},
    Permission.RECORD_END: {LEDGER: ("ecr:PutImage",)},
    # A repository's first record needs an uploaded blob to refer to.
    Permission.WRITE_LEDGER: {LEDGER: (*_WRITE_RECORD, *_UPLOAD)},
    Permission.INSPECT: {
        ANY: ("ssm:DescribeParameters",),
        LEDGER: ("ecr:DescribeRepositories", "ecr:ListImages"),
        REPOSITORY: (*_READ_IMAGE, "ecr:ListImages"),
        ROLES: ("iam:GetRole",),
        SECRETS: ("secretsmanager:DescribeSecret",),
        TASK_LOGS: ("logs:DescribeLogStreams",),
    },
    Permission.PULL: {ANY: ("ecr:GetAuthorizationToken",), REPOSITORY: _READ_IMAGE},
    Permission.LOOK_AT_IMAGE: {REPOSITORY: ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")},
    Permission.PUSH: {ANY: ("ecr:GetAuthorizationToken",), REPOSITORY: _PUSH, TRIAL: _PUSH},
    Permission.READ_WEBHOOK: {WEBHOOK_SECRET: ("secretsmanager:GetSecretValue",)},
    Permission.FIND_SECRETS: {ANY: ("ssm:DescribeParameters",), SECRETS: ("secretsmanager:DescribeSecret",)},
    Permission.STORE_VALUE: {
        SECRETS: ("secretsmanager:PutSecretValue",),
        OWN_SECRETS: ("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"),
    },
    Permission.READ_DATABASE_URL: {
        DATABASE_SECRET: ("secretsmanager:GetSecretValue",),
        DATABASE_PARAMETER: ("ssm:GetParameter",),
    },
    Permission.RUN_TASK: {
        ANY_TASK: ("ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"),
        TASK_DEFINITION: ("ecs:RegisterTaskDefinition", "ecs:RunTask"),
        TASKS: ("ecs:DescribeTasks",),
        CLUSTER: ("ecs:ListTasks",),
        TASK_ROLES: ("iam:PassRole",),
        TASK_LOGS: ("logs:FilterLogEvents",),
    },
}


def merged(parts: Iterable[Actions]) -> Actions:
    """Join actions by resource, without duplicates, in the order of their statements' names."""
    actions: dict[Resource, set[str]] = {}
    for part in parts:
        for resource, names in part.items():
            actions.setdefault(resource, set()).update(names)
    return {resource: tuple(sorted(actions[resource])) for resource in sorted(actions, key=lambda each: each.sid)}


def granted(permissions: Iterable[Permission], grants: Grants) -> Actions:
    """Return the IAM actions for permissions: those needed on every target, and those in one target's `grants`."""
    return merged(source.get(permission, {}) for permission in permissions for source in (SHARED, grants))


def narrowed(actions: Actions, scope: Scope) -> Policy:
    """Return a policy with one statement for each kind of resource that the environment has."""
    statements = []
    for resource, names in actions.items():
        if arns := resource.within(scope):
            key, values = resource.condition or ("", ())
            condition = {"Condition": {"StringEquals": {key: list(values)}}} if key else {}
            statements.append(allow(resource.sid, names, arns) | condition)
    return document(statements)


def allow(sid: str, actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    """Return a statement that allows these actions."""
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
