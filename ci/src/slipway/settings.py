"""`[tool.slipway]`: the facts about a service, read strictly from its own pyproject.toml.

Each field's docstring line is its documentation. Secrets never stand here: environments name them by ARN.
A file that cannot be used is one sentence (SettingsError names file, key, what was found and what is allowed).
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from slipway.database_url import filled, parts_of
from slipway.errors import BadInputError
from slipway.structure import MismatchError, kebab, read

_NAME = re.compile(r"(?=.{2,256}$)[a-z0-9]+(?:[._-][a-z0-9]+)*")  # an ECR repository's
_SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,39}")  # App Runner's
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]{1,40}")  # stands in tags of the ledger
_PLATFORM = re.compile(r"linux/[a-z0-9]+(?:/v[0-9]+)?")
_ACCOUNT = re.compile(r"[0-9]{12}")
_SHARED = r"arn:aws[\w-]*:apprunner:[a-z0-9-]+:[0-9]{{12}}:{}/[\w-]{{4,40}}/[1-9][0-9]*/[a-z0-9]{{32}}"
_GITHUB = re.compile(r"[A-Za-z0-9-]+(?:@(?P<owner>[0-9]+))?/[A-Za-z0-9._-]+(?:@(?P<name>[0-9]+))?")
_MEMORY_OF_CPU = {  # App Runner refuses any other pair (developer guide, "Managing App Runner service configuration")
    256: (512, 1024),
    512: (1024,),
    1024: (2048, 3072, 4096),
    2048: (4096, 6144),
    4096: (8192, 10240, 12288),
}


_TASK_MEMORY_OF_CPU = {  # Fargate refuses any other pair (service model of ECS, RegisterTaskDefinition)
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
}


class SettingsError(BadInputError):
    """A settings file that cannot be used."""


class TargetKind(Enum):
    """Where an environment runs."""

    APP_RUNNER = "app-runner"
    ECS_EXPRESS = "ecs-express"


class Runner(Enum):
    """What migrates an environment's database."""

    DIRECT = "direct"
    ECS_TASK = "ecs-task"


class Weight(Enum):
    """How much a rule of the gate weighs: an error fails it, and what is off does not count."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OFF = "off"


@dataclass(frozen=True)
class Network:
    """`[tool.slipway.environments.NAME.network]`: the VPC of a database that cannot be reached from outside; bootstrap makes the way there.

    - vpc: as vpc-0a1b2c3d.
    - subnets: private ones, in two availability zones or more.
    - database-security-group: the database's own, in which bootstrap lets the service in.
    - database-port: where the database listens.
    """

    vpc: str
    subnets: tuple[str, ...]
    database_security_group: str
    database_port: int = 5432

    def __post_init__(self) -> None:
        if not self.vpc.startswith("vpc-"):
            raise MismatchError("vpc", f"found {self.vpc!r}, allowed is one like vpc-0a1b2c3d")
        if not self.subnets or not all(subnet.startswith("subnet-") for subnet in self.subnets):
            raise MismatchError("subnets", f"found {list(self.subnets)}, allowed are ones like subnet-0a1b2c3d")
        if not self.database_security_group.startswith("sg-"):
            raise MismatchError(
                "database-security-group",
                f"found {self.database_security_group!r}, allowed is one like sg-0a1b2c3d",
            )
        if not 1 <= self.database_port <= 65535:
            raise MismatchError("database-port", f"found {self.database_port}, allowed is 1 to 65535")


@dataclass(frozen=True)
class Scaling:
    """`[tool.slipway.environments.NAME.scaling]`: how many instances bootstrap lets the service have.

    - concurrency: requests that one instance answers at once, before another starts.
    - least: instances that are always there, 1 to 25.
    - most: instances at the busiest time, 1 to 25.
    """

    concurrency: int = 100
    least: int = 1
    most: int = 25

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= 200:
            raise MismatchError("concurrency", f"found {self.concurrency}, allowed is 1 to 200")
        if not 1 <= self.least <= self.most <= 25:
            raise MismatchError(
                "most", f"found least {self.least} and most {self.most}, allowed is 1 to 25, least first"
            )


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """`[tool.slipway.migrations]`: how the service's alembic history is reached.

    - config: alembic's own settings file, relative to pyproject.toml.
    - postgres: the major that production runs ("17"), or an image reference with a digest.
    - extensions: Postgres extensions that must exist before the first revision.
    - start-after: findings in this revision and older ones are history, not news.
    - levels: how much rules of the gate weigh here, by rule, such as {Q01 = "error", D03 = "off"}; else as docs/gate.md says.
    - database-variable: the environment variable in which the service expects its database's URL.
    - driver: what stands before `://` in that URL ("postgresql+asyncpg"); by default a plain postgresql.
    - patience: seconds that one step of a revision may take on the gate's empty tables, and env.py beside them; what takes longer is a finding.
    - variables: further variables that the service needs to be imported, with stand-in values, which are no secrets, for the gate, the checks, the preflight and the rehearsal;
      {url}, {host}, {port}, {user}, {password} and {database} stand for the parts of the database's URL.
    """

    config: str = "alembic.ini"
    postgres: str = "18"
    extensions: tuple[str, ...] = ()
    start_after: str | None = None
    levels: Mapping[str, Weight] = field(default_factory=dict)
    database_variable: str = "DATABASE_URL"
    driver: str = "postgresql"
    patience: int = 120
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.driver.startswith("postgresql"):
            raise MismatchError("driver", f"found {self.driver!r}, allowed is postgresql or postgresql+DRIVER")
        if self.patience < 1:
            raise MismatchError("patience", f"found {self.patience}, allowed are whole seconds from 1")

    def told(self, url: str) -> dict[str, str]:
        """The variables by which the service learns of its database, from a plain postgresql:// URL."""
        words = parts_of(f"{self.driver}://{url.partition('://')[2]}")
        return {self.database_variable: words["url"]} | {
            name: filled(template, words) for name, template in self.variables.items()
        }

    @property
    def major(self) -> int | None:
        """The wanted Postgres major, or None when an image is named instead."""
        return int(self.postgres) if self.postgres.isdecimal() else None


@dataclass(frozen=True, kw_only=True)
class MigrationRunner:
    """`[tool.slipway.environments.NAME.migration]`: how the database there is migrated before a release. docs/how-to/migrations.md says what AWS must allow.

    - runner: "direct", from where slipway runs; "ecs-task", from a Fargate task in the VPC, for a database that nobody outside can reach.
    - cluster: the ECS cluster of the task.
    - subnets: of the task, by id; needed for ecs-task.
    - security-groups: of the task, by id; the database must let them in; needed for ecs-task.
    - execution-role: the ARN of the role with which ECS pulls the image, reads the secrets and writes the log; needed for ecs-task.
    - task-role: the ARN of the role that the migration itself has.
    - public-ip: whether the task gets a public address, which it needs in a public subnet to reach ECR.
    - cpu: of the task, in units, 1024 is one vCPU.
    - memory: of the task, in MB; Fargate takes certain pairs only.
    - log-group: where the task writes, which must be there; /slipway/ and the service's name in App Runner by default.
    - patience: seconds until nobody waits for the task any longer; it goes on all the same.
    """

    runner: Runner
    cluster: str = "default"
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    execution_role: str | None = None
    task_role: str | None = None
    public_ip: bool = False
    cpu: int = 256
    memory: int = 512
    log_group: str | None = None
    patience: int = 1800

    def __post_init__(self) -> None:
        if self.memory not in _TASK_MEMORY_OF_CPU.get(self.cpu, ()):
            pairs = "; ".join(f"{cpu} with {sizes[0]} to {sizes[-1]}" for cpu, sizes in _TASK_MEMORY_OF_CPU.items())
            raise MismatchError("memory", f"found cpu {self.cpu} with memory {self.memory}, allowed are {pairs}")
        if self.patience < 1:
            raise MismatchError("patience", f"found {self.patience}, allowed are whole seconds from 1")
        needed = {
            "subnets": self.subnets,
            "security-groups": self.security_groups,
            "execution-role": self.execution_role,
        }
        if self.runner is Runner.ECS_TASK and (missing := [key for key, value in needed.items() if not value]):
            raise MismatchError(missing[0], f"missing, the runner ecs-task needs {' and '.join(missing)}")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """`[tool.slipway.environments.NAME]`: one place where the service runs.

    - target: "app-runner"; "ecs-express" is planned.
    - region: as eu-west-1.
    - account: the 12 digits of the AWS account.
    - access-role: the ARN of the role with which App Runner pulls from ECR.
    - service: what the service is called there; the service's name and the environment's, with a dash, by default.
    - instance-role: the ARN of the role that the running service has.
    - cpu: in units, 1024 is one vCPU.
    - memory: in MB; App Runner takes certain pairs only.
    - variables: plain values, by variable.
    - secrets: ARNs in Secrets Manager or SSM, by variable.
    - vpc-connector: the ARN of the VPC connector by which the service reaches a private network; without one it has the internet only.
    - auto-scaling: the ARN of an auto scaling configuration, with its revision; the account's DefaultConfiguration by default.
    - network: a table of its own, below; without one the service reaches what the internet reaches.
    - scaling: a table of its own, below; without one the account's default holds.
    - migration: how the database is migrated before a release, the table below; without it nobody migrates but `slipway migrate --database-url-from`.
    """

    target: TargetKind
    region: str
    account: str
    access_role: str
    service: str | None = None
    instance_role: str | None = None
    cpu: int = 1024
    memory: int = 2048
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    vpc_connector: str | None = None
    auto_scaling: str | None = None
    network: Network | None = None
    scaling: Scaling | None = None
    migration: MigrationRunner | None = None

    def __post_init__(self) -> None:
        for key, kind, arn in (
            ("vpc-connector", "vpcconnector", self.vpc_connector),
            ("auto-scaling", "autoscalingconfiguration", self.auto_scaling),
        ):
            if arn is not None and not re.fullmatch(_SHARED.format(kind), arn):
                raise MismatchError(
                    key, f"found {arn!r}, allowed is arn:aws:apprunner:REGION:ACCOUNT:{kind}/NAME/REVISION/ID"
                )
        if not _ACCOUNT.fullmatch(self.account):
            raise MismatchError("account", f"found {self.account!r}, allowed are the 12 digits of an AWS account")
        if self.memory not in _MEMORY_OF_CPU.get(self.cpu, ()):
            pairs = "; ".join(f"{cpu} with {', '.join(map(str, sizes))}" for cpu, sizes in _MEMORY_OF_CPU.items())
            raise MismatchError("memory", f"found cpu {self.cpu} with memory {self.memory}, allowed are {pairs}")
        _check_secrets(self.secrets)
        _check_names(self.variables, self.secrets)


def _check_secrets(secrets: Mapping[str, str]) -> None:
    for variable, arn in secrets.items():
        if not arn.startswith("arn:"):
            raise MismatchError(
                f"secrets.{variable}",
                "found something else than an ARN, secrets are named by ARN and never written here",
            )


def _check_names(variables: Mapping[str, str], secrets: Mapping[str, str]) -> None:
    for table, names in (("variables", variables), ("secrets", secrets)):
        for name in names:
            if name == "PORT" or name.startswith("AWSAPPRUNNER"):
                raise MismatchError(f"{table}.{name}", "found a name that App Runner keeps for itself")
    if both := sorted(set(variables) & set(secrets)):
        raise MismatchError(
            f"variables.{both[0]}", "found a name that is among the secrets too, allowed is one of them"
        )


class Subjects(Enum):
    """Which forms of a repository's name a role trusts."""

    BOTH = "both"
    NUMBERS = "numbers"


@dataclass(frozen=True)
class Github:
    """`[tool.slipway.github]`: who deploys from GitHub Actions; bootstrap makes the roles.

    - repository: as OWNER/NAME, or with GitHub's numbers as OWNER@OWNER_ID/NAME@NAME_ID.
    - subjects: with numbers, "both" trusts the name with and without them, "numbers" only with them.
    - branch: whose jobs may publish images and plan.
    - oidc-provider: the ARN of the account's provider for GitHub, where one is there already; else bootstrap makes it.
    """

    repository: str
    subjects: Subjects = Subjects.BOTH
    branch: str = "main"
    oidc_provider: str | None = None

    def __post_init__(self) -> None:
        found = _GITHUB.fullmatch(self.repository)
        if not found or (found["owner"] is None) != (found["name"] is None):
            raise MismatchError(
                "repository", f"found {self.repository!r}, allowed is OWNER/NAME or OWNER@OWNER_ID/NAME@NAME_ID"
            )
        if self.subjects is Subjects.NUMBERS and found["owner"] is None:
            raise MismatchError("subjects", "found 'numbers', and repository has none: OWNER@OWNER_ID/NAME@NAME_ID")


@dataclass(frozen=True)
class Rehearsal:
    """`[tool.slipway.rehearsal]`: source commits that tell the second and third act, as `git format-patch` files.

    - refused: a commit whose migration the gate must refuse.
    - rolled-back: a commit that the platform must roll back.
    """

    refused: str | None = None
    rolled_back: str | None = None


@dataclass(frozen=True)
class Checks:
    """`[tool.slipway.checks]`: the service's own checks, as commands. They run in a container with its groups of development.

    - lint: as ["ruff", "check"].
    - types: as ["mypy"].
    - tests: as ["pytest"]; beside an empty Postgres, which they find by the variables of [tool.slipway.migrations].
    - sources: the files and folders that they need besides the service's own; all that git tracks by default.
    """

    lint: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Images:
    """`[tool.slipway.images]`: what images are made of. Images to use instead of the pinned ones, for private mirrors, are named by digest.

    - platform: of the service's image; App Runner runs nothing but linux/amd64.
    - distroless: whether the service's image has only what the service loads, no shell and no package manager.
    - python: for builder and runtime.
    - uv: holds /uv.
    - postgres: for the gate.
    - registry: for the rehearsal.
    """

    platform: str = "linux/amd64"
    distroless: bool = False
    python: str | None = None
    uv: str | None = None
    postgres: str | None = None
    registry: str | None = None

    def __post_init__(self) -> None:
        if not _PLATFORM.fullmatch(self.platform):
            raise MismatchError("platform", f"found {self.platform!r}, allowed is one like linux/amd64 or linux/arm64")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`[tool.slipway]`.

    - name: the service's name, and its repository's.
    - command: how it starts, as a list; never passed through a shell.
    - sources: the files and folders that are shipped, besides pyproject.toml and the lock; all that git tracks by default.
    - port: where it listens. The platform also sets PORT.
    - health-path: answers 200 when traffic may come; without one a TCP connection must do.
    - smoke-paths: asked with GET after a deploy to staging; each must answer below 400.
    """

    name: str
    command: tuple[str, ...]
    sources: tuple[str, ...] = ()
    port: int = 8000
    health_path: str | None = None
    smoke_paths: tuple[str, ...] = ()
    migrations: Migrations = Migrations()
    environments: Mapping[str, Environment] = field(default_factory=dict)
    rehearsal: Rehearsal = Rehearsal()
    checks: Checks = Checks()
    images: Images = Images()
    github: Github | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise MismatchError(
                "name",
                f"found {self.name!r:.80}, allowed are small letters and digits, with single . _ - between them, 2 to 256 of them",
            )
        if not self.command:
            raise MismatchError("command", "found an empty list, allowed is a program and its arguments")
        if not 1 <= self.port <= 65535:
            raise MismatchError("port", f"found {self.port}, allowed is 1 to 65535")
        for name in self.environments:
            if not _ENVIRONMENT.fullmatch(name):
                raise MismatchError(
                    f"environments.{name}",
                    "found a name that cannot stand in a tag, allowed are 1 to 40 letters, digits, - and _",
                )
        for path in (self.health_path, *self.smoke_paths):
            if path is not None and not path.startswith("/"):
                raise MismatchError(
                    "health-path" if path == self.health_path else "smoke-paths",
                    f"found {path!r}, a path begins with /",
                )

    def made_of(self, images: Mapping[str, Any]) -> "Settings":
        """The same with other values of [tool.slipway.images], as flags name them; raises SettingsError."""
        try:
            return replace(self, images=replace(self.images, **images))
        except MismatchError as error:
            raise SettingsError(f"--{error.at}", error.problem) from error

    def environment(self, name: str) -> Environment:
        """One environment; raises SettingsError with the names there are."""
        if name not in self.environments:
            known = ", ".join(sorted(self.environments)) or "none"
            raise SettingsError(
                f"there is no environment {name!r}",
                f"pyproject.toml has {known}; add [tool.slipway.environments.{name}]",
            )
        return self.environments[name]

    def service_name(self, environment: str) -> str:
        """What the service is called in an environment; raises SettingsError when AWS would not take the name."""
        name = self.environment(environment).service or f"{self.name}-{environment}"
        if not _SERVICE_NAME.fullmatch(name):
            raise SettingsError(
                f"App Runner takes no service name like {name!r}",
                f"set service in [tool.slipway.environments.{environment}] to 4 to 40 letters, digits, - and _",
            )
        return name


def parse(text: str, file: str = "pyproject.toml") -> Settings:
    """Read the settings from the text of a pyproject.toml; raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # tomllib's own error, and int()'s of a number without end
        raise SettingsError(f"{file} is not TOML", str(error)) from error
    tool = document.get("tool")
    table = tool.get("slipway") if isinstance(tool, dict) else None
    if table is None:
        raise MissingTableError(file)
    try:
        return read(Settings, table, "", kebab)
    except MismatchError as error:
        raise SettingsError(f"{file}: [tool.slipway] {error.at}".rstrip(), error.problem) from error


class MissingTableError(SettingsError):
    """A pyproject.toml without `[tool.slipway]`: not ours yet."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} has no [tool.slipway]", 'add the table with at least name = "…" and command = ["…"]')


def load(source: Path) -> Settings:
    """Read the settings of the service in the folder `source`; raises SettingsError."""
    file = source / "pyproject.toml"
    if not file.is_file():
        raise SettingsError(
            f"there is no pyproject.toml in {source.resolve()}", "name the service's folder with --source"
        )
    return load_file(file)


def load_file(file: Path) -> Settings:
    """Read the settings from a TOML file with `[tool.slipway]`; raises SettingsError."""
    try:
        return parse(file.read_text(encoding="utf-8"), file.name)
    except OSError as error:
        raise SettingsError(f"{file} cannot be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8", str(error)) from error
