"""Bring a database to the head of its history: one runner at a time, never waiting long for a lock while others queue behind."""

import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.errors import RefusedError
from slipway.migration.database import every_connection_to, held, sqlstate
from slipway.migration.environment import Environment, sentence
from slipway.migration.look import LOCK_TIMEOUT, check_known, revisions_to, seen
from slipway.records.migration import Migration

_LOCK = zlib.crc32(b"slipway: one migration at a time")
_TRY_AGAIN = {
    "55P03",
    "40P01",
}  # lock_not_available, deadlock_detected: nothing was done, the lock may be free next time
_ATTEMPTS = 6
_PATIENCE_SECONDS = 300.0


def upgrade(environment: Environment, url: URL, tell: Callable[[str], object] = lambda _: None) -> Migration:
    """Run every revision that the database lacks, and read back where it stands then; raises RefusedError when one fails.

    `tell` is told each revision as it begins.
    """
    started = time.monotonic()
    with alone(url), every_connection_to(url, (LOCK_TIMEOUT,)):
        before, applied, attempts = _run(environment, tell)
        after = _read_back(environment)
    return Migration(
        before=before, after=after, applied=applied, attempts=attempts, seconds=round(time.monotonic() - started, 3)
    )


def _read_back(environment: Environment) -> tuple[str, ...]:
    """An env.py that does not commit, or leads elsewhere, ends without an error."""
    found = seen(environment)
    if found.missing or found.unknown:
        raise RefusedError(
            f"after the upgrade the database stands at {', '.join(found.database) or 'nothing'}, not at {', '.join(found.image)}",
            "see that env.py commits what it runs, and that nobody else changes the table of versions",
        )
    return found.database


def _run(environment: Environment, tell: Callable[[str], object]) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    before: list[tuple[str, ...]] = []
    applied: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        before.append(heads)
        check_known(environment.script, heads)
        for step in revisions_to(environment.script, heads):
            revision: Any = step.revision
            tell(f"revision {revision.revision} {revision.doc or ''}".rstrip())
            yield step
            applied.append(revision.revision)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            environment.run(steps)
        except RefusedError:
            raise
        except DBAPIError as error:
            if sqlstate(error) not in _TRY_AGAIN or attempt == _ATTEMPTS:
                raise RefusedError(
                    f"the migration failed at {environment.spoken_place_of(error)}", sentence(error)
                ) from error
            time.sleep(attempt * random.uniform(0.5, 1.5))  # noqa: S311 -- so that two runners do not meet again
        except (Exception, SystemExit) as error:
            hint = "" if before else "; variables it needs go to [tool.slipway.migrations] variables"
            raise RefusedError(
                f"the migration failed at {environment.spoken_place_of(error)}", sentence(error) + hint
            ) from error
        else:
            return before[0] if before else (), tuple(dict.fromkeys(applied)), attempt
    raise AssertionError("the last attempt either returned or raised")


@contextmanager
def alone(url: URL) -> Iterator[None]:
    """Hold the advisory lock of migrations in a session of its own for the length of the block; raises RefusedError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(url, _take_turn, "advisory lock"))
        except Exception as error:
            raise _as_refusal(error) from error
        yield


def _take_turn(connection: Connection) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
        if time.monotonic() > deadline:
            raise RefusedError(
                "another migration of this database is still running",
                f"it has held the lock for {_PATIENCE_SECONDS:.0f} s; look at pg_locks",
            )
        time.sleep(0.2)


def _as_refusal(error: Any) -> RefusedError:
    return error if isinstance(error, RefusedError) else RefusedError("the database cannot be reached", sentence(error))
