"""The revision of a database, read through the service's own env.py without any change."""

from collections.abc import Iterable
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL

from slipway.errors import RefusedError
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, sentence
from slipway.records.migration import Standing

LOCK_TIMEOUT = "SET lock_timeout = '2s'"


def look(environment: Environment, url: URL) -> Standing:
    """Read the revision of a database; raises RefusedError."""
    with every_connection_to(url, (LOCK_TIMEOUT,)):
        return standing(environment)


def standing(environment: Environment) -> Standing:
    """Read the revision of the database to which connections are redirected now."""
    heads_of_schemas: list[tuple[str, ...]] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterable[RevisionStep]:
        heads_of_schemas.append(heads)
        return ()

    try:
        environment.run(steps, dont_mutate=True)  # alembic would create a missing table of versions
        return _standing(environment.script, heads_of_schemas)
    except (Exception, SystemExit) as error:
        raise RefusedError(
            f"the database cannot be read, env.py fails at {environment.spoken_place_of(error)}", sentence(error)
        ) from error


def check_known(script: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Raise RefusedError when this history lacks the database's revision."""
    if unknown := [head for head in heads if not _knows(script, head)]:
        raise RefusedError(
            f"the database is at {', '.join(unknown)}, which this release does not know",
            "it is ahead: an older release; roll back with `slipway rollback`, or deploy a release that knows it",
        )


def revisions_to(script: ScriptDirectory, heads: tuple[str, ...]) -> list[RevisionStep]:
    """Return the steps from these heads to the history's own; empty when none is missing."""
    steps: Any = script._upgrade_revs("heads", heads)  # type: ignore[arg-type] # noqa: SLF001 -- what alembic's own upgrade command calls
    return list(steps)


def _standing(script: ScriptDirectory, heads_of_schemas: list[tuple[str, ...]]) -> Standing:
    """Combine the revisions of all schemas that env.py visits."""
    heads = tuple(dict.fromkeys(head for each in heads_of_schemas for head in each))
    unknown = tuple(head for head in heads if not _knows(script, head))
    missing = [] if unknown else [_revision(step) for each in heads_of_schemas for step in revisions_to(script, each)]
    return Standing(heads, tuple(script.get_heads()), unknown, tuple(dict.fromkeys(missing)))


def _revision(step: RevisionStep) -> str:
    moved: Any = step
    name: str = moved.revision.revision
    return name


def _knows(script: ScriptDirectory, head: str) -> bool:
    try:
        revision = script.get_revision(head)  # accepts a prefix of an id
    except CommandError:
        return False
    return revision is not None and revision.revision == head
