"""Migration: the change of a database's schema before a release."""

from dataclasses import dataclass

from slipway.errors import RefusedError
from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class Migration(Record, schema="slipway/migration/1"):
    """One run of `alembic upgrade heads`.

    - before, after: heads read from the database; empty before the first revision.
    - applied: revisions in the order they ran. attempts: all but the last failed on a lock. seconds: wall time.
    - baseline: the schema that the database was given first, because it was empty; empty for another.
    - unseen: why the fields above are unknown although the run succeeded, otherwise empty.
    - failed: whether a revision failed, so that `after` is not the release's head.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    applied: tuple[str, ...]
    attempts: int
    seconds: float
    baseline: str = ""
    unseen: str = ""
    failed: bool = False

    @property
    def known_after(self) -> tuple[str, ...] | None:
        """The heads afterwards; None when they are unknown."""
        return None if self.unseen else self.after


class MigrationFailedError(RefusedError):
    """A migration failed at a place, for a `reason` in the words of the application or the database.

    `migration` is what was applied nevertheless; None when that is unknown.
    """

    def __init__(self, where: str, reason: str, next_step: str, migration: Migration | None) -> None:
        super().__init__(f"{where}: {reason}", next_step)
        self.where = where
        self.reason = reason
        self.migration = migration


@dataclass(frozen=True, kw_only=True)
class Baseline(Record, schema="slipway/baseline/1"):
    """The text of an SQL file with the schema that a history begins on."""

    sql: str


Heads = tuple[str, ...]


@dataclass(frozen=True)
class Readiness(Record, schema="slipway/readiness/1"):
    """The JSON of a service's health path: `image_head`, `database_head` and `git_revision`.

    - image: heads of the release's history. database: heads of its database; empty before the first revision.
    - commit: the release's source. Each is None when the answer lacks it.
    - unreachable: whether the release cannot reach its database.
    """

    image: Heads | None = None
    database: Heads | None = None
    commit: str | None = None
    unreachable: bool = False


@dataclass(frozen=True)
class Standing(Record, schema="slipway/standing/1"):
    """A database's revisions compared with a release's.

    - database: its heads; empty before the first revision. image: heads of the release's history.
    - unknown: heads of the database that the release lacks, which puts the database ahead.
    - missing: revisions that an upgrade would run, in order; empty when the database is ahead.
    """

    database: tuple[str, ...]
    image: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
