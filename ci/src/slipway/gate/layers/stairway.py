"""The stairway: every new revision up, down and up again, and every old one up.

One run of env.py executes all steps as long as none fails.
alembic gets its steps from a function; our function also reads the catalog before a step is committed. A failing step
ends the run. The next run resumes after it, in a new database if the step left changes.
"""

import re
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, partial
from subprocess import CalledProcessError
from typing import Any

from alembic import op
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL

from slipway.errors import BadInputError, RefusedError
from slipway.gate.connections import every_connection_led_to
from slipway.gate.history import Node
from slipway.gate.layers.drift import Migrated
from slipway.gate.measure.catalog import Catalog, Change, Line
from slipway.gate.measure.locks import held_by_others
from slipway.gate.measure.session import driver_of
from slipway.gate.measure.statements import Execution, Session, watching
from slipway.gate.measure.trace import Tracer
from slipway.gate.redirection import programs_started
from slipway.gate.steps import (
    AGAIN,
    DOWN,
    UP,
    Baseline,
    bare_step_of,
    by_itself,
    commit_beneath,
    report,
    run,
    step_of,
    version_table_of,
)
from slipway.migration.database import elsewhere, sqlstate
from slipway.migration.environment import Environment, Options, sentence
from slipway.migration.events import listening
from slipway.records.proof import Layer, Statement

_CATCH_UP = "catch up"
_READS = re.compile(
    r"\s*(SELECT|SHOW|SET|BEGIN|START|COMMIT|ROLLBACK|PREPARE|EXECUTE|DEALLOCATE|DISCARD)\b", re.IGNORECASE
)
_WRITES_ROWS = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b[^;]*;?\s*", re.IGNORECASE)
# Statements whose effect on the catalog depends on the catalog only, and not on rows, settings or time.
_REPEATABLE = re.compile(r"\s*(ALTER\s+(?!DEFAULT\b)|CREATE\s+(?!EVENT\b)|COMMENT\s|DROP\s)[^;]*;?\s*", re.IGNORECASE)
_INSUFFICIENT_PRIVILEGE, _LOCK_NOT_AVAILABLE = "42501", "55P03"
_REPEATING_SECONDS = 60.0  # limit for all runs of one revision in a layer


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed step."""

    message: str  # the error in one line
    file: str
    line: int
    declared: bool = False  # the revision declares that it has no downgrade
    code: str | None = None  # SQLSTATE, for an error of Postgres
    begun_by_env: bool = False  # whether an autocommit block found a transaction that alembic had not begun
    by_program: bool = False  # whether a program that the revision started has failed, whose error codes are unknown

    @classmethod
    def of(cls, error: BaseException, environment: Environment) -> "Failure":
        """Describe an error of a step."""
        file, line = environment.place_of(error)
        return cls(
            message=sentence(error),
            file=file,
            line=line,
            declared=isinstance(error, NotImplementedError),
            code=sqlstate(error),
            begun_by_env=_is_of_autocommit_block(error),
            by_program=isinstance(error, CalledProcessError),
        )

    @property
    def lacks_privileges(self) -> bool:
        return self.code == _INSUFFICIENT_PRIVILEGE

    @property
    def may_lack_rights(self) -> bool:
        return self.lacks_privileges or self.by_program

    def line_in(self, node: Node, otherwise: int) -> int:
        """Return the failure's line if it is in the revision's file, otherwise `otherwise`."""
        return self.line if self.file == node.file else otherwise


def _is_of_autocommit_block(error: BaseException) -> bool:
    """Return whether an error is alembic's assertion that it has begun the transaction itself (alembic/runtime/migration.py)."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return isinstance(error, AssertionError) and any(frame.name == "autocommit_block" for frame in place)


@dataclass(kw_only=True)
class Steps:
    """The effects of one revision's steps, by step."""

    changes: dict[str, Change] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()
    seconds: float = 0.0  # duration of the upgrade

    def runs(self, most: int) -> int:
        """Return how often a layer may repeat the upgrade: `most` times, or fewer when that would take too long."""
        return min(most, int(_REPEATING_SECONDS / self.seconds)) if self.seconds else most

    @property
    def slowly(self) -> str:
        """The reason for fewer repetitions, in words."""
        slowest = max(self.statements, key=lambda each: each.ms, default=None)
        most = f", {slowest.ms / 1000:.0f} s of it `{slowest.sql}` on line {slowest.line}" if slowest else ""
        return f"its upgrade takes {self.seconds:.0f} s on empty tables{most}"

    @property
    def upgraded(self) -> Change:
        """The change of the schema by the upgrade; empty when it did not run."""
        return self.changes.get(UP, Change())

    @property
    def committing(self) -> list[Statement]:
        return [statement for statement in self.statements if not statement.transaction]


@dataclass(frozen=True, kw_only=True)
class StairwayResult:
    """The effects of all steps."""

    steps: Mapping[str, Steps]  # by revision
    options: Options  # the options of env.py's `context.configure`
    migrated: Migrated | None  # the schema at the end of the history; None when a step failed before
    version_table: str  # alembic's own table, with the name that env.py gives it
    skipped: tuple[str, ...]  # the revisions that the stairway did not reach
    together: bool = False  # whether env.py runs all revisions in one transaction, which it may have begun itself
    why_skipped: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """The catalog at the end of the history; empty when the end was not reached."""
        return self.migrated.schema.lines if self.migrated else ()

    @cached_property
    def partitioned(self) -> frozenset[str]:
        """The history's partitioned tables, by all names that they have had."""
        added = (line for steps in self.steps.values() for line in steps.upgraded.added)
        return frozenset(line.name for line in added if line.kind == "partitioned table")

    @property
    def is_complete(self) -> bool:
        """Whether every upgrade succeeded."""
        return not self.skipped and not any(UP in steps.failures for steps in self.steps.values())


class _NotAsLeftError(Exception):
    """The error for a failed step whose changes no transaction rolled back."""


class _UnequalError(Exception):
    """The error for a downgrade that does not lead back, and for a second upgrade by other statements."""


class _After(Enum):
    """The action that follows a run of env.py."""

    RESUME = "in the same database"
    START_AFRESH = "in a new database"
    STOP = "every reachable step was run"


class Stairway:
    """A part of a history, from revision number `first` to before `last`. Earlier revisions are only upgraded."""

    def __init__(self, baseline: Baseline, first: int, last: int, *, trace: bool) -> None:
        self._baseline = baseline
        self._environment = baseline.environment
        self._tracer = Tracer()
        self._trace = trace
        self._nodes = baseline.history.nodes[:last]
        self._pending = deque(self._nodes[first:])
        self._steps = {node.id: Steps() for node in self._pending}
        # Revisions with a single step, and those that failed with all three steps in one transaction.
        self._one_by_one = {node.id for node in self._pending if node.old}
        self._current: tuple[Node, str] | None = None
        self._own_session: Any = None  # alembic's session
        self._has_others = False
        self._executed: list[str] = []  # the statements of the running step, except those that only write rows
        self._writes_rows = False  # whether there are some of these, which fire triggers
        self._deduces = True  # whether the first upgrade's catalog is deduced where it can be
        self._database: URL
        self._holders = ""  # the locks of other sessions at the time when a wait for one of them ended
        self._catalog: Catalog | None = None
        self._expected: str | None = None  # the fingerprint that a failed step must have left
        self._options: Options = {}
        self._migrated: Migrated | None = None
        self._version_table = ""
        self._begun_by_env = False
        self._why_not_reached = ""

    def climb(self) -> StairwayResult:
        """Run every step and collect the failures of revisions. Raise BadInputError when env.py itself fails."""
        with self._tracer.listening() if self._trace else nullcontext():
            with self._baseline.database() as database:
                after = self._climb_in(database)
            if after is _After.START_AFRESH:
                self._climb_rest()
        return self._result()

    def climb_in(self, database: URL) -> StairwayResult:
        """Run the steps in an empty database until one fails. Raise the errors of `climb`."""
        self._climb_in(database)
        return self._result()

    def _result(self) -> StairwayResult:
        return StairwayResult(
            steps=self._steps,
            options=self._options,
            migrated=self._migrated,
            version_table=self._version_table,
            skipped=tuple(node.id for node in self._pending),
            # After a failing revision the options are unknown.
            together=self._begun_by_env or (bool(self._options) and not self._options.get("transaction_per_migration")),
            why_skipped=self._why_not_reached,
        )

    def _climb_rest(self) -> None:
        """Run the pending steps, in as many new databases as necessary."""
        with self._baseline.replica() as source:
            after = _After.START_AFRESH
            while self._pending and after is _After.START_AFRESH:
                left = len(self._pending)
                try:
                    with source.before(self._pending[0]) as database:
                        after = self._climb_in(database)
                except RefusedError as error:
                    self._why_not_reached = str(error)
                    return
                if len(self._pending) == left and after is _After.START_AFRESH:
                    self._why_not_reached = f"{self._pending[0].id} does not run where it ran before"
                    return

    def _climb_in(self, database: URL) -> _After:
        self._expected, self._database = None, database
        with (
            every_connection_led_to(database),
            watching(before=self._note_statement),
            listening(handle_error=self._note_holders),
        ):
            while (after := self._run()) is _After.RESUME:
                pass
        return after

    def _run(self) -> _After:
        """Run env.py once."""
        self._begin()
        try:
            self._options = run(self._environment, self._walk, transaction_per_migration=True)
        except _NotAsLeftError:
            return _After.START_AFRESH
        except (Exception, SystemExit) as error:
            if self._current is None:
                raise BadInputError(
                    f"{self._environment.place_in_words(error)} fails before the first revision",
                    self._environment.needs(error),
                ) from error
            return self._failed(*self._current, error)
        if self._pending:
            raise BadInputError(
                f"{self._environment.relative(str(self._environment.script.env_py_location))} ended before all revisions were run",
                "it must call context.run_migrations() and must not swallow errors",
            )
        return _After.STOP

    def _begin(self) -> None:
        self._current = self._catalog = self._own_session = None

    def _note_statement(self, execution: Execution) -> None:
        """Note a statement, and that a session other than alembic's may change the database."""
        is_own = self._own_session in (None, execution.session.key)
        self._has_others |= not is_own and not _READS.match(execution.sql)
        if _WRITES_ROWS.fullmatch(execution.sql):
            self._writes_rows = True
        else:
            self._executed.append(execution.sql)

    def _note_holders(self, context: Any) -> None:
        """Note the other sessions that hold locks when a wait for one of them ends, because they end with the failing step."""
        if sqlstate(context.original_exception) == _LOCK_NOT_AVAILABLE:
            held = elsewhere(self._database, lambda connection: held_by_others(connection.connection))
            self._holders = self._tracer.words_on(held)

    def _failed(self, node: Node, step: str, error: BaseException) -> _After:
        if step == _CATCH_UP:  # an earlier failure left half of a revision, or a revision before this part fails
            return _After.START_AFRESH
        steps = self._steps[node.id]
        if node.id not in self._one_by_one and step != UP:
            self._one_by_one.add(node.id)
            return _After.RESUME
        failure = Failure.of(error, self._environment)
        if self._holders and failure.code == _LOCK_NOT_AVAILABLE:
            failure = replace(failure, message=f"{failure.message}; {self._holders}")
        steps.failures[step] = failure
        if step == UP:
            steps.statements = self._tracer.seen()
            return _After.STOP
        self._pending.popleft()
        self._expected = steps.fingerprints[UP]
        return _After.RESUME if step == DOWN else _After.START_AFRESH

    def _walk(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        assert context.connection is not None
        connection = context.connection.connection
        self._own_session = driver_of(connection)
        self._begun_by_env = context._in_external_transaction  # noqa: SLF001 -- alembic decides by it, too
        self._version_table = version_table_of(context)
        applied = self._baseline.history.upto(heads)
        pending = {node.id for node in self._pending}
        for node in self._nodes:
            if node.id not in pending and node.id not in applied:
                self._current = (node, _CATCH_UP)
                yield step_of(self._environment, node, UP)
        while self._pending:
            node = self._pending[0]
            steps = (UP,) if node.old or node.keeps_on_downgrade else (UP, DOWN, AGAIN)
            for together in [(step,) for step in steps] if node.id in self._one_by_one else [steps]:
                yield self._observed(node, together, connection)
            self._pending.popleft()
        commit_beneath(context)  # other databases are copied from this one, even when env.py never commits
        self._migrated = Migrated.read(context, (self._catalog or Catalog(connection)).lines)

    def _observed(self, node: Node, steps: Sequence[str], connection: Any) -> RevisionStep:
        """Run one or more steps of a revision in one transaction, and read the catalog after each of them.

        When a downgrade leads back to the catalog before, and the second upgrade executes the same statements as the
        first, their catalogs are the same. So the first one is not read.
        """
        self._current = (node, steps[0])
        report(Layer.ALWAYS, node.id, len(self._baseline.history.nodes))
        taken = bare_step_of(self._environment, node, steps[-1])
        functions = [bare_step_of(self._environment, node, step).migration_fn for step in steps]

        def run_and_read(**arguments: Any) -> None:
            catalog, seen = self._read_first(connection), self._steps[node.id]
            first: list[str] = []  # the statements of an upgrade whose catalog will be deduced
            for step, function in zip(steps, functions, strict=True):
                others = self._run_step(node, step, partial(function, **arguments), catalog)
                # Other sessions would wait for this transaction's locks, and are not rolled back with it.
                if others and len(steps) > 1:
                    self._one_by_one.add(node.id)
                    raise _NotAsLeftError
                if step == UP and len(steps) > 1 and self._deduces and self._is_repeatable(catalog):
                    first = self._executed
                if first and step == UP:
                    continue
                change = catalog.read(by_others=others)
                if first and (change if step == DOWN else self._executed != first):
                    self._deduces = False  # other revisions are likely to do so, too
                    raise _UnequalError
                seen.changes[step], seen.fingerprints[step] = change, catalog.fingerprint
            if first:
                again, returned = seen.fingerprints[AGAIN], seen.fingerprints[DOWN]
                seen.changes = {UP: change, DOWN: change.inverse, AGAIN: change}
                seen.fingerprints = {UP: again, DOWN: returned, AGAIN: again}

        taken.migration_fn = run_and_read
        return by_itself(self._environment, node, taken)

    def _is_repeatable(self, catalog: Catalog) -> bool:
        """Return whether the effect of the executed statements on a catalog depends on the catalog only."""
        fires = self._writes_rows and catalog.has_functions
        return not fires and all(map(_REPEATABLE.fullmatch, self._executed))

    def _run_step(self, node: Node, step: str, function: Callable[[], object], catalog: Catalog) -> bool:
        """Run a step, and trace the upgrade of a new revision. Return whether other sessions may have changed the database."""
        self._current, seen = (node, step), self._steps[node.id]
        self._has_others, self._writes_rows, self._executed, programs = False, False, [], programs_started()
        traced = step == UP and node.new and self._trace
        started = time.perf_counter()
        with self._tracing(node, catalog) if traced else nullcontext():
            function()
        seen.seconds = max(seen.seconds, time.perf_counter() - started)
        if traced:
            seen.statements = self._tracer.seen()
        return self._has_others or programs_started() > programs

    @contextmanager
    def _tracing(self, node: Node, catalog: Catalog) -> Iterator[None]:
        connection = op.get_context().connection
        assert connection is not None
        self._tracer.watch(node.script.path, node.upgrade_line, Session.of(connection), catalog, self._version_table)
        yield
        self._tracer.reconcile()

    def _read_first(self, connection: Any) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog(connection, noted=True)
            if self._expected not in (None, self._catalog.fingerprint):
                raise _NotAsLeftError
        self._catalog.begin()
        self._expected = self._catalog.fingerprint
        return self._catalog
