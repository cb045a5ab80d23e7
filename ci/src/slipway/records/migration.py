"""Migration: what happened to a database's schema before a release."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Migration:
    """One run of `alembic upgrade heads`.

    - before, after: the database's heads, both read from it; empty before the first revision.
    - applied: the revisions that ran, in order. attempts: tries, of which all but the last met a lock. seconds: wall time.
    - unseen: why the fields above are not known, though the run has ended well; empty when they are.
    """

    SCHEMA: ClassVar[str] = "slipway/migration/1"

    before: tuple[str, ...]
    after: tuple[str, ...]
    applied: tuple[str, ...]
    attempts: int
    seconds: float
    unseen: str = ""
