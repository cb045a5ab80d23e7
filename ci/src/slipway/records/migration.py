"""Migration: the change of a database's schema before a release."""

from dataclasses import dataclass

from slipway.errors import RefusedError
from slipway.records.form import Record


@dataclass(frozen=True, kw_only=True)
class Migration(Record, schema="slipway/migration/1"):
    """One run of `alembic upgrade heads`.

    - before, after: heads read from the database; empty before the first revision.
    - applied: revisions in the order in which they ran.
    - attempts: all but the last failed because of a lock.
    - seconds: wall time.
    - baseline: the schema that was created first, because the database was empty; otherwise empty.
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
        """The heads after the run; None when they are unknown."""
        return None if self.unseen else self.after


class MigrationFailedError(RefusedError):
    """A failure of a migration at a known place.

    - reason: the failure in the words of the application or the database.
    - migration: the revisions that were applied nevertheless; None when they are unknown.
    """

    def __init__(self, where: str, reason: str, next_step: str, migration: Migration | None) -> None:
        super().__init__(f"{where}: {reason}", next_step)
        self.where = where
        self.reason = reason
        self.migration = migration


@dataclass(frozen=True, kw_only=True)
class Baseline(Record, schema="slipway/baseline/1"):
    """The text of the SQL file that creates the tables that exist before the first revision."""

    sql: str


Heads = tuple[str, ...]


@dataclass(frozen=True)
class Readiness(Record, schema="slipway/readiness/1"):
    """The JSON answer of a service's health path, with the keys `image_head`, `database_head` and `git_revision`.

    - image: heads of the release's history; None when the answer has none.
    - database: heads of its database; empty before the first revision, None when the answer has none.
    - commit: the commit of the release's source; None when the answer has none.
    - unreachable: whether the release cannot reach its database.
    """

    image: Heads | None = None
    database: Heads | None = None
    commit: str | None = None
    unreachable: bool = False


@dataclass(frozen=True)
class Standing(Record, schema="slipway/standing/1"):
    """The revisions of a database compared with those of a release.

    - database: the database's heads; empty before the first revision.
    - image: the heads of the release's history.
    - unknown: the database's heads that the release lacks; the database is then ahead.
    - missing: the revisions that an upgrade would run, in order; empty when the database is ahead.
    """

    database: tuple[str, ...]
    image: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
