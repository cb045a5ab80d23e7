"""Where databases of the gate begin: empty, or as the revisions have left them that are old."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.engine import URL

from slipway.gate.databases import copy, fresh


@dataclass(frozen=True)
class Ground:
    """A server, and the extensions that must be there.

    - template: a database in which the first `old` revisions have been run, None when there is none.
    """

    server: URL
    extensions: tuple[str, ...]
    template: URL | None = None
    old: int = 0

    @property
    def empty(self) -> "Ground":
        """The same before the first revision."""
        return Ground(self.server, self.extensions)

    @contextmanager
    def database(self) -> Iterator[URL]:
        """A database of one's own, dropped at the end; raises BadInputError when it cannot be made."""
        with copy(self.server, self.template) if self.template else fresh(self.server, self.extensions) as url:
            yield url
