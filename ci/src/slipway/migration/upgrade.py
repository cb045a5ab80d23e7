"""The revision of a database, and its upgrade to the head, by one runner at a time, with a short lock_timeout and retries."""

import random
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.errors import RefusedError, SlipwayError
from slipway.migration import initial_schema
from slipway.migration.database import RELATIONS, directly, every_connection_to, held, sqlstate, with_connection
from slipway.migration.definitions import forgotten_definitions
from slipway.migration.environment import Environment, sentence
from slipway.migration.initial_schema import Beginning, InitialSchema, create_extensions
from slipway.migration.pooler import check_own_session
from slipway.records.migration import Migration, MigrationFailedError, Standing

_LOCK_TIMEOUT = "SET lock_timeout = '2s'"
# No other database on this server has its name, and no other server the same start time.
_RECOGNISED = """SELECT format('current_database() = %L AND pg_postmaster_start_time() = %L',
current_database(), pg_postmaster_start_time())"""
_INVALID = """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT i.indisvalid AND c.relkind = 'i' ORDER BY 1 LIMIT 5"""
_LOCK = zlib.crc32(b"slipway: one migration at a time")
# lock_not_available and deadlock_detected: the transaction was rolled back, and a retry may succeed
_RETRYABLE = {"55P03", "40P01"}
_ATTEMPTS = 6
_TIMEOUT_SECONDS = 300.0


def read_standing(environment: Environment, url: URL, baseline: str = "") -> Standing:
    """Read the revision of a database.

    For an empty database, the missing revisions depend on the baseline. Raise RefusedError when it cannot be read.
    """
    recognised = _own_session(url)
    with every_connection_to(url, (_LOCK_TIMEOUT,), recognised, single=True):
        initial = _initial(environment, url, baseline)
        standing = _read(environment, initial)
    return replace(standing, database=()) if initial else standing


def _initial(environment: Environment, url: URL, baseline: str) -> InitialSchema | None:
    """Read the baseline if there is one and the database is empty. Raise BadInputError when it cannot be read."""
    if not baseline or not _is_empty(url):
        return None
    with environment.in_application():
        return initial_schema.read(baseline, environment.folder)


def _is_empty(url: URL) -> bool:
    with directly():
        return not with_connection(url, lambda connection: connection.execute(text(RELATIONS)).one()[0])


def _begin(environment: Environment, url: URL, beginning: Beginning, report: Callable[[str], object]) -> str:
    """Create extensions and baseline in an empty database. Return the baseline's name; empty when it was not needed."""
    if beginning.extensions and _is_empty(url):
        with directly():
            with_connection(url, partial(create_extensions, beginning.extensions))
    initial = _initial(environment, url, beginning.baseline)
    if initial is None:
        return ""
    report(f"baseline {initial.name}")
    with directly():
        for left_out in with_connection(url, initial.build_in_transaction):
            report(left_out)
    return initial.name


def _own_session(url: URL) -> str:
    """Check that sessions are not shared, before anything is set or locked.

    Return the condition by which the database is recognised.
    """

    def check(connection: Connection) -> str:
        check_own_session(url, connection)
        return str(connection.scalar(text(_RECOGNISED)))

    try:
        return with_connection(url, check)
    except SlipwayError:
        raise
    except Exception as error:
        raise _unreached(error) from error


def _unreached(error: Exception) -> MigrationFailedError:
    remedy = "check its URL, whether it runs, and whether it lets this machine or task in; no revision was applied"
    return MigrationFailedError("the database cannot be reached", sentence(error), remedy, None)


def _read(environment: Environment, initial: InitialSchema | None = None) -> Standing:
    """Read the revision of the database to which connections are redirected, or that of its initial schema."""
    heads_of_schemas: list[tuple[str, ...]] = []

    def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        heads_of_schemas.append(initial.begun_at(context.version_table) if initial else heads)
        return ()

    try:
        environment.run(steps, dont_mutate=True)  # alembic would create a missing table of versions
        standing = _standing(environment.script, heads_of_schemas)
    except (Exception, SystemExit) as error:
        where = f"the database cannot be read, env.py fails at {environment.place_in_words(error)}"
        raise MigrationFailedError(where, sentence(error), "correct env.py, or what it needs", None) from error
    _check_one_database(environment)
    return standing


def _visit(environment: Environment) -> None:
    """Run env.py without a revision, to see which databases it migrates. The upgrade will report its errors."""
    with suppress(Exception, SystemExit):
        environment.run(lambda _heads, _context: (), dont_mutate=True)
    _check_one_database(environment)


def _check_one_database(environment: Environment) -> None:
    """Raise RefusedError when env.py migrates several databases, because the URL names only one."""
    if len(environment.databases) > 1:
        raise RefusedError(
            f"env.py migrates several databases ({', '.join(environment.databases)}), and slipway was given only one database",
            "run `alembic upgrade heads` with the URLs of all of them",
        )


def _check_known(script: ScriptDirectory, heads: tuple[str, ...]) -> None:
    """Raise RefusedError when this history lacks the database's revision."""
    if unknown := [head for head in heads if not _knows(script, head)]:
        raise RefusedError(
            f"the database is at {', '.join(unknown)}, which this release does not know",
            "a newer release migrated it: deploy a commit that has this revision, such as the newest one; "
            "a release that was live before may return without a migration by `slipway rollback`",
        )


def steps_to_head(script: ScriptDirectory, heads: tuple[str, ...]) -> list[Any]:
    """Return alembic's steps from these heads to the history's; none when no revision is missing."""
    return list(script._upgrade_revs("heads", heads))  # type: ignore[arg-type] # noqa: SLF001 -- what alembic's own upgrade command calls


def _standing(script: ScriptDirectory, heads_of_schemas: list[tuple[str, ...]]) -> Standing:
    """Combine the revisions in all schemas for which env.py runs."""
    heads = tuple(dict.fromkeys(head for each in heads_of_schemas for head in each))
    unknown = tuple(head for head in heads if not _knows(script, head))
    steps = [] if unknown else [step for each in heads_of_schemas for step in steps_to_head(script, each)]
    missing = tuple(dict.fromkeys(step.revision.revision for step in steps))
    return Standing(heads, tuple(script.get_heads()), unknown, missing)


def _knows(script: ScriptDirectory, head: str) -> bool:
    try:
        revision = script.get_revision(head)  # accepts a prefix of an id
    except CommandError:
        return False
    return revision is not None and revision.revision == head


def upgrade(
    environment: Environment,
    url: URL,
    report: Callable[[str], object] = lambda _: None,
    proven: str = "",
    beginning: Beginning = Beginning(),  # noqa: B008 -- it is frozen
) -> Migration:
    """Run every missing revision, and read the database's revision afterwards.

    Raise RefusedError when a revision fails.
    - report: is called with each revision at its beginning.
    - proven: the transactions in the proof. When env.py would use others, no revision runs.
    - beginning: extensions and baseline for an empty database.
    """
    started = time.monotonic()
    recognised = _own_session(url)
    with alone(url), every_connection_to(url, (_LOCK_TIMEOUT,), recognised, single=True):
        _visit(environment)
        begun_on = _begin(environment, url, beginning, report)
        before, applied, attempts = _run(environment, url, report, proven)
        after = _read_back(environment)
    seconds = round(time.monotonic() - started, 3)
    return Migration(before=before, after=after, applied=applied, attempts=attempts, seconds=seconds, baseline=begun_on)


def _read_back(environment: Environment) -> tuple[str, ...]:
    """Read the revision again, because an env.py that does not commit, or uses another database, ends without an error."""
    result = _read(environment)
    if result.missing or result.unknown:
        raise RefusedError(
            f"after the upgrade the database is at {_named(result.database)}, not at {', '.join(result.image)}",
            "make env.py commit its changes, and let no other process change the table of versions",
        )
    return result.database


def transactions_of(context: MigrationContext) -> str:
    """Return words on the transactions in which the revisions run."""
    assert context.connection is not None
    if context._in_external_transaction:  # noqa: SLF001 -- alembic decides by it, too
        return "one transaction, begun by env.py, for all revisions"
    raw: Any = context.connection.connection
    if not context.impl.transactional_ddl or raw.dbapi_connection.autocommit:
        return "no transaction"
    if context.opts.get("transaction_per_migration"):
        return "one transaction for each revision"
    return "one transaction for all revisions"


def _check_transactions(context: MigrationContext, proven: str) -> None:
    if proven and proven != (ours := transactions_of(context)):
        raise RefusedError(
            f"env.py runs the revisions in {ours}, and the certificate is for {proven}",
            "let env.py begin the same transactions here as in the gate, or pass a certificate for these transactions",
        )


def _run(
    environment: Environment, url: URL, report: Callable[[str], object], proven: str
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    before: list[tuple[str, ...]] = []
    applied: list[str] = []
    files: list[str] = []  # the files of the revisions that have begun

    def steps(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        before.append(heads)
        _check_known(environment.script, heads)
        _check_transactions(context, proven)
        for step in steps_to_head(environment.script, heads):
            revision = step.revision
            report(f"revision {revision.revision} {revision.doc or ''}".rstrip())
            files.append(revision.path)
            step.migration_fn = forgotten_definitions(revision.path)(step.migration_fn)
            yield step
            applied.append(revision.revision)

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            environment.run(steps)
        except RefusedError:
            raise
        except (Exception, SystemExit) as error:
            by_postgres = isinstance(error, DBAPIError)
            if by_postgres and sqlstate(error) in _RETRYABLE and attempt < _ATTEMPTS:
                time.sleep(attempt * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter, so that two runners do not collide again
                continue
            reason = sentence(error) if before or by_postgres else environment.needs(error)
            ran = tuple(dict.fromkeys(applied))
            begun = (
                Migration(before=before[0], after=(), applied=ran, attempts=attempt, seconds=0.0, failed=True)
                if before
                else None
            )
            failure = partial(
                MigrationFailedError, f"the migration failed at {environment.place_in_words(error)}", reason
            )
            next_step, left = _left(environment, begun)
            raise failure(next_step + _outside_transactions(url, files), left) from error
        else:
            return before[0] if before else (), tuple(dict.fromkeys(applied)), attempt
    raise AssertionError("the last attempt either returned or raised")


def _left(environment: Environment, begun: Migration | None) -> tuple[str, Migration | None]:
    """Return the next step after a failed upgrade, and the migration that remains.

    `begun` has the revisions that ran; committed transactions stay.
    """
    if begun is None:
        return "correct it; no revision was applied", None
    try:
        standing = _read(environment)
    except RefusedError:
        return "correct it, and look at the database, which could not be read afterwards", None
    applied = tuple(revision for revision in begun.applied if revision not in standing.missing)
    now = _named(standing.database)
    moved = f"came from {_named(begun.before)} to {now}" if applied else f"stays at {now}"
    left = replace(begun, after=standing.database, applied=applied)
    return f"correct the revision and deploy again; the database {moved}", left


def _outside_transactions(url: URL, files: list[str]) -> str:
    """Return what the last of these revisions may have left outside of transactions, as an addition to the next step."""
    invalid: list[str] = []
    with suppress(Exception), directly():
        invalid = with_connection(url, lambda connection: list(connection.scalars(text(_INVALID))))
    if invalid:
        return (
            f"; drop what a failed build has left first, INVALID: {', '.join(f'DROP INDEX {name}' for name in invalid)}"
        )
    if files and "autocommit_block" in Path(files[-1]).read_text("utf-8", "replace"):
        return (
            "; what the revision did outside of a transaction stays: drop it first, or use if_exists and if_not_exists"
        )
    return ""


def _named(heads: tuple[str, ...]) -> str:
    return ", ".join(heads) or "no revision"


@contextmanager
def alone(url: URL) -> Iterator[None]:
    """Hold the advisory lock of migrations in a separate session during the block.

    Raise RefusedError when it is not free.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(held(url, _acquire, "advisory lock"))
        except RefusedError:
            raise
        except Exception as error:
            raise _unreached(error) from error
        yield


def _acquire(connection: Connection) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
        if time.monotonic() > deadline:
            raise RefusedError(
                "another migration of this database is still running",
                f"this migration waited {_TIMEOUT_SECONDS:.0f} s for its lock; look at pg_locks",
            )
        time.sleep(0.2)
