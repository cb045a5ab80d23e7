"""Revisions that commit before their end, interrupted there on a copy of the database and run again.

A revision is stopped after each statement outside of a transaction. A statement with CONCURRENTLY consists of several
transactions; it is also stopped in the middle, by a conflicting lock and a lock_timeout, as happens in production. The
tables have rows when a revision may write to them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.errors import RefusedError
from slipway.gate.history import Node
from slipway.gate.layers import seeds
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import literal, query
from slipway.gate.measure.statements import Execution, Session, may_write, watching
from slipway.gate.steps import Baseline, Interrupted, Replica, report, upgrade
from slipway.migration.database import held, with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Layer
from slipway.records.words import counted

Hook = Callable[[Session, int], None]  # called with the session and the statement's line

_MOST_PER_REVISION = 12
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indexrelid >= 16384 ORDER BY 1"
_OTHERS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')"""


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """One interruption of a revision, and the result of its second run."""

    line: int  # the statement's line
    during: bool  # whether it was stopped in the middle of the statement instead of after it
    failure: str | None  # the error of the second run, or None
    invalid: tuple[str, ...] = ()  # indexes that are invalid only because of the interruption
    otherwise: str = ""  # the difference from an uninterrupted run, in words
    in_rows: bool = False  # whether only rows differ

    @property
    def where(self) -> str:
        return f"{'in the middle of' if self.during else 'after'} the statement on line {self.line}"


@dataclass(frozen=True)
class InterruptionResult:
    """The interruptions of each revision. `gaps` are sentences; `unreached` is whether some revisions had none."""

    revisions: dict[str, tuple[Interruption, ...]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    unreached: bool = False


def interrupt(baseline: Baseline, steps: Mapping[str, Steps], version_table: str) -> InterruptionResult:
    """Interrupt every new revision at each point where it commits before its end.

    - steps: the results of the stairway.
    - version_table: alembic's own table, which the stairway has found.
    """
    revisions: dict[str, tuple[Interruption, ...]] = {}
    points = {node: found for node in baseline.history.nodes if node.new and (found := _points(steps[node.id]))}
    if not points:
        return InterruptionResult(revisions)
    gaps, unreached = [], False
    with baseline.replica() as source:
        for node, all_of_node in points.items():
            report(Layer.INTERRUPTION, node.id, len(points))
            # one run without an interruption, and two for each interruption
            most = max(0, steps[node.id].runs(2 * _MOST_PER_REVISION + 1) - 1) // 2
            if len(all_of_node) > most:
                slowly = f": {steps[node.id].slowly}" if most < _MOST_PER_REVISION else ""
                gaps.append(f"{most} of {counted(len(all_of_node), 'interruption')} of {node.id} were tried{slowly}")
            try:
                filled = version_table if any(may_write(each.sql) for each in steps[node.id].committing) else ""
                revisions[node.id] = tuple(_each(node, all_of_node[:most], source, filled)) if most else ()
            except RefusedError as error:
                gaps.append(f"interruptions from {node.id} on were not tried: {error}")
                unreached = True
                break
    return InterruptionResult(revisions, tuple(gaps), unreached)


def _points(steps: Steps) -> list[tuple[int, bool]]:
    """Return the numbers, from 0, of the statements outside of a transaction, and whether to stop in their middle."""
    return [
        (number, during)
        for number, statement in enumerate(steps.committing)
        for during in (False, True)
        if not during or " CONCURRENTLY" in statement.sql.upper()
    ]


def _each(node: Node, points: Sequence[tuple[int, bool]], source: Replica, filled: str) -> Iterator[Interruption]:
    """Yield the interruptions of a revision, with rows in all tables except the table `filled`; on empty tables when `filled` is empty."""
    with _before(node, source, filled) as database:
        error = upgrade(source.environment, database, [node])
        expected = with_connection(database, DatabaseState.of)
    if error and filled:  # our rows do not fit this revision
        yield from _each(node, points, source, "")
        return
    for number, during in points:
        with _before(node, source, filled) as database:
            stop = _stop_during if during else _stop_after
            line, ended = stop(source.environment, node, number, database)
            if line is None:  # in this run the revision took another path
                continue
            # An env.py that retries has already run the revision again, if the statement was stopped at all.
            if ended:
                with_connection(database, _end_sessions)
            failure = upgrade(source.environment, database, [node]) if ended else None
            if failure:
                yield Interruption(line=line, during=during, failure=failure)
                continue
            state = with_connection(database, DatabaseState.of)
            otherwise = state.difference(expected)
            if ended or otherwise:
                invalid = state.invalid_beside(expected)
                in_rows = bool(otherwise) and not invalid and state.fingerprint == expected.fingerprint
                yield Interruption(
                    line=line, during=during, failure=None, invalid=invalid, otherwise=otherwise, in_rows=in_rows
                )


def _end_sessions(connection: Connection) -> None:
    """End the sessions that would end with an interrupted process.

    The pool of env.py's engine keeps them, with their locks.
    """
    connection.execute(_OTHERS)


@contextmanager
def _before(node: Node, source: Replica, filled: str) -> Iterator[URL]:
    with source.before(node) as database:
        if filled:
            with_connection(database, lambda connection: seeds.fill_all(connection.connection, filled))
        yield database


def uninterrupted(node: Node, source: Replica) -> "DatabaseState":
    """Return the state after one uninterrupted run of a revision."""
    with source.before(node) as database:
        upgrade(source.environment, database, [node])
        return with_connection(database, DatabaseState.of)


def _stop_after(environment: Environment, node: Node, number: int, database: URL) -> tuple[int | None, str | None]:
    """Stop a revision after the statement with this number.

    Return its line, or None if the run did not reach it, and how the run ended.
    """
    met: list[int] = []

    def stop(_session: Session, line: int) -> None:
        met.append(line)
        raise Interrupted

    with at(node, number, after=stop):
        ended = upgrade(environment, database, [node])
    return next(iter(met), None), ended


def _stop_during(environment: Environment, node: Node, number: int, database: URL) -> tuple[int | None, str | None]:
    """Stop a revision by a transaction that blocks the statement until it fails. Return the same as `_stop_after`."""
    met: list[int] = []
    with ExitStack() as blocking:

        def block(session: Session, line: int) -> None:
            if not met:
                met.append(line)
                with suppress(Exception):  # without the lock, the statement is not stopped, and no difference remains
                    blocking.enter_context(held(database, _lock_every_table, "a long transaction"))
                with closing(session.connection.cursor()) as cursor:
                    cursor.execute("SET lock_timeout = '20ms'")

        with at(node, number, before=block):
            ended = upgrade(environment, database, [node])
    return next(iter(met), None), ended


def _lock_every_table(connection: Connection) -> None:
    """Begin a transaction with a writer's locks on every table."""
    if names := _tables(connection):
        connection.execute(text("BEGIN"))
        connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ROW EXCLUSIVE MODE"))


@contextmanager
def at(node: Node, number: int, *, before: Hook | None = None, after: Hook | None = None) -> Iterator[None]:
    """Call hooks before or after the revision's statement outside of a transaction with this `number`, counted from 0, during the block."""
    done, commits = 0, False

    def about_to_run(execution: Execution) -> None:
        nonlocal commits
        line = line_in(node.script.path)
        commits = line is not None and execution.session.is_alone
        if before and line is not None and commits and done == number:
            before(execution.session, line)

    def has_run(execution: Execution) -> None:
        nonlocal done
        line = line_in(node.script.path)
        if line is None or not commits:
            return
        done += 1
        if after and done == number + 1:
            after(execution.session, line)

    with watching(before=about_to_run, after=has_run):
        yield


@dataclass(frozen=True)
class DatabaseState:
    """A database's state: the fingerprint of its catalog, its invalid indexes, and the number of rows of each table."""

    fingerprint: str
    invalid: tuple[str, ...]
    counts: Mapping[str, int]

    @classmethod
    def of(cls, connection: Connection) -> "DatabaseState":
        dbapi = connection.connection
        invalid = tuple(name for (name,) in query(dbapi, _INVALID))
        counts = " UNION ALL ".join(f"SELECT {literal(table)}, count(*) FROM {table}" for table in _tables(connection))
        return cls(
            Catalog(dbapi).fingerprint,
            invalid,
            {table: int(count) for table, count in query(dbapi, counts)} if counts else {},
        )

    def difference(self, expected: "DatabaseState") -> str:
        """Return the first difference from the expected state in words; empty when there is none."""
        if invalid := self.invalid_beside(expected):
            return f"{', '.join(invalid)} is not valid"
        if self.fingerprint != expected.fingerprint:
            return "it ends in another schema"
        for table, count in self.counts.items():
            if count != expected.counts.get(table):
                return f"{table} has {count} rows and not {expected.counts.get(table)}"
        return ""

    def invalid_beside(self, expected: "DatabaseState") -> tuple[str, ...]:
        """Return the invalid indexes that are valid in the expected state."""
        return tuple(name for name in self.invalid if name not in expected.invalid)


def _tables(connection: Connection) -> list[str]:
    """Return the names of all tables in SQL."""
    return [name for (name,) in query(connection.connection, _TABLES)]
