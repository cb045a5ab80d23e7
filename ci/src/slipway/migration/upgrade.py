"""The upgrade of a database to the head of its history: one runner at a time, with a short lock_timeout and retries."""

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
from slipway.migration.look import LOCK_TIMEOUT, check_known, revisions_to, standing
from slipway.records.migration import Migration

_LOCK = zlib.crc32(b"slipway: one migration at a time")
_RETRYABLE = {
    "55P03",
    "40P01",
}  # lock_not_available, deadlock_detected: rolled back, and a retry may succeed
_ATTEMPTS = 6
_PATIENCE_SECONDS = 300.0


def upgrade(environment: Environment, url: URL, report: Callable[[str], object] = lambda _: None) -> Migration:
    """Run every missing revision and read back the database's revision; raises RefusedError when one fails.

    `report` is called with each revision when it begins.
    """
    started = time.monotonic()
    with alone(url), every_connection_to(url, (LOCK_TIMEOUT,)):
        before, applied, attempts = _run(environment, report)
        after = _read_back(environment)
    return Migration(
        before=before, after=after, applied=applied, attempts=attempts, seconds=round(time.monotonic() - started, 3)
    )


def _read_back(environment: Environment) -> tuple[str, ...]:
    """Read the revision again: an env.py that does not commit, or uses another database, ends without an error."""
    result = standing(environment)
    if result.missing or result.unknown:
        raise RefusedError(
            f"after the upgrade the database is at {', '.join(result.database) or 'no revision'}, not at {', '.join(result.image)}",
            "make env.py commit its changes, and let no other process change the table of versions",
        )
    return result.database


def _run(environment: Environment, report: Callable[[str], object]) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    before: list[tuple[str, ...]] = []
    applied: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        before.append(heads)
        check_known(environment.script, heads)
        for step in revisions_to(environment.script, heads):
            revision: Any = step.revision
            report(f"revision {revision.revision} {revision.doc or ''}".rstrip())
            yield step
            applied.append(revision.revision)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            environment.run(steps)
        except RefusedError:
            raise
        except DBAPIError as error:
            if sqlstate(error) not in _RETRYABLE or attempt == _ATTEMPTS:
                raise RefusedError(
                    f"the migration failed at {environment.spoken_place_of(error)}", sentence(error)
                ) from error
            time.sleep(attempt * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter, so that two runners do not collide again
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
    """Hold the advisory lock of migrations in a separate session during the block; raises RefusedError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(held(url, _acquire, "advisory lock"))
        except Exception as error:
            raise _as_refusal(error) from error
        yield


def _acquire(connection: Connection) -> None:
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
