"""prove: execute the migrations of a folder against an ephemeral Postgres. The gate on a host; `graph` does the same in containers."""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from slipway.errors import BadInputError
from slipway.local.inside import Database, started
from slipway.local.server import NamedServer
from slipway.postgres import binaries
from slipway.postgres.server import running
from slipway.records.form import from_json, to_json
from slipway.records.history import Listing, Since
from slipway.records.previous import Previous
from slipway.records.proof import Proof
from slipway.settings import Migrations
from slipway.workload.dependencies import Python

T = TypeVar("T")

# Stands for the server that is not started yet; revisions may read the variables when they are imported.
_NOWHERE = "postgresql://slipway@127.0.0.1:1/slipway"


async def prove(  # noqa: PLR0913, PLR0917 -- the question in its parts
    folder: Path,
    python: Python,
    migrations: Migrations,
    server: NamedServer | None = None,
    since: Since | None = None,
    previous: Previous | None = None,
) -> Proof:
    """Prove the history in `folder`; raises SlipwayError when it cannot be executed, and returns a failed proof when it fails.

    What was there `since` takes the place of `start_after`; the `previous` release must be able to work with the new schema. The gate starts before Postgres does, for its imports take longer.
    """
    with _options(folder, migrations, since, previous) as options:
        told = options if server else [*options, "--keep"]
        return await _asked(Proof, "the gate's proof", told, folder, python, migrations, server)


async def enumerate_revisions(
    folder: Path, python: Python, migrations: Migrations, server: NamedServer | None = None, since: Since | None = None
) -> Listing:
    """What `prove` would execute; raises what can be known of its SlipwayErrors when nothing is executed."""
    with _options(folder, migrations, since, None) as told:
        options = [*told, "--list", *(["--ask-server", *server.options] if server else [])]
        async with started("slipway.gate", options, folder, python) as gate:
            if server is None:
                await anyio.to_thread.run_sync(binaries.find, migrations.major)
            url = server.url if server else _NOWHERE
            return from_json(Listing, await gate.answer(Database(url, migrations.told(url))), "the gate's listing")


async def tell_models(
    folder: Path, python: Python, migrations: Migrations, name: str, server: NamedServer | None = None
) -> Previous:
    """What the models of the release in `folder` name; raises SlipwayError."""
    with _options(folder, migrations, None, None) as options:
        told = [*options, f"--models={name}"]
        return await _asked(Previous, "the previous release's models", told, folder, python, migrations, server)


async def _asked(  # noqa: PLR0913, PLR0917 -- the question in its parts
    kind: type[T],
    what: str,
    options: Sequence[str],
    folder: Path,
    python: Python,
    migrations: Migrations,
    server: NamedServer | None,
) -> T:
    """What the gate answers when it has a server."""
    async with AsyncExitStack() as stack:
        told = [*options, *(server.options if server else [])]
        gate = await stack.enter_async_context(started("slipway.gate", told, folder, python))
        url = await stack.enter_async_context(_url(folder, migrations, server))
        return from_json(kind, await gate.answer(Database(url, migrations.told(url))), what)


@asynccontextmanager
async def _url(folder: Path, migrations: Migrations, named: NamedServer | None) -> AsyncIterator[str]:
    """The URL of the server that was named, or of one of our own, which keeps what is left over there for the next time."""
    if named:
        yield named.url
        return
    found = await anyio.to_thread.run_sync(binaries.find, migrations.major)
    async with running(found, shelf=f"{folder}\0{sorted(migrations.variables.items())}") as server:
        yield server.url


@contextmanager
def _options(
    folder: Path, migrations: Migrations, since: Since | None, previous: Previous | None
) -> Iterator[list[str]]:
    """What the gate is told, as long as its files are there; raises BadInputError when there is nothing to tell of."""
    if not (folder / migrations.config).is_file():
        raise BadInputError(
            f"there is no {migrations.config} in {folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    told = replace(migrations, start_after=None) if since else migrations
    with tempfile.TemporaryDirectory(prefix="slipway-told-") as files:
        records = {"since": since, "previous": previous}
        yield [*options_of(told), *(_written(Path(files, name), record) for name, record in records.items() if record)]


def _written(file: Path, record: Since | Previous) -> str:
    """Put a record into a file; answers the option that names it."""
    file.write_text(to_json(record), encoding="utf-8")
    return f"--{file.name}={file}"


def options_of(migrations: Migrations) -> list[str]:
    """The settings in the words of `python -m slipway.gate`."""
    return [
        f"--config={migrations.config}",
        f"--patience={migrations.patience}",
        *(f"--extension={name}" for name in migrations.extensions),
        *([f"--start-after={migrations.start_after}"] if migrations.start_after else []),
        *(f"--level={rule}={level.value}" for rule, level in migrations.levels.items()),
    ]
