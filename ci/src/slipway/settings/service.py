"""`[tool.slipway]`: facts about a service, in its own pyproject.toml. It contains no secrets: environments name them by ARN.

The docstring line of each field is its documentation, and its annotation is its constraint. docs/settings.md is made
from both.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Annotated, Any

from slipway.database_url import LOGIN, filled, parts_of, with_scheme
from slipway.errors import BadInputError
from slipway.records.gate import PreviousRelease, Role
from slipway.records.proof import OFF, Level
from slipway.settings.app_runner import AppRunnerEnvironment
from slipway.settings.ecs_express import ExpressEnvironment
from slipway.settings.environment import Environment, MigrationRunner, RunnerKind, TargetKind
from slipway.settings.network import ManagedNetwork
from slipway.structure import Constrained, Filled, MismatchError, Pattern, Range, Variants

_Path = Annotated[str, Pattern(r"/.*", "a path that begins with /")]
_ENVIRONMENT_NAME = Pattern(r"[A-Za-z0-9_-]{1,40}", "1 to 40 letters, digits, - and _")  # the ledger's tags contain it
_REPOSITORY_NAME = Pattern(  # ECR's own rule
    r"(?=.{2,256}$)[a-z0-9]+(?:[._-][a-z0-9]+)*",
    "a name of small letters and digits, with single . _ - between them, 2 to 256 of them",
)
_INSIDE = Pattern(r"(?!/)(?!(?:.*/)?\.\.(?:/|$)).+", "a file in the service's folder")
SENSITIVE_NAME = r"(?i:(?<![a-z])(?:TOKEN|SECRET|PASSWORD|PASSWD|PASS|PWD|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SIGNING)[_-]?KEY)(?![a-z]))"
_NOT_SECRET = Pattern(
    rf"(?!.*{SENSITIVE_NAME})[A-Za-z_]\w*",
    "a name without TOKEN, PASSWORD or the like: an image's history shows its arguments, so list the name in secrets",
)
BUILD_SECRET = Pattern(r"[A-Za-z_][\w.-]*", "a name of letters, digits and _ . -")
_NO_PASSWORD = Pattern(rf"(?s)(?!.*{LOGIN}).*", "a value without a password, which belongs to secrets", secret=True)
_LEVELS = (*(level.value for level in Level), OFF)
_Level = Annotated[str, Pattern("|".join(_LEVELS), f"one of {', '.join(map(repr, _LEVELS))}")]
_PLATFORM = Pattern(  # the architectures of Debian, and so of Python's images
    r"linux/(amd64|arm64|386|arm/v[57]|mips64le|ppc64le|riscv64|s390x)",
    "a platform of Python's images, such as linux/amd64 or linux/arm64",
)
_BASELINE = Pattern(
    r"|[^:]+\.sql|[\w.]+:[\w.]+", 'an SQL file such as "migrations/baseline.sql", or "package.module:metadata"'
)
_TARGETS = Variants("target", {TargetKind.APP_RUNNER: AppRunnerEnvironment, TargetKind.ECS_EXPRESS: ExpressEnvironment})


class SettingsError(BadInputError):
    """A settings file that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Migrations(Constrained):
    """`[tool.slipway.migrations]`: the service's alembic history, and the Postgres it runs on.

    - config: alembic's own settings file, relative to pyproject.toml; alembic also reads [tool.alembic] there.
    - section: the section of that file, as `alembic --name` takes it.
    - x-arguments: what env.py and revisions read with context.get_x_argument(), such as ["tenant=some"], as `alembic -x` takes them.
    - directory: the folder from which alembic is called, such as "src"; the service's own by default. Files of this table stay relative to pyproject.toml.
    - scripts: the folder with env.py, if alembic's settings file names none, as with Flask-Migrate.
    - app: the Flask application in whose context env.py runs, such as "shop:create_app"; an empty text is the one that Flask finds.
      For advanced-alchemy, the object with its configuration, such as "shop.config:alchemy".
    - postgres: the major version in production ("17"), or an image reference with a digest.
    - extensions: Postgres extensions that must exist before the first revision; every empty database gets them, in production too.
    - role: the privileges of the role that runs the revisions in production: "rds_superuser" (the main user of RDS), "owner" (the database's owner, without further rights) or "superuser".
    - baseline: the schema that the first revision expects, if no revision creates it: an SQL file such as "migrations/baseline.sql", written by `pg_dump --schema-only`,
      or "package.module:metadata", whose tables create_all makes. Every empty database begins with it, in production too; revisions that the
      alembic_version of the file names count as run.
    - start-after: revisions up to this one are old: the gate runs them, and does not test them.
    - previous: "required" makes it an error when the previous release could not be replayed on the new schema; with "wanted" the reports only say so.
    - levels: the levels of gate rules, by rule, such as {Q01 = "error", D03 = "off"}; docs/gate.md has the defaults.
    - database-variable: the environment variable in which the service expects its database's URL.
    - driver: the scheme of that URL, such as "postgresql+asyncpg".
    - timeout: seconds for each step of a revision, env.py included, on the gate's empty tables; a slower step is a finding.
    - variables: further variables without which the service cannot be imported, with stand-in values instead of secrets. The gate, the checks and the rehearsal set them.
      {url}, {host}, {port}, {user}, {password} and {database} are replaced by parts of the database's URL. With {host} and without {port}, the service also gets PGPORT.
      A deployed service gets none of them, except that those with the value {url} contain the URL of a managed database.
    - extras, groups: those of the service's project that the environment of its migrations has; by default those that its Dockerfile installs, or that have
      alembic, the driver or what env.py imports.
    - samples: values for columns whose conditions the gate cannot satisfy, such as {"orders.code" = ["A-1", "B-2"]}; different rows get different values.
    """

    config: str = "alembic.ini"
    section: str = "alembic"
    x_arguments: tuple[str, ...] = ()
    directory: str = ""
    scripts: str = ""
    app: str | None = None
    postgres: str = "18"
    extensions: tuple[str, ...] = ()
    role: Role = Role.RDS_SUPERUSER
    baseline: Annotated[str, _BASELINE] = ""
    start_after: str | None = None
    previous: PreviousRelease = PreviousRelease.WANTED
    levels: Mapping[str, _Level] = field(default_factory=dict)
    database_variable: str = "DATABASE_URL"
    driver: Annotated[str, Pattern(r"postgresql.*", "postgresql or postgresql+DRIVER")] = "postgresql"
    timeout: Annotated[int, Range(1)] = 120
    variables: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    samples: Mapping[str, Annotated[tuple[str, ...], Filled("one value or more")]] = field(default_factory=dict)

    @property
    def alembic(self) -> tuple[str, ...]:
        """The arguments of `alembic` that come before its command."""
        section = () if self.section == "alembic" else (f"--name={self.section}",)
        return (f"--config={self.config}", *section, *(f"-x{argument}" for argument in self.x_arguments))

    @property
    def runner(self) -> tuple[str, ...]:
        """The arguments of `python -m slipway.migration`: those of alembic, and slipway's own for what alembic has no flag for."""
        named = {"directory": self.directory, "scripts": self.scripts, "app": self.app, "baseline": self.baseline}
        own = tuple(
            f"--{name}={value}" for name, value in named.items() if value or (name == "app" and value is not None)
        )
        return (*self.alembic, *own, *(f"--extension={name}" for name in self.extensions))

    @property
    def own_runner(self) -> tuple[str, ...]:
        """The arguments of `python -m slipway.migration` that migrate the database in the service's own variable."""
        return (f"--own={self.database_variable}", *self.runner)

    @property
    def url_variables(self) -> tuple[str, ...]:
        """The variables that contain the database's whole URL, except those for tests."""
        whole = (name for name, template in self.variables.items() if template == "{url}")
        return (self.database_variable, *(name for name in whole if "TEST" not in name.upper()))

    @property
    def part_variables(self) -> dict[str, str]:
        """The templates of the variables with parts of the database's URL, or with a URL for another driver, except those for tests."""
        parts = parts_of("").keys()
        return {
            name: template
            for name, template in self.variables.items()
            if name not in self.url_variables
            and filled(template, dict.fromkeys(parts, "")) != template
            and "TEST" not in name.upper()
        }

    def database_variables(self, url: str) -> dict[str, str]:
        """Return the service's variables for the database at a plain postgresql:// URL.

        When the service's variables have the host and not the port, add PGPORT, which libpq and drivers read.
        """
        words = parts_of(with_scheme(url, self.driver))
        named = "".join(self.variables.values())
        port = {"PGPORT": words["port"]} if "{host}" in named and "{port}" not in named else {}
        own = {name: filled(template, words) for name, template in self.variables.items()}
        return {self.database_variable: words["url"]} | port | own

    @property
    def named_variables(self) -> set[str]:
        """The names of the service's variables that are set here, for the database and others."""
        return {self.database_variable, *self.variables}

    @property
    def major(self) -> int | None:
        """The Postgres major version, or None when an image is named instead."""
        return int(self.postgres) if self.postgres.isdecimal() else None


class Subjects(Enum):
    """The forms of a repository's name that a role trusts."""

    BOTH = "both"
    NUMBERS = "numbers"


_REPOSITORY = Pattern(
    r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+|[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+",
    "OWNER/NAME or OWNER@OWNER_ID/NAME@NAME_ID",
)


@dataclass(frozen=True)
class Github(Constrained):
    """`[tool.slipway.github]`: who deploys from GitHub Actions; bootstrap makes the roles.

    - repository: as OWNER/NAME, or with GitHub's numbers as OWNER@OWNER_ID/NAME@NAME_ID.
    - subjects: with numbers, "both" trusts the name with and without them, "numbers" only with them.
    - branch: the branch whose jobs may publish images and plan.
    - oidc-provider: the ARN of the account's provider for GitHub, if it has one; bootstrap makes it otherwise.
    """

    repository: Annotated[str, _REPOSITORY]
    subjects: Subjects = Subjects.BOTH
    branch: str = "main"
    oidc_provider: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.subjects is Subjects.NUMBERS and "@" not in self.repository:
            raise MismatchError("subjects", "found 'numbers', and repository has none: OWNER@OWNER_ID/NAME@NAME_ID")


@dataclass(frozen=True)
class RehearsalCommits:
    """`[tool.slipway.rehearsal]`: patches for the later acts, made by `git format-patch`; their paths are relative to pyproject.toml.

    - refused: a patch with a migration that the gate must refuse.
    - rolled-back: a patch with a release that never becomes healthy, which the platform must roll back.
    - failing: a patch with a release that is healthy and answers the smoke-paths with 500; ECS Express Mode must roll it back.
    """

    refused: str | None = None
    rolled_back: str | None = None
    failing: str | None = None


class TestDatabase(Enum):
    """The content of the database in which the service's tests run."""

    __test__ = False  # pytest must not collect this class
    MIGRATED = "migrated"
    EMPTY = "empty"


@dataclass(frozen=True, kw_only=True)
class Checks(Constrained):
    """`[tool.slipway.checks]`: the service's own checks, as commands. They run in a container with its development dependencies.

    - lint: the linter, such as ["ruff", "check"].
    - format: what the function `format` runs to rewrite files, such as ["ruff", "format"].
    - fix: what the function `fix` runs to rewrite files, such as ["ruff", "check", "--fix"].
    - types: the type checker, such as ["mypy"].
    - tests: the tests, such as ["pytest"]; the variables of [tool.slipway.migrations] name a Postgres of their own.
    - database: whether the tests' Postgres is "migrated" to the head, or "empty".
    - timeout: seconds in which the release must become healthy in the check smoke.
    - sources: the files and folders that their container gets, with the `sources` of [tool.slipway]; by default all that git tracks.
    """

    lint: tuple[str, ...] = ()
    format: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    database: TestDatabase = TestDatabase.MIGRATED
    timeout: Annotated[int, Range(1, 60)] = 60
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Images(Constrained):
    """`[tool.slipway.images]`: what images are built from. Each key replaces a pinned image, by digest, such as by that of a private mirror.

    - platform: the platform of the service's image; a target may accept linux/amd64 only.
    - distroless: whether the service's image contains only what the service loads: no shell, no package manager.
    - packages: Debian packages that the service loads, such as ["libpq5"], in its image and wherever its code runs in containers; an image with them is not reproducible.
    - python: the image for builder and runtime. By default it has the Python of .python-version, or the newest that requires-python allows, from 3.10 to 3.14.
    - uv: the image that contains /uv.
    - postgres: the image for the gate. An image in migrations.postgres, or a major in `dagger call gate --postgres`, takes precedence.
    - registry: the image of the rehearsal's registry.
    - dockerfile: the service's own Dockerfile, such as "Dockerfile", from which its image is built instead; the folder is the context.
      CMD and ENTRYPOINT are kept; `command` starts an image that has neither.
    - target: the stage of the Dockerfile that is shipped; the last one by default.
    - arguments: values of the Dockerfile's ARG, by name. An image's history shows them: a secret belongs to `secrets`.
    - secrets: names of build secrets; their values are passed with --build-secrets. A Dockerfile mounts each by its name as id; in slipway's own
      image they are uv's variables, such as UV_INDEX_PRIVATE_PASSWORD, and `netrc` is a file.
    """

    platform: Annotated[str, _PLATFORM] = "linux/amd64"
    distroless: bool = False
    packages: tuple[Annotated[str, Pattern(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")], ...] = ()
    python: str | None = None
    uv: str | None = None
    postgres: str | None = None
    registry: str | None = None
    dockerfile: Annotated[str, _INSIDE] | None = None
    target: str | None = None
    arguments: Mapping[Annotated[str, _NOT_SECRET], Annotated[str, _NO_PASSWORD]] = field(default_factory=dict)
    secrets: tuple[Annotated[str, BUILD_SECRET], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distroless and self.packages:
            raise MismatchError("packages", "found beside distroless, allowed is one of them")
        both = {"distroless": self.distroless, "packages": self.packages}
        if self.dockerfile and (other := next((name for name, value in both.items() if value), None)):
            raise MismatchError(other, "found beside dockerfile, allowed is one of them")
        for name in ("target", "arguments"):
            if getattr(self, name) and not self.dockerfile:
                raise MismatchError(name, "found without dockerfile, which it is for")


@dataclass(frozen=True, kw_only=True)
class BuildStep(Constrained):
    """`[tool.slipway.build]`: a step in a container of its own, such as of node, whose results are shipped with the sources.

    - image: the image in which the step runs, by digest, or of a mirror.
    - commands: run one after the other in the service's folder, such as [["npm", "ci"], ["npm", "run", "build"]]; never passed through a shell.
    - sources: the files and folders that the commands read; everything that git tracks by default.
    - results: the files and folders that the commands write, and that are shipped.
    """

    image: str
    commands: Annotated[
        tuple[Annotated[tuple[str, ...], Filled("a program and its arguments")], ...], Filled("one command or more")
    ]
    results: Annotated[tuple[Annotated[str, _INSIDE], ...], Filled("one file or folder, or more")]
    sources: tuple[str, ...] = ()


class WhenALaterFails(Enum):
    """The fate of a deployed service when a later service of the same joint release fails."""

    BACK = "back"
    STAY = "stay"


@dataclass(frozen=True, kw_only=True)
class Settings(Constrained):
    """`[tool.slipway]`.

    - name: the service's name, and that of its ECR repository.
    - command: the command that starts the service, as a list; never passed through a shell.
    - sources: the files and folders that are shipped, besides pyproject.toml and the lock; everything that git tracks by default.
    - port: the port on which it listens. The platform also sets PORT.
    - health-path: the path that answers 200 when the service is ready; without it a TCP connection is enough.
    - smoke-paths: paths that are requested with GET after a deployment (default: the health path); each must answer with a status below 400.
    - calls: the services of this repository that it calls, by name, such as ["billing"]. This service gets the private address of each in
      a variable NAME_URL, here BILLING_URL, and is deployed after them by `slipway deploy --all`.
    - when-a-later-fails: whether this service goes "back" to its previous release, or is to "stay", when a later one of the same
      `slipway deploy --all` fails.
    """

    name: Annotated[str, _REPOSITORY_NAME]
    command: Annotated[tuple[str, ...], Filled("a program and its arguments")]
    sources: tuple[str, ...] = ()
    port: Annotated[int, Range(1, 65535)] = 8000
    health_path: _Path | None = None
    smoke_paths: tuple[_Path, ...] = ()
    calls: tuple[Annotated[str, _REPOSITORY_NAME], ...] = ()
    when_a_later_fails: WhenALaterFails = WhenALaterFails.BACK
    migrations: Migrations = Migrations()
    environments: Mapping[Annotated[str, _ENVIRONMENT_NAME], Annotated[Environment, _TARGETS]] = field(
        default_factory=dict
    )
    rehearsal: RehearsalCommits = RehearsalCommits()
    checks: Checks = Checks()
    images: Images = Images()
    build: BuildStep | None = None
    github: Github | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.build and self.images.dockerfile:
            raise MismatchError("build", "found beside images.dockerfile, which can have a stage for it")
        self._check_calls()
        ledgers = [self.ledger(name) for name in self.environments]
        if len(set(ledgers)) < len(ledgers):
            raise MismatchError(
                "environments", "found two names that differ only in case, - or _, so that they would share a ledger"
            )

    def _check_calls(self) -> None:
        for index, callee in enumerate(self.calls):
            at, variable = f"calls[{index}]", variable_of(callee)
            if callee == self.name:
                raise MismatchError(at, f"found {callee!r}, the service itself, allowed are other services")
            if variable in map(variable_of, self.calls[:index]):
                raise MismatchError(at, f"found {callee!r}, and another one has its variable, {variable}")
            taken = {
                f"environments.{name}": {*each.variables, *each.secrets} for name, each in self.environments.items()
            }
            taken["migrations.database-variable"] = {self.migrations.database_variable}
            if place := next((place for place, names in taken.items() if variable in names), None):
                raise MismatchError(at, f"found {callee!r}, whose address is in {variable}, which {place} has too")

    def made_of(self, images: Mapping[str, Any]) -> "Settings":
        """Return these settings with the values of flags in [tool.slipway.images].

        Raise SettingsError when a value does not fit.
        """
        try:
            return replace(self, images=replace(self.images, **images))
        except MismatchError as error:
            raise SettingsError(f"--{error.at}", error.problem) from error

    def environment(self, name: str) -> Environment:
        """Return one environment, with the secret and the runner of a managed database.

        Raise SettingsError with the names of all environments when there is no such environment.
        """
        if name not in self.environments:
            known = ", ".join(sorted(self.environments))
            one_of_them = f"name one of {known}, or " if known else ""
            table = name if _ENVIRONMENT_NAME.fits(name) else "ENVIRONMENT"
            raise SettingsError(
                f"there is no environment {name!r}", f"{one_of_them}add [tool.slipway.environments.{table}]"
            )
        env = self.environments[name]
        if env.database is None:
            return env
        secrets = {**self.database_secrets(name), **env.secrets}
        return replace(env, secrets=secrets, migration=env.migration or self._runner(name, env))

    def _runner(self, name: str, env: Environment) -> MigrationRunner | None:
        """Return the ECS task that migrates a managed database, in the service's subnets and security groups.

        Return None before these are known.
        """
        if not (isinstance(env, ExpressEnvironment) and env.subnets and env.security_groups):
            return None
        service = env.service or f"{self.name}-{name}"
        return MigrationRunner(
            runner=RunnerKind.ECS_TASK,
            subnets=env.subnets,
            security_groups=env.security_groups,
            execution_role=f"arn:{env.partition}:iam::{env.account}:role/{service}-migration",
            public_ip=isinstance(env.network, ManagedNetwork) and not env.network.private,
        )

    def database_secrets(self, name: str, *, owner: bool = False) -> dict[str, str]:
        """Return the secrets with the URL of a managed database and with its parts, by the variables that need these.

        Leave out variables for which the settings have a value. Migrations connect as the `owner` of the tables, the
        service as another role.
        """
        env, variable = self.environments[name], self.migrations.database_variable
        if env.database is None or variable in {**env.secrets, **env.variables}:
            return {}
        secret = self.database_secret(name, owner=owner)
        arn = f"arn:{env.partition}:secretsmanager:{env.region}:{env.account}:secret:{secret}"
        found = dict.fromkeys(self.migrations.url_variables, arn)
        found |= {each: f"{arn}/parts/{each}" for each in self.migrations.part_variables}
        return {each: secret for each, secret in found.items() if each not in {**env.secrets, **env.variables}}

    def database_secret(self, name: str, *, owner: bool) -> str:
        """Return the name of the secret with the URL of a managed database."""
        service = self.environments[name].service or f"{self.name}-{name}"
        return f"{service}/{self.migrations.database_variable}{'/owner' if owner else ''}"

    def service_name(self, environment: str) -> str:
        """Return the service's name in an environment. Raise SettingsError when the target does not accept the name."""
        env = self.environment(environment)
        name = env.service or f"{self.name}-{environment}"
        if not env.service_names.fits(name):
            raise SettingsError(
                f"a service on {env.target.value} cannot be called {name!r}",
                f"set service in [tool.slipway.environments.{environment}] to {env.service_names.allowed}",
            )
        return name

    def migration_log(self, environment: str) -> str:
        """Return the log group of the tasks that migrate an environment's database.

        Raise SettingsError for an unknown environment.
        """
        migration = self.environment(environment).migration
        return (migration and migration.log_group) or f"/slipway/{self.service_name(environment)}"

    def repository(self, environment: str) -> str:
        """Return the address of the service's ECR repository in an environment; raises SettingsError."""
        env = self.environment(environment)
        return f"{env.account}.dkr.ecr.{env.region}.{env.domain}/{self.name}"

    def ledger(self, environment: str) -> str:
        """Return the name of the ECR repository with an environment's ledger."""
        return ledger_repository(self.name, environment)


def variable_of(service: str) -> str:
    """Return the name of the variable with a called service's address: `BILLING_URL` for `billing`, `TAX_RATES_URL` for `tax-rates`."""
    return f"{re.sub('[^A-Z0-9]', '_', service.upper())}_URL"


def ledger_repository(name: str, environment: str) -> str:
    """Return the name of the repository with an environment's ledger, in the characters that ECR allows."""
    return f"{name}-ledger-{'-'.join(filter(None, re.split('[-_]+', environment.lower()))) or 'x'}"
