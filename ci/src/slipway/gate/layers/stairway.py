"""Every revision up, down and up again: in one process, one run of env.py, one connection, as long as nothing fails.

alembic asks a function for the steps to run; ours also looks at the catalog before a step is committed. A failing step ends the run; the next run takes up where it left off, on a new database where the old one is no longer sound.
"""

import traceback
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL

from slipway.errors import BadInputError, RefusedError
from slipway.gate.base import base
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.lines import Change, Line
from slipway.gate.measure.session import SESSION
from slipway.gate.measure.trace import Tracer
from slipway.gate.steps import AGAIN, DOWN, UP, bare_step_of, by_itself, run, step_of
from slipway.migration.database import every_connection_to, sqlstate
from slipway.migration.environment import Environment, Options, sentence
from slipway.records.proof import Statement

_CATCH_UP = "catch up"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A step that failed: what was said, and where.

    - declared: the revision says that it has no downgrade. code: Postgres' own name for the error (SQLSTATE), when it is one.
    - begun_by_env: an autocommit block found a transaction that alembic has not begun.
    """

    said: str
    file: str
    line: int
    declared: bool = False
    code: str | None = None
    begun_by_env: bool = False

    @classmethod
    def of(cls, error: BaseException, environment: Environment) -> "Failure":
        """The failure that an error of a step is."""
        file, line = environment.place_of(error)
        return cls(
            said=sentence(error),
            file=file,
            line=line,
            declared=isinstance(error, NotImplementedError),
            code=sqlstate(error),
            begun_by_env=_is_of_autocommit_block(error),
        )

    def line_in(self, node: Node, otherwise: int) -> int:
        """Its line, when that is in the revision's own file."""
        return self.line if self.file == node.file else otherwise


def _is_of_autocommit_block(error: BaseException) -> bool:
    """Alembic asserts there that it has begun the transaction itself (alembic/runtime/migration.py)."""
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return isinstance(error, AssertionError) and any(frame.name == "autocommit_block" for frame in place)


@dataclass
class Steps:
    """What the steps of one revision did."""

    changes: dict[str, Change] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Climb:
    """What a stairway showed.

    - steps: by revision. options: what env.py gave to `context.configure`. lines: the catalog at the end, None when it was not reached.
    - version_table: alembic's own, as env.py names it. skipped: the revisions that were not reached, and why_skipped.
    - together: env.py runs all revisions in one transaction, whatever it tells alembic, when it has begun one itself.
    """

    steps: Mapping[str, Steps]
    options: Options
    lines: tuple[Line, ...] | None
    version_table: str
    skipped: tuple[str, ...]
    together: bool = False
    why_skipped: str = ""


class _NotAsLeftError(Exception):
    """A failed step left something behind that no transaction took back."""


class _After(Enum):
    """How to go on after a run of env.py."""

    GO_ON = "in the same database"
    START_AFRESH = "in a new database"
    STOP = "all is done, or nothing beyond can be reached"


class Stairway:
    """Climbs a part of a history, from the revision number `first` to the one before `last`; what comes before is only upgraded."""

    def __init__(self, history: History, environment: Environment, first: int, last: int) -> None:
        self._history = history
        self._environment = environment
        self._tracer = Tracer()
        self._nodes = history.nodes[:last]
        self._pending = deque(history.nodes[first:last])
        self._steps = {node.id: Steps() for node in self._pending}
        self._one_by_one: set[str] = set()  # revisions that failed with their three steps in one transaction
        self._current: tuple[Node, str] | None = None
        self._catalog: Catalog | None = None
        self._expected: str | None = None  # the fingerprint that a failed step should have left
        self._options: Options = {}
        self._lines: tuple[Line, ...] | None = None
        self._version_table = ""
        self._begun_by_env = False
        self._why_not_reached = ""

    def climb(self, ground: Ground) -> Climb:
        """Run every step; failures of revisions are in the answer. Raises BadInputError when env.py itself fails."""
        with self._tracer.listening():
            with ground.database() as database:
                after = self._climb_in(database)
            if after is _After.START_AFRESH:
                self._climb_on(ground)
        skipped = tuple(node.id for node in self._pending)
        together = self._begun_by_env or not self._options.get("transaction_per_migration")
        return Climb(
            steps=self._steps,
            options=self._options,
            lines=self._lines,
            version_table=self._version_table,
            skipped=skipped,
            together=together,
            why_skipped=self._why_not_reached,
        )

    def _climb_on(self, ground: Ground) -> None:
        """What is left, in new databases, as many as it takes."""
        with base(self._environment, self._nodes, ground) as below:
            after = _After.START_AFRESH
            while self._pending and after is _After.START_AFRESH:
                left = len(self._pending)
                try:
                    with below.before(self._pending[0]) as database:
                        after = self._climb_in(database)
                except RefusedError as error:
                    self._why_not_reached = str(error)
                    return
                if len(self._pending) == left and after is _After.START_AFRESH:
                    self._why_not_reached = f"{self._pending[0].id} does not run where it ran before"
                    return

    def _climb_in(self, database: URL) -> _After:
        self._expected = None
        with every_connection_to(database, SESSION):
            while (after := self._run()) is _After.GO_ON:
                pass
        return after

    def _run(self) -> _After:
        """One run of env.py."""
        self._begin()
        try:
            self._options = run(self._environment, self._walk, transaction_per_migration=True)
        except _NotAsLeftError:
            return _After.START_AFRESH
        except (Exception, SystemExit) as error:
            if self._current is None:
                raise BadInputError(
                    f"{self._environment.spoken_place_of(error)} fails before the first revision",
                    f"{sentence(error)}; variables it needs go to [tool.slipway.migrations] variables",
                ) from error
            return self._failed(*self._current, error)
        if self._pending:
            raise BadInputError(
                f"{self._environment.relative(str(self._environment.script.env_py_location))} ended before all revisions were run",
                "it must call context.run_migrations() and let errors pass",
            )
        return _After.STOP

    def _begin(self) -> None:
        self._current = self._catalog = None

    def _failed(self, node: Node, step: str, error: BaseException) -> _After:
        if (
            step == _CATCH_UP
        ):  # what failed before left half of a revision behind, or what comes before this part does not run
            return _After.START_AFRESH
        steps = self._steps[node.id]
        if node.id not in self._one_by_one:
            self._one_by_one.add(node.id)
            return _After.GO_ON
        steps.failures[step] = Failure.of(error, self._environment)
        if step == UP:
            steps.statements = self._tracer.seen()
            return _After.STOP
        self._pending.popleft()
        self._expected = steps.fingerprints[UP]
        return _After.GO_ON if step == DOWN else _After.START_AFRESH

    def _walk(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        assert context.connection is not None
        connection = context.connection.connection
        self._begun_by_env = context._in_external_transaction  # noqa: SLF001 -- on which alembic decides, too
        schema = context.version_table_schema
        self._version_table = f"{schema}.{context.version_table}" if schema else context.version_table
        applied = self._history.upto(heads)
        pending = {node.id for node in self._pending}
        for node in self._nodes:
            if node.id not in pending and node.id not in applied:
                self._current = (node, _CATCH_UP)
                yield step_of(self._environment, node, UP)
        while self._pending:
            node = self._pending[0]
            steps = (UP,) if node.keeps_on_downgrade else (UP, DOWN, AGAIN)
            for together in [(step,) for step in steps] if node.id in self._one_by_one else [steps]:
                yield self._observed(node, together, connection)
            self._pending.popleft()
        self._lines = tuple((self._catalog or Catalog(connection)).lines)

    def _observed(self, node: Node, steps: Sequence[str], connection: Any) -> RevisionStep:
        """One or more steps of a revision in one transaction, with a look at the catalog after each."""
        self._current = (node, steps[0])
        taken = bare_step_of(self._environment, node, steps[-1])
        functions = [bare_step_of(self._environment, node, step).migration_fn for step in steps]

        def run_and_look(**arguments: Any) -> None:
            catalog = self._look_first(connection)
            seen = self._steps[node.id]
            for step, function in zip(steps, functions, strict=True):
                self._current = (node, step)
                if step == UP and node.new:
                    self._tracer.watch(node.script.path, catalog, self._version_table)
                function(**arguments)
                if step == UP:
                    seen.statements = self._tracer.seen()
                seen.changes[step] = catalog.read()
                seen.fingerprints[step] = catalog.fingerprint

        taken.migration_fn = run_and_look
        return by_itself(self._environment, node, taken)

    def _look_first(self, connection: Any) -> Catalog:
        if self._catalog is None:
            self._catalog = Catalog(connection)
            if self._expected not in (None, self._catalog.fingerprint):
                raise _NotAsLeftError
        self._catalog.begin()
        self._expected = self._catalog.fingerprint
        return self._catalog
