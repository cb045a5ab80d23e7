"""prove: execute the migrations of a folder against an ephemeral Postgres. The gate on a host; `graph` does the same in containers."""

import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio.to_thread

from slipway.errors import BadInputError
from slipway.postgres import binaries
from slipway.postgres.server import running
from slipway.records.form import from_json, to_json
from slipway.records.listing import Listing
from slipway.records.proof import Proof
from slipway.records.since import Since
from slipway.settings import Migrations
from slipway.verbs.inside import Database, started
from slipway.workload.dependencies import Python

# Stands for the server that is not started yet; revisions may read the variables when they are imported.
_NOWHERE = "postgresql://slipway@127.0.0.1:1/slipway"


async def prove(
    folder: Path, python: Python, migrations: Migrations, database_url: str | None = None, since: Since | None = None
) -> Proof:
    """Prove the history in `folder`; raises SlipwayError when it cannot be executed, and returns a failed proof when it fails.

    What was there `since` takes the place of `start_after`. The gate starts before Postgres does, for its imports take longer.
    """
    async with AsyncExitStack() as stack:
        options = stack.enter_context(_options(folder, migrations, since))
        gate = await stack.enter_async_context(started("slipway.gate", options, folder, python))
        if database_url is None:
            found = await anyio.to_thread.run_sync(binaries.find, migrations.major)
            database_url = (await stack.enter_async_context(running(found))).url
        return from_json(
            Proof, await gate.answer(Database(database_url, migrations.told(database_url))), "the gate's proof"
        )


async def enumerate_revisions(
    folder: Path, python: Python, migrations: Migrations, database_url: str | None = None, since: Since | None = None
) -> Listing:
    """What `prove` would execute; raises what can be known of its SlipwayErrors when nothing is executed."""
    with _options(folder, migrations, since) as told:
        options = [*told, "--list", *(["--ask-server"] if database_url else [])]
        async with started("slipway.gate", options, folder, python) as gate:
            if database_url is None:
                await anyio.to_thread.run_sync(binaries.find, migrations.major)
            url = database_url or _NOWHERE
            return from_json(Listing, await gate.answer(Database(url, migrations.told(url))), "the gate's listing")


@contextmanager
def _options(folder: Path, migrations: Migrations, since: Since | None) -> Iterator[list[str]]:
    """What the gate is told, as long as its file is there; raises BadInputError when there is nothing to tell of."""
    if not (folder / migrations.config).is_file():
        raise BadInputError(
            f"there is no {migrations.config} in {folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    if since is None:
        yield options_of(migrations)
        return
    with tempfile.TemporaryDirectory(prefix="slipway-since-") as told:
        file = Path(told, "since.json")
        file.write_text(to_json(since), encoding="utf-8")
        yield [*options_of(replace(migrations, start_after=None)), f"--since={file}"]


def options_of(migrations: Migrations) -> list[str]:
    """The settings in the words of `python -m slipway.gate`."""
    return [
        f"--config={migrations.config}",
        *(f"--extension={name}" for name in migrations.extensions),
        *([f"--start-after={migrations.start_after}"] if migrations.start_after else []),
    ]
