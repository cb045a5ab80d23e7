"""migrate: bring an environment's database to a release's head, from the release's own artifact, one runner at a time."""

from slipway.records.form import from_json
from slipway.records.migration import Migration
from slipway.settings import Migrations
from slipway.verbs.inside import Database, started
from slipway.workload.host import Unpacked


async def migrate(release: Unpacked, migrations: Migrations, url: str) -> Migration:
    """Run the revisions that the database behind `url` lacks; raises RefusedError when one fails, and says which."""
    async with started(
        "slipway.migration", [f"--config={migrations.config}"], release.folder, release.python
    ) as runner:
        return from_json(Migration, await runner.answer(Database(url, migrations.told(url))), "the migration's record")
