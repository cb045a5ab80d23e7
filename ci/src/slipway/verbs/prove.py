"""prove: execute the migrations of a folder against an ephemeral Postgres. The gate on a host; `graph` does the same in containers."""

from contextlib import AsyncExitStack
from pathlib import Path

import anyio.to_thread

from slipway.errors import BadInputError
from slipway.postgres import binaries
from slipway.postgres.server import running
from slipway.records.form import from_json
from slipway.records.proof import Proof
from slipway.settings import Migrations
from slipway.verbs.inside import Database, started
from slipway.workload.dependencies import Python


async def prove(folder: Path, python: Python, migrations: Migrations, database_url: str | None = None) -> Proof:
    """Prove the history in `folder`; raises SlipwayError when it cannot be executed, and returns a failed proof when it fails.

    The gate starts before Postgres does, for its imports take longer.
    """
    if not (folder / migrations.config).is_file():
        raise BadInputError(
            f"there is no {migrations.config} in {folder}",
            "name alembic's settings file in [tool.slipway.migrations] config",
        )
    options = [f"--config={migrations.config}", *(f"--extension={name}" for name in migrations.extensions)]
    options += [f"--start-after={migrations.start_after}"] if migrations.start_after else []
    async with started("slipway.gate", options, folder, python) as gate, AsyncExitStack() as stack:
        if database_url is None:
            found = await anyio.to_thread.run_sync(binaries.find, migrations.major)
            database_url = (await stack.enter_async_context(running(found))).url
        return from_json(
            Proof, await gate.answer(Database(database_url, migrations.told(database_url))), "the gate's proof"
        )
