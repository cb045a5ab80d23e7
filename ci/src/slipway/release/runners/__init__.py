"""The migration of an environment's database before a release, from the release's own image.

The runner on this machine is in `environment/migrate.py`, because it reads the environment's secrets.
"""

from typing import Protocol

from slipway.records.migration import Migration, Standing
from slipway.records.progress import Tell


class Runner(Protocol):
    """A migration of one database to the head of one release."""

    @property
    def how(self) -> str:
        """A description for reports: "a Fargate task", "this machine"."""

    async def migrate(self, tell: Tell) -> Migration:
        """Apply the missing revisions; `tell` receives lines meanwhile. Raises RefusedError on failure, UnknownOutcomeError on an unknown outcome."""

    async def standing(self) -> Standing:
        """Return the database's revision and the release's, without changing anything."""
