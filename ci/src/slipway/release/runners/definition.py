"""The task that migrates, as ECS is told it: pure, from the settings and a digest. Secrets stand in it by ARN only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.release.engine.spec import spec_of
from slipway.release.runners import lent
from slipway.settings import MigrationRunner, Migrations, Settings, SettingsError

CONTAINER = "migration"
PREFIX = "slipway"
LABEL = "slipway.definition"
_MOST_BYTES = 64 * 1024  # of a task definition [G]


@dataclass(frozen=True, kw_only=True)
class TaskOrder:
    """What a task is run for. `service` is the service's name in its environment; values of variables are not shown."""

    environment: str
    service: str
    region: str
    image: Reference
    runner: MigrationRunner
    migrations: Migrations
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict)
    look: bool = False

    @property
    def family(self) -> str:
        """One for each thing to do, so that a definition that has not changed is found again."""
        return f"{self.service}-migration-look" if self.look else f"{self.service}-migration"

    @property
    def started_by(self) -> str:
        """By what a run finds the task that another has begun for the same digest. Letters, digits, - _ / only [M]."""
        return f"{PREFIX}/{self.family}/{self.image.digest.rpartition(':')[2][:40]}"

    @property
    def log_group(self) -> str:
        return self.runner.log_group or f"/slipway/{self.service}"

    @property
    def again(self) -> str:
        """The one command that goes on with it."""
        look = " --look" if self.look else ""
        return f"slipway migrate --environment {self.environment} --image {self.image}{look}"


def order_of(settings: Settings, environment: str, digest: str, *, look: bool = False) -> TaskOrder:
    """The order for an environment; raises SettingsError when the settings say too little."""
    there, spec = settings.environment(environment), spec_of(settings, environment, digest)
    table = f"[tool.slipway.environments.{environment}"
    if there.migration is None:
        raise SettingsError(
            f"{environment} does not say who migrates its database", f'add {table}.migration] with runner = "ecs-task"'
        )
    variable = settings.migrations.database_variable
    if variable not in {**there.secrets, **there.variables}:
        raise SettingsError(
            f"{environment} has no {variable}, by which its database is found",
            f"add its secret to secrets in {table}], or correct database-variable in [tool.slipway.migrations]",
        )
    return TaskOrder(
        environment=environment,
        service=spec.name,
        region=there.region,
        image=spec.image,
        runner=there.migration,
        migrations=settings.migrations,
        variables=there.variables,
        secrets=there.secrets,
        look=look,
    )


def definition(order: TaskOrder) -> dict[str, Any]:
    """What RegisterTaskDefinition is told, with a hash of itself as a label; raises BadInputError when ECS would not take it."""
    bare = _definition(order, {})
    content = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    if len(content) > _MOST_BYTES - 200:  # what the label adds, and some air
        raise BadInputError(
            f"the task definition of the migration has {len(content)} bytes, and ECS takes {_MOST_BYTES}",
            f"give {order.environment} shorter variables, or make secrets of them",
        )
    return _definition(order, {LABEL: hashlib.sha256(content.encode()).hexdigest()[:32]})


def label_of(described: Mapping[str, Any]) -> str | None:
    """The hash of a definition as it was registered; None when it is none of ours."""
    containers = described.get("containerDefinitions") or [{}]
    found: str | None = containers[0].get("dockerLabels", {}).get(LABEL)
    return found


def _definition(order: TaskOrder, labels: Mapping[str, str]) -> dict[str, Any]:
    runner = order.runner
    role = {"taskRoleArn": runner.task_role} if runner.task_role else {}
    return role | {
        "family": order.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "cpu": str(runner.cpu),
        "memory": str(runner.memory),
        "executionRoleArn": runner.execution_role,
        "containerDefinitions": [_container(order, labels)],
    }


def _container(order: TaskOrder, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": str(order.image),
        "essential": True,
        "entryPoint": ["python"],  # whatever the image's own would do first
        "command": list(lent.command(_arguments(order))),
        "environment": [{"name": name, "value": value} for name, value in sorted(order.variables.items())],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in sorted(order.secrets.items())],
        "dockerLabels": dict(labels),
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": order.log_group,
                "awslogs-region": order.region,
                "awslogs-stream-prefix": PREFIX,
            },
        },
    }


def _arguments(order: TaskOrder) -> list[str]:
    migrations = order.migrations
    return [
        f"--own={migrations.database_variable}",
        f"--config={migrations.config}",
        *(f"--variable={name}={template}" for name, template in sorted(migrations.variables.items())),
        *(f"--secret={name}" for name in sorted(order.secrets)),
        *(["--look"] if order.look else []),
    ]


def request(order: TaskOrder, definition_arn: str, token: str) -> dict[str, Any]:
    """What RunTask is told."""
    runner = order.runner
    return {
        "cluster": runner.cluster,
        "taskDefinition": definition_arn,
        "launchType": "FARGATE",
        "count": 1,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(runner.subnets),
                "securityGroups": list(runner.security_groups),
                "assignPublicIp": "ENABLED" if runner.public_ip else "DISABLED",
            }
        },
        "startedBy": order.started_by,
        "clientToken": token,
    }
