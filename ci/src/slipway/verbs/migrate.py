"""migrate: bring an environment's database to a release's head, from the release's own artifact, one runner at a time; or look where it stands."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from slipway.database_url import parts_of
from slipway.errors import BadInputError, RefusedError
from slipway.local.inside import Database, started
from slipway.postgres.datadir import cache
from slipway.records.form import from_json
from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event
from slipway.release.aws.client import Aws
from slipway.release.aws.ecr import place_of
from slipway.release.aws.references import value_of
from slipway.release.engine.engine import Time
from slipway.release.runners.definition import order_of
from slipway.release.runners.ecs_task import EcsTask
from slipway.release.runners.runner import Runner, Tell
from slipway.settings import Environment, Migrations, Settings, SettingsError
from slipway.settings import RunnerKind as Kind
from slipway.workload.host import HostBackend, NoTreeError, Unpacked

T = TypeVar("T")


async def migrate(release: Unpacked, migrations: Migrations, url: str) -> Migration:
    """Run the revisions that the database behind `url` lacks; raises RefusedError when one fails, and says which."""
    return await _asked(Migration, release, migrations, Database(url, migrations.told(url)))


async def _asked(kind: type[T], release: Unpacked, migrations: Migrations, database: Database, *options: str) -> T:
    async with started(
        "slipway.migration", [f"--config={migrations.config}", *options], release.folder, release.python
    ) as runner:
        return from_json(kind, await runner.answer(database), "the migration's record")


@dataclass(frozen=True)
class Wanted:
    """A digest to whose head an environment's database shall be brought."""

    settings: Settings
    environment: str
    digest: str


def runner_of(
    wanted: Wanted, aws: Aws, time: Time, *, deployment: str | None = None, database_url_from: str | None = None
) -> Runner:
    """Who migrates it, as the environment's settings say; raises SettingsError when they say too little.

    `deployment` names the deployment as nothing else does. `database_url_from` is a variable of this process with the database's URL: then
    it is migrated from here, whatever the settings say.
    """
    there = wanted.settings.environment(wanted.environment).migration
    if database_url_from is None and (there is None or there.runner is Kind.ECS_TASK):
        return EcsTask(aws, time, order_of(wanted.settings, wanted.environment, wanted.digest), deployment)
    return Direct(aws, wanted, database_url_from)


@dataclass(frozen=True)
class Direct:
    """From this machine, with the release's own files and Python. The URL is a secret of the environment's, or in the variable `named`."""

    aws: Aws
    wanted: Wanted
    named: str | None = None
    how: str = "this machine"

    async def migrate(self, tell: Tell) -> Migration:
        database = await self._database()
        tell(Event("migrating from this machine"))
        async with self._unpacked() as release:
            return await _asked(Migration, release, self.wanted.settings.migrations, database)

    async def look(self) -> Standing:
        database = await self._database()
        async with self._unpacked() as release:
            return await _asked(Standing, release, self.wanted.settings.migrations, database, "--look")

    async def _database(self) -> Database:
        url = await database_url(self.aws, self.wanted, self.named, os.environ)
        return Database(url, told(self.wanted, url))

    @asynccontextmanager
    async def _unpacked(self) -> AsyncIterator[Unpacked]:
        repository, digest = self.wanted.settings.name, self.wanted.digest
        place = await place_of(self.aws, repository)
        try:
            async with HostBackend(place.url, place.login, cache()).unpacked(repository, digest) as release:
                yield release
        except NoTreeError as error:
            raise RefusedError(
                f"{repository}@{digest} is an image for containers, and this machine runs none",
                'set runner = "ecs-task" for this environment, or migrate on an engine with `dagger call`',
            ) from error


async def database_url(aws: Aws, wanted: Wanted, named: str | None, process: Mapping[str, str]) -> str:
    """The URL of an environment's database; raises BadInputError without ever repeating what it has read."""
    if named is not None:
        if not process.get(named):
            raise BadInputError(f"the variable {named} is not set here", "it must hold the database's URL")
        return _checked(process[named], f"the variable {named}")
    there, variable = _environment(wanted), wanted.settings.migrations.database_variable
    if variable in there.secrets:
        return _checked(await value_of(aws, there.secrets[variable]), f"the secret behind {variable}")
    if variable in there.variables:
        return _checked(there.variables[variable], f"the variable {variable}")
    raise SettingsError(
        f"{wanted.environment} has no {variable}, by which its database is found",
        f"add its secret to secrets in [tool.slipway.environments.{wanted.environment}], or name a variable with --database-url-from",
    )


def told(wanted: Wanted, url: str) -> dict[str, str]:
    """The variables of the service for its env.py: the URL as it stands, plain values, stand-ins for all else."""
    migrations = wanted.settings.migrations
    return migrations.told(url) | dict(_environment(wanted).variables) | {migrations.database_variable: url}


def _environment(wanted: Wanted) -> Environment:
    return wanted.settings.environment(wanted.environment)


def _checked(url: str, where: str) -> str:
    if url.lstrip().startswith("{"):
        raise BadInputError(f"{where} holds JSON", "name its key at the end of the ARN, as ARN:url:: does")
    try:
        is_url = url.startswith("postgres") and "://" in url and bool(parts_of(url))
    except ValueError:  # a port that is no number, and it may be a piece of a password
        is_url = False
    if not is_url:
        raise BadInputError(
            f"{where} holds no URL of a Postgres", "allowed is postgresql://user:password@host:port/database"
        )
    return url
