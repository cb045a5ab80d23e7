"""The migration of an environment's database to a release's head, with the release's own code and one runner at a time."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from slipway.database_url import parts_of
from slipway.environment.opened import OpenEnvironment
from slipway.errors import BadInputError, RefusedError
from slipway.local.inside import Database, started
from slipway.postgres.datadir import cache
from slipway.records.form import from_json
from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event, Tell
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import place_of
from slipway.release.aws.references import value_of
from slipway.release.runners import Runner
from slipway.release.runners.definition import TaskOrder
from slipway.release.runners.ecs_task import EcsTask
from slipway.settings import Migrations, RunnerKind, SettingsError
from slipway.workload.process import HostBackend, NoTreeError, Unpacked

T = TypeVar("T")


async def migrate(release: Unpacked, migrations: Migrations, url: str) -> Migration:
    """Run the revisions that the database at `url` lacks. Raise RefusedError, which names the revision, when one fails."""
    return await _run(Migration, release, migrations, Database(url, migrations.database_variables(url)))


def in_transactions(proven: str) -> tuple[str, ...]:
    """Return the options with which a migration must use these transactions; none when they are unknown."""
    return (f"--transactions={proven}",) if proven else ()


async def _run(kind: type[T], release: Unpacked, migrations: Migrations, database: Database, *options: str) -> T:
    async with started("slipway.migration", [*migrations.runner, *options], release.folder, release.python) as runner:
        return from_json(kind, await runner.answer(database), "the migration's record")


def runner_of(
    environment: OpenEnvironment,
    digest: str,
    *,
    deployment: str | None = None,
    database_url_from: str | None = None,
    transactions: str = "",
) -> Runner:
    """Return the runner that the settings choose, which migrates to the digest's head.

    Raise SettingsError when settings are missing.
    - deployment: the deployment's name.
    - database_url_from: a variable of this process with the database's URL. With it, this machine migrates, whatever
      the settings say.
    - transactions: the certificate's transactions, if they are known.
    """
    migration = environment.own_settings.migration
    if database_url_from is None and (migration is None or migration.runner is RunnerKind.ECS_TASK):
        order = TaskOrder(
            settings=environment.resolved, environment=environment.name, digest=digest, transactions=transactions
        )
        return EcsTask(aws=environment.aws, time=environment.time, order=order, deployment=deployment)
    return DirectRunner(
        environment=environment, digest=digest, url_variable=database_url_from, transactions=transactions
    )


@dataclass(frozen=True, kw_only=True)
class DirectRunner:
    """A runner on this machine, with the release's own files and Python.

    The database's URL comes from a secret of the environment, or from the variable `url_variable`. The runner refuses
    other `transactions`.
    """

    environment: OpenEnvironment
    digest: str
    url_variable: str | None = None
    transactions: str = ""
    how: str = "this machine"

    async def migrate(self, tell: Tell) -> Migration:
        database = await self._database()
        tell(Event("migrating from this machine"))
        async with self._unpacked() as release:
            proven = in_transactions(self.transactions)
            return await _run(Migration, release, self.environment.settings.migrations, database, *proven)

    async def standing(self) -> Standing:
        database = await self._database()
        async with self._unpacked() as release:
            return await _run(Standing, release, self.environment.settings.migrations, database, "--status")

    async def _database(self) -> Database:
        url = await database_url(self.environment, self.url_variable, os.environ)
        return Database(url, service_variables(self.environment, url))

    @asynccontextmanager
    async def _unpacked(self) -> AsyncIterator[Unpacked]:
        repository, digest = self.environment.settings.name, self.digest
        backend = await backend_of(self.environment.aws, repository)
        try:
            async with backend.unpacked(repository, digest) as release:
                yield release
        except NoTreeError as error:
            raise RefusedError(
                f"{repository}@{digest} is an image for containers, and this machine runs none",
                'set runner = "ecs-task" for this environment, or migrate on an engine with `dagger call`',
            ) from error


async def backend_of(aws: Aws, repository: str) -> HostBackend:
    """Return the backend that runs releases from a repository of the account on this machine."""
    place = await place_of(aws, repository)
    return HostBackend(url=place.url, login=place.login, cache=cache())


async def database_url(environment: OpenEnvironment, url_variable: str | None, process: Mapping[str, str]) -> str:
    """Return the URL of an environment's database. Raise BadInputError, whose text never contains the URL."""
    if url_variable is not None:
        if not process.get(url_variable):
            raise BadInputError(f"the variable {url_variable} is not set here", "set it to the database's URL")
        return _checked(process[url_variable], f"the variable {url_variable}")
    env, variable = environment.own_settings, environment.settings.migrations.database_variable
    if variable in env.secrets:
        return _checked(await value_of(environment.aws, env.secrets[variable]), f"the secret behind {variable}")
    if variable in env.variables:
        return _checked(env.variables[variable], f"the variable {variable}")
    raise SettingsError(
        f"{environment.name} has no {variable}, by which its database is found",
        f"add its secret to secrets in [tool.slipway.environments.{environment.name}], or name a variable with --database-url-from",
    )


def service_variables(environment: OpenEnvironment, url: str) -> dict[str, str]:
    """Return the variables for the service's env.py: the URL, plain values, and stand-ins for other secrets."""
    migrations = environment.settings.migrations
    return (
        migrations.database_variables(url)
        | dict(environment.own_settings.variables)
        | {migrations.database_variable: url}
    )


def _checked(url: str, where: str) -> str:
    if url.lstrip().startswith("{"):
        raise BadInputError(f"{where} holds JSON", "name its key at the end of the ARN, as ARN:url:: does")
    try:
        is_url = url.startswith("postgres") and "://" in url and bool(parts_of(url))
    except ValueError:  # the part after a colon may belong to a password instead of being a port
        is_url = False
    if not is_url:
        raise BadInputError(
            f"{where} holds no Postgres URL", "allowed is postgresql://user:password@host:port/database"
        )
    return url
