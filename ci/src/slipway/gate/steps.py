"""The steps of revisions as alembic runs them, and the databases in which layers run them.

A replica is only ever upgraded, and layers that start in the middle of a history copy it. So a history with many
failing revisions costs one more pass, instead of one for each failure.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from alembic import op
from alembic.runtime.migration import MigrationContext, MigrationStep, RevisionStep
from sqlalchemy.engine import URL

from slipway.errors import BadInputError, RefusedError
from slipway.gate.connections import every_connection_led_to
from slipway.gate.databases import copy, fresh
from slipway.gate.deadline import within
from slipway.gate.history import History, Node
from slipway.gate.measure.place import running
from slipway.gate.measure.role import as_in_production
from slipway.gate.measure.session import leaving_the_session, note_change
from slipway.gate.measure.statements import Execution, watching
from slipway.migration.definitions import forgotten_definitions
from slipway.migration.environment import Environment, Options, Steps, sentence
from slipway.migration.initial_schema import InitialSchema
from slipway.records.form import to_json
from slipway.records.gate import PROGRESS_MARK, GateProgress, Role
from slipway.records.proof import Layer

UP: Final = "up"
DOWN: Final = "down"
AGAIN: Final = "again"


def run(environment: Environment, steps: Steps, **overrides: object) -> Options:
    """Run env.py with these steps, and return the options of its `context.configure`.

    Raise env.py's errors, and TookTooLongError.
    """
    env_py = environment.relative(str(environment.script.env_py_location))
    with within(environment.timeout, env_py), watching(before=_note_change), as_in_production():
        return environment.run(steps, **overrides)


def _note_change(execution: Execution) -> None:
    note_change(execution.session.connection, execution.sql)


def step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """Return a step as alembic runs it, in its own transaction."""
    return by_itself(environment, node, bare_step_of(environment, node, step))


def by_itself(environment: Environment, node: Node, step: RevisionStep) -> RevisionStep:
    """Run a step in a transaction of its own, even when env.py has begun one for all steps and alembic commits nothing.

    Earlier revisions are committed below SQLAlchemy, which refuses a commit within `with connection.begin()`. So their
    locks do not count for this revision, and they survive its failure.
    """
    function = step.migration_fn

    def run(**arguments: Any) -> None:
        commit_beneath(op.get_context())
        with within(environment.timeout, f"revision {node.id} ({node.file})"):
            function(**arguments)

    step.migration_fn = run
    return step


def commit_beneath(context: MigrationContext) -> None:
    """Commit the transaction that alembic will not commit, if any, without SQLAlchemy's knowledge.

    env.py has begun it, or SQLAlchemy has after a revision ended alembic's.
    """
    if context._in_external_transaction or context._transaction is None:  # noqa: SLF001 -- alembic decides by them, too
        assert context.connection is not None
        context.connection.connection.commit()


def bare_step_of(environment: Environment, node: Node, step: str) -> RevisionStep:
    """Return a step that runs in the current transaction. The second upgrade starts as it would in a run of its own."""
    make = MigrationStep.downgrade_from_script if step == DOWN else MigrationStep.upgrade_from_script
    made = make(environment.script.revision_map, node.script)
    function = made.migration_fn
    line = node.downgrade_line if step == DOWN else node.upgrade_line

    def run(**arguments: Any) -> None:
        if step == AGAIN:  # reset alembic's notes on the enum types that a run has created (alembic/ddl/impl.py)
            op.get_context().impl.memo.clear()
        path = node.script.path
        with leaving_the_session(), _in_this_process(), running(path, line), forgotten_definitions(path):
            function(**arguments)

    made.migration_fn = run
    return made


def version_table_of(context: MigrationContext) -> str:
    """Return alembic's own table with the name, and schema if any, that env.py gives it."""
    schema = context.version_table_schema
    return f"{schema}.{context.version_table}" if schema else context.version_table


def within_timeout(environment: Environment, revision: str, step: RevisionStep) -> RevisionStep:
    """Limit the time of a step, which alembic otherwise runs as always."""
    function = step.migration_fn

    def run(**arguments: Any) -> None:
        limit = within(environment.timeout, f"revision {revision}")
        with limit, _in_this_process(), forgotten_definitions(environment.script.get_revision(revision).path):
            function(**arguments)

    step.migration_fn = run
    return step


@contextmanager
def _in_this_process() -> Iterator[None]:
    """End a fork that a revision left running in the block.

    It shares its parent's connection, and no process waits for it.
    """
    process = os.getpid()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(0)


class Interrupted(BaseException):
    """An interruption of a revision. Like a power failure, no revision can catch it."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The start of a history on a server: an empty database, the `initial` schema, or a `template` that contains the `old` first revisions."""

    history: History
    environment: Environment
    server: URL
    extensions: tuple[str, ...]  # extensions that the revisions need
    role: Role  # the role that runs the revisions
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values for rows, by table.column
    initial: InitialSchema | None = None
    template: URL | None = None
    old: int = 0
    # Copies of the template with rows, by whether the rows are plain.
    filled: Mapping[bool, URL] = field(default_factory=dict)

    @contextmanager
    def database(self, filled: URL | None = None) -> Iterator[URL]:
        """Create a database in this state for the block, or a copy of a filled one.

        Raise BadInputError when this fails.
        """
        template = filled or self.template
        with copy(self.server, template) if template else fresh(self.server, self.extensions, self.role) as url:
            yield url

    @contextmanager
    def replica(self) -> Iterator["Replica"]:
        with ExitStack() as databases:
            yield Replica(self, databases)


class Replica:
    """The state before a revision, in a database that is upgraded from the baseline as far as needed."""

    def __init__(self, baseline: Baseline, databases: ExitStack) -> None:
        self.history, self.environment, self.samples = baseline.history, baseline.environment, baseline.samples
        self._baseline = baseline
        self._databases = databases
        self._url: URL | None = None
        self._done = baseline.old

    def filled(self, node: Node, *, plain: bool) -> URL | None:
        """Return the template with rows for the state before a revision, if there is one."""
        begins = [each.id for each in self.history.nodes[self._baseline.old :][:1]]
        return self._baseline.filled.get(plain) if begins == [node.id] else None

    @contextmanager
    def before(self, node: Node, filled: URL | None = None) -> Iterator[URL]:
        """Create a database in the state before a revision for the block, or a copy of a filled one.

        Raise RefusedError when an earlier revision fails.
        """
        position = next(number for number, each in enumerate(self.history.nodes) if each.id == node.id)
        if position > self._done:
            self._url = self._url or self._databases.enter_context(self._baseline.database())
            if error := upgrade(self.environment, self._url, self.history.nodes[self._done : position]):
                raise RefusedError(f"the revisions before {node.id} do not run", error)
            self._done = position
        with self.copied(self._url) if self._url and not filled else self._baseline.database(filled) as database:
            yield database

    def copied(self, database: URL) -> AbstractContextManager[URL]:
        """Copy one of the gate's databases for a block."""
        return copy(self._baseline.server, database)


def upgrade(environment: Environment, database: URL, nodes: Sequence[Node]) -> str | None:
    """Run some revisions in a database. Return the error in one line, or None."""
    error = error_of_upgrade(environment, database, nodes)
    return sentence(error) if error else None


def error_of_upgrade(environment: Environment, database: URL, nodes: Sequence[Node]) -> BaseException | None:
    """Run some revisions in a database. Return the error, or None."""
    if not nodes:
        return None

    def steps(_heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        for node in nodes:
            yield step_of(environment, node, UP)

    return _error_of_walk(environment, database, steps)


def heads_of(environment: Environment, database: URL) -> tuple[str, ...]:
    """Return the heads of a database. Raise BadInputError when env.py fails."""
    seen: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        seen.extend(heads)
        yield from ()

    if error := _error_of_walk(environment, database, steps):
        place = environment.place_in_words(error)
        raise BadInputError(f"{place} fails before the first revision", environment.needs(error)) from error
    return tuple(sorted(seen))


def walk(environment: Environment, database: URL, steps: Steps) -> str | None:
    """Run env.py with these steps in a database, and commit each step. Return the error in one line, or None."""
    error = _error_of_walk(environment, database, steps)
    return sentence(error) if error else None


def _error_of_walk(environment: Environment, database: URL, steps: Steps) -> BaseException | None:
    def committed(heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        for step in steps(heads, context):
            yield step
            commit_beneath(context)

    with every_connection_led_to(database):
        try:
            run(environment, committed, transaction_per_migration=True)
        except (Exception, SystemExit, Interrupted) as error:  # noqa: BLE001 -- any error of a revision is a result
            return error
    return None


class _Process:
    """Whether this process and its forks report progress."""

    enabled = False


def report_progress() -> None:
    _Process.enabled = True


def report(layer: Layer, revision: str, of: int) -> None:
    """Report that a layer begins to examine a revision, one of `of` revisions."""
    if _Process.enabled:
        line = PROGRESS_MARK + to_json(GateProgress(layer=layer, revision=revision, of=of), indent=None)
        with suppress(OSError):  # a revision may have closed standard error
            os.write(2, line.encode())  # env.py may have replaced sys.stderr; one write keeps lines of forks apart
