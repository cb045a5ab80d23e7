"""The requests to ECS for the migrating task, made from the settings and a digest.

They contain secrets by ARN only. Pure.
The container runs slipway's migration without an installed slipway: an argument of `python` contains the modules and a
few lines that import them. It needs a folder for temporary files, but no shell. The same version of slipway makes the
same bytes.
"""

import ast
import base64
import functools
import hashlib
import io
import json
import tokenize
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from slipway.errors import BadInputError
from slipway.records.image import Reference
from slipway.settings import Environment, MigrationRunner, Migrations, Settings, SettingsError

CONTAINER = "migration"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
PREFIX = "slipway"
LABEL = "slipway.definition"
TASK_SETTINGS = 'runner = "ecs-task", subnets, security-groups and execution-role'
_MOST_BYTES = 64 * 1024  # of a task definition [G]


@dataclass(frozen=True, kw_only=True)
class TaskOrder:
    """The order for a migrating task in an environment. Raise SettingsError when the settings do not fit.

    - only_reads: whether the task only reads the database's revisions.
    - transactions: those of the certificate; the task refuses others.
    """

    settings: Settings = field(repr=False)  # not shown, because it contains values of variables
    environment: str
    digest: str
    only_reads: bool = False
    transactions: str = ""

    def __post_init__(self) -> None:
        table, variable = f"[tool.slipway.environments.{self.environment}", self.migrations.database_variable
        if self.env.migration is None:
            raise SettingsError(
                f"{self.environment} does not say who migrates its database",
                f'add a table migration to {table}] with {TASK_SETTINGS}, or with runner = "direct"',
            )
        if variable not in {**self.env.secrets, **self.env.variables}:
            raise SettingsError(
                f"{self.environment} has no {variable} with the URL of its database",
                f"add its secret to secrets in {table}], or correct database-variable in [tool.slipway.migrations]",
            )

    @property
    def env(self) -> Environment:
        return self.settings.environment(self.environment)

    @property
    def secrets(self) -> dict[str, str]:
        """The service's secrets. A managed database's URL is that of the role that owns the tables."""
        return {**self.env.secrets, **self.settings.database_secrets(self.environment, owner=True)}

    @property
    def runner(self) -> MigrationRunner:
        assert self.env.migration is not None
        return self.env.migration

    @property
    def migrations(self) -> Migrations:
        return self.settings.migrations

    @property
    def variables(self) -> Mapping[str, str]:
        """The plain values of the container's variables."""
        return self.env.variables

    @property
    def command(self) -> tuple[str, ...]:
        """The arguments of the container's python."""
        return portable_command(_arguments(self))

    @property
    def noun(self) -> str:
        """The name of the task's work, for sentences."""
        return "migration"

    @property
    def image(self) -> Reference:
        return Reference(self.settings.repository(self.environment), self.digest)

    @property
    def family(self) -> str:
        """The family of the definition, one for each kind of task, so that an unchanged definition is reused."""
        return f"{self.settings.service_name(self.environment)}-migration{'-status' if self.only_reads else ''}"

    @property
    def started_by(self) -> str:
        """The mark by which a run finds a task that another run started for the same digest.

        ECS allows only letters, digits, - _ and /.
        """
        return f"{PREFIX}/{self.family}/{self.digest.rpartition(':')[2][:40]}"

    @property
    def log_group(self) -> str:
        return self.settings.migration_log(self.environment)

    @property
    def again(self) -> str:
        """The command that resumes the task."""
        status = " --status" if self.only_reads else ""
        return f"slipway migrate --environment {self.environment} --image {self.image}{status}"


def definition(order: TaskOrder) -> dict[str, Any]:
    """Return the request of RegisterTaskDefinition, labelled with a hash of itself.

    Raise BadInputError when it is too large.
    """
    bare = _definition(order, {})
    content = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    if len(content) > _MOST_BYTES - 200:  # leave room for the label, with a margin
        raise BadInputError(
            f"the task definition of the {order.noun} has {len(content)} bytes, and ECS accepts {_MOST_BYTES}",
            f"shorten the variables of {order.environment}, or turn them into secrets",
        )
    return _definition(order, {LABEL: hashlib.sha256(content.encode()).hexdigest()[:32]})


def label_of(description: Mapping[str, Any]) -> str | None:
    """Return the hash of a registered definition; None when slipway did not register it."""
    containers = description.get("containerDefinitions") or [{}]
    label: str | None = containers[0].get("dockerLabels", {}).get(LABEL)
    return label


def _definition(order: TaskOrder, labels: Mapping[str, str]) -> dict[str, Any]:
    runner = order.runner
    role = {"taskRoleArn": runner.task_role} if runner.task_role else {}
    return role | {
        "family": order.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "runtimePlatform": {"cpuArchitecture": order.env.cpu_architecture, "operatingSystemFamily": "LINUX"},
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
        "entryPoint": ["python"],  # replaces the image's entry point
        "command": list(order.command),
        "environment": [{"name": name, "value": value} for name, value in sorted(order.variables.items())],
        "secrets": [{"name": name, "valueFrom": arn} for name, arn in sorted(order.secrets.items())],
        "dockerLabels": dict(labels),
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": order.log_group,
                "awslogs-region": order.env.region,
                "awslogs-stream-prefix": PREFIX,
            },
        },
    }


def _arguments(order: TaskOrder) -> list[str]:
    migrations = order.migrations
    return [
        *migrations.own_runner,
        *(f"--variable={name}={template}" for name, template in sorted(migrations.variables.items())),
        *(f"--secret={name}" for name in sorted(order.env.secrets)),
        *(["--status"] if order.only_reads else [f"--transactions={order.transactions}"] if order.transactions else []),
    ]


def request(order: TaskOrder, definition_arn: str, token: str) -> dict[str, Any]:
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


def overrides(order: TaskOrder, command: Sequence[str], token: str) -> dict[str, Any]:
    """Return the fields of RunTask that replace the migration by a command, with a mark that no migration looks for."""
    program = _bare(files("slipway.release.runners").joinpath("masked.py").read_text(encoding="utf-8"))
    arguments = ["-c", program, ",".join(sorted(order.secrets)), *command]  # follows `python` in the definition
    container = {"name": CONTAINER, "command": arguments}
    return {"overrides": {"containerOverrides": [container]}, "startedBy": f"{PREFIX}/run/{token[:16]}"}


_BOOTSTRAP = """\
import base64, json, pathlib, sys, tempfile, zlib
with tempfile.TemporaryDirectory() as home:
    for name, text in json.loads(zlib.decompress(base64.b85decode(sys.argv.pop(1)))).items():
        file = pathlib.Path(home, "slipway", name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    sys.path.insert(0, home)
    from slipway.migration.{program} import main
    sys.exit(main(sys.argv[1:]))
"""


def portable_command(arguments: Sequence[str], program: str = "__main__") -> tuple[str, ...]:
    """Return the arguments of `python` that work like `-m slipway.migration.PROGRAM ARGUMENTS…` without an installed slipway.

    They contain the modules in base85, which is shorter than base64, because ECS refuses a task definition of more than
    64 KiB.
    """
    bootstrap = _BOOTSTRAP.replace("{program}", program)
    return ("-c", bootstrap, base64.b85encode(archive(program)).decode(), *arguments)


@functools.cache
def archive(program: str = "__main__") -> bytes:
    """Return a program and its imported modules as compressed JSON, by file, without docstrings and comments.

    A zip would be half as large again.
    """
    texts, wanted = dict[str, str](), [f"slipway.migration.{program}"]
    while wanted:
        name = wanted.pop()
        file, source = _module(name)
        if file and file not in texts:
            texts[file] = _bare(source)
            wanted += [name.rpartition(".")[0], *_imported(source)]
    return zlib.compress(json.dumps(texts, sort_keys=True).encode(), 9)


def _module(name: str) -> tuple[str, str]:
    """Return file and source of a module of slipway; empty texts for any other name."""
    root, *path = name.split(".")
    for file in ("/".join(path) + ".py", "/".join([*path, "__init__.py"])) if root == "slipway" else ():
        if (found := files("slipway").joinpath(*file.split("/"))).is_file():
            return file, found.read_text(encoding="utf-8")
    return "", ""


def _imported(source: str) -> Iterator[str]:
    """Yield the names that a module imports at its top level.

    Imports in functions are needed only by programs that no task runs.
    """
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}", *(f"{node.module}.{each.name}" for each in node.names))


def _bare(source: str) -> str:
    """Return a module without docstrings and comments. Line numbers stay the same, for tracebacks."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, column = token.start
            lines[line - 1] = lines[line - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node) is not None:
            text = node.body[0]
            end = text.end_lineno or text.lineno
            lines[text.lineno - 1 : end] = [f"{' ' * text.col_offset}''", *[""] * (end - text.lineno)]
    return "\n".join(lines)
