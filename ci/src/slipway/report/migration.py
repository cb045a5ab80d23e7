"""Migrations and the state of databases, for a terminal."""

from collections.abc import Iterator

from slipway.records.migration import Migration, Standing
from slipway.report.words import duration, heads
from slipway.untrusted import one_line


def of_migration(migration: Migration, environment: str) -> str:
    """Render the heads before and after, and the revisions that ran."""
    return "\n".join(_migration(migration, one_line(environment))) + "\n"


def _migration(migration: Migration, environment: str) -> Iterator[str]:
    if migration.unseen:
        yield f"{environment}: migrated, but the applied revisions are unknown: {one_line(migration.unseen, 600)}"
        return
    if not migration.applied:
        yield f"{environment}: already at {heads(migration.after)}"
        return
    retried = f" and {migration.attempts} attempts, because other sessions held locks" if migration.attempts > 1 else ""
    took = f"{duration(migration.seconds)}{retried}"
    yield f"{environment}: from {heads(migration.before)} to {heads(migration.after)} in {took}"
    yield from (f"  applied: {one_line(revision)}" for revision in migration.applied)


def of_standing(standing: Standing, environment: str) -> str:
    """Render a database's heads beside those of the release."""
    lines = [
        f"{one_line(environment)}: the database is at {heads(standing.database)}",
        f"  release: {heads(standing.image)}",
    ]
    if standing.unknown:
        lines.append(f"  unknown: {heads(standing.unknown)}, so the database is ahead of this release")
    if standing.missing:
        lines.append(f"  missing: {heads(standing.missing)}")
    return "\n".join(lines) + "\n"
