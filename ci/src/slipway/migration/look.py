"""Where a database stands in a history: read through the service's own env.py, without changing anything."""

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
    """Raises RefusedError when the database cannot be asked."""
    with every_connection_to(url, (LOCK_TIMEOUT,)):
        return seen(environment)


def seen(environment: Environment) -> Standing:
    """Where the database stands to which every connection goes now."""
    found: list[tuple[str, ...]] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterable[RevisionStep]:
        found.append(heads)
        return ()

    try:
        environment.run(steps, dont_mutate=True)  # else alembic makes its table of versions when there is none
        return _standing(environment.script, found)
    except (Exception, SystemExit) as error:
        raise RefusedError(
            f"the database cannot be looked at, env.py fails at {environment.spoken_place_of(error)}", sentence(error)
        ) from error


def check_known(script: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Raises RefusedError for a database whose head this history does not have."""
    if unknown := [head for head in heads if not _knows(script, head)]:
        raise RefusedError(
            f"the database stands at {', '.join(unknown)}, which this release does not know",
            "it is ahead: an older release; roll back with `slipway rollback`, or deploy a release that knows it",
        )


def revisions_to(script: ScriptDirectory, heads: tuple[str, ...]) -> list[RevisionStep]:
    """The steps from there to the history's own heads; empty when nothing is missing."""
    steps: Any = script._upgrade_revs("heads", heads)  # type: ignore[arg-type] # noqa: SLF001 -- what alembic's own upgrade command calls
    return list(steps)


def _standing(script: ScriptDirectory, found: list[tuple[str, ...]]) -> Standing:
    """Of an env.py that visits several schemas, what is in any of them."""
    heads = tuple(dict.fromkeys(head for each in found for head in each))
    unknown = tuple(head for head in heads if not _knows(script, head))
    missing = [] if unknown else [_revision(step) for each in found for step in revisions_to(script, each)]
    return Standing(heads, tuple(script.get_heads()), unknown, tuple(dict.fromkeys(missing)))


def _revision(step: RevisionStep) -> str:
    moved: Any = step
    name: str = moved.revision.revision
    return name


def _knows(script: ScriptDirectory, head: str) -> bool:
    try:
        found = script.get_revision(head)  # the beginning of an id is enough for alembic
    except CommandError:
        return False
    return found is not None and found.revision == head
