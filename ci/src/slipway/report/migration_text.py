"""Migrations, and where databases stand, for a terminal."""

from collections.abc import Iterator, Sequence

from slipway.records.migration import Migration, Standing
from slipway.report.rehearsal_text import duration
from slipway.untrusted import one_line


def of_migration(migration: Migration, environment: str) -> str:
    """From where to where, and by which revisions."""
    return "\n".join(_migration(migration, environment)) + "\n"


def _migration(migration: Migration, environment: str) -> Iterator[str]:
    if migration.unseen:
        yield f"{environment}: migrated, and what ran is not known: {one_line(migration.unseen, 600)}"
        return
    if not migration.applied:
        yield f"{environment}: at {_heads(migration.after)}, nothing was missing"
        return
    tries = f" and {migration.attempts} attempts, for others held locks" if migration.attempts > 1 else ""
    took = f"{duration(migration.seconds)}{tries}"
    yield f"{environment}: from {_heads(migration.before)} to {_heads(migration.after)} in {took}"
    yield from (f"  applied: {one_line(revision)}" for revision in migration.applied)


def of_standing(standing: Standing, environment: str) -> str:
    """Where a database stands, beside where the release would bring it."""
    lines = [f"{environment}: the database is at {_heads(standing.database)}", f"  release: {_heads(standing.image)}"]
    if standing.unknown:
        lines.append(f"  unknown: {_heads(standing.unknown)}, so the database is ahead of this release")
    if standing.missing:
        lines.append(f"  missing: {_heads(standing.missing)}")
    return "\n".join(lines) + "\n"


def _heads(revisions: Sequence[str]) -> str:
    return one_line(", ".join(revisions)) or "no revision"
