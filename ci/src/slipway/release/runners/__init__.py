"""The migration of an environment's database before a release, with the release's own image.

The runner for this machine is in `environment/migrate.py`, because it reads the environment's secrets.
"""

from typing import Protocol

from slipway.records.migration import Migration, Standing
from slipway.records.progress import Tell


class Runner(Protocol):
    """A migration of one database to the head of one release."""

    @property
    def how(self) -> str:
        """A description for reports, such as "a Fargate task" or "this machine"."""

    async def migrate(self, tell: Tell) -> Migration:
        """Apply the missing revisions.

        `tell` receives progress lines. Raise RefusedError on failure, UnknownOutcomeError when the outcome is unknown.
        """

    async def standing(self) -> Standing:
        """Return the revisions of the database and of the release, without changing anything."""
