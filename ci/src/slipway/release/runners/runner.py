"""One interface for those who can reach a database; the engine knows nothing else of them."""

from collections.abc import Callable
from typing import Protocol

from slipway.records.migration import Migration, Standing
from slipway.records.progress import Event

Tell = Callable[[Event], object]


class Runner(Protocol):
    """Migrates one database to the head of one release, or looks where it stands."""

    @property
    def how(self) -> str:
        """In a person's words: "a Fargate task", "this machine"."""
        ...

    async def migrate(self, tell: Tell) -> Migration:
        """Run what is missing; `tell` is told lines as they come. Raises RefusedError when it fails, UnknownOutcomeError when nobody can say."""
        ...

    async def look(self) -> Standing:
        """Change nothing, and say where the database stands."""
        ...
