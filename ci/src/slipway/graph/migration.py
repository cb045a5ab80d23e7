"""The migration of a database from a container of the engine, which is the release's own image with slipway mounted."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import dagger
from dagger import dag

from slipway.environment.environment import ServiceEnvironment
from slipway.environment.migrate import database_url, in_transactions, service_variables
from slipway.graph.gate import refuse, with_slipway
from slipway.graph.publish import RegistryLogin, signed_in
from slipway.records.form import from_json
from slipway.records.image import Reference
from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event, Tell
from slipway.settings import Migrations

T = TypeVar("T")

_RECORD = "/tmp/migration.json"  # noqa: S108 -- inside a container


@dataclass(frozen=True, kw_only=True)
class ContainerRunner:
    """A runner for databases that the engine can reach. `login` is for the registry. `url` is secret."""

    image: Reference
    login: RegistryLogin | None
    environment: ServiceEnvironment
    url: str = field(repr=False)
    how: str = "a container of the engine"

    async def migrate(self, tell: Tell) -> Migration:
        tell(Event("migrating from a container of the engine"))
        proven = self.environment.transactions
        return await migrate(
            self._container(), self.environment.settings.migrations, self.url, self._variables(), proven
        )

    async def standing(self) -> Standing:
        return await read_standing(self._container(), self.environment.settings.migrations, self.url, self._variables())

    def _container(self) -> dagger.Container:
        container = dag.container()
        if self.login:
            container = container.with_registry_auth(str(self.image), self.login.user, self.login.password)
        return container.from_(str(self.image))

    def _variables(self) -> dict[str, str]:
        return service_variables(self.environment, self.url)


async def runner_at(environment: ServiceEnvironment, digest: str, _deployment: str) -> ContainerRunner:
    """Return the runner for an environment's database. Raise SlipwayError when its URL or the image is unavailable."""
    image = environment.spec(digest).image
    login = await signed_in(str(image), environment.keys)
    url = await database_url(environment, None, {})
    return ContainerRunner(image=image, login=login, environment=environment, url=url)


async def migrate(
    container: dagger.Container, migrations: Migrations, url: str, variables: Mapping[str, str], transactions: str = ""
) -> Migration:
    """Bring the database to the head of the release in `container`, in these transactions if they are known.

    Raise RefusedError on failure.
    """
    database = {"url": url, "variables": dict(variables)}
    return await _asked(Migration, container, migrations, database, *in_transactions(transactions))


async def read_standing(
    container: dagger.Container, migrations: Migrations, url: str, variables: Mapping[str, str]
) -> Standing:
    """Read the database's revisions, without changing anything."""
    return await _asked(Standing, container, migrations, {"url": url, "variables": dict(variables)}, "--status")


async def _asked(
    kind: type[T], container: dagger.Container, migrations: Migrations, database: Mapping[str, object], *options: str
) -> T:
    """Run the migration program and read its record. A unique variable keeps each call out of the cache."""
    call = uuid.uuid4().hex
    secret = dag.set_secret(f"database-{call}", json.dumps(database))
    done = (
        with_slipway(container)
        .with_secret_variable("SLIPWAY_DATABASE", secret)
        .with_env_variable("SLIPWAY_CALL", call)
        .with_exec(
            ["python", "-m", "slipway.migration", *migrations.runner, *options, _RECORD],
            expect=dagger.ReturnType.ANY,
        )
    )
    if code := await done.exit_code():
        await refuse(done, _RECORD, f"the migration ended with the exit code {code}")
    return from_json(kind, await done.file(_RECORD).contents(), "the migration's record")
