"""Standing: where a database stands in the history of a release; read, and nothing changed."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Standing:
    """What was seen.

    - database: its heads; empty before the first revision. image: the heads of the release's own history.
    - unknown: those of the database's heads that this release does not have: it is ahead of the release.
    - missing: the revisions that an upgrade would run, in order; none when the database is ahead.
    """

    SCHEMA: ClassVar[str] = "slipway/standing/1"

    database: tuple[str, ...]
    image: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
