"""Migration: what happened to a database's schema before a release."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
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


Heads = tuple[str, ...]


@dataclass(frozen=True)
class Readiness:
    """The JSON that a service may answer at its health path: `image_head`, `database_head` and `git_revision`.

    - image: the heads that the release knows. database: those at which its database stands; empty before the first revision.
    - commit: what the release was built from. Each is None when the answer does not say it.
    """

    SCHEMA: ClassVar[str] = "slipway/readiness/1"

    image: Heads | None = None
    database: Heads | None = None
    commit: str | None = None


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
