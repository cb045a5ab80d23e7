"""The new revisions in one run of env.py, with its own transactions, as `alembic upgrade heads` and the migration of a release run them.

Other layers give each revision a transaction of its own. This run starts after the released revisions, with rows in the
tables. When it fails, it is repeated on empty tables, because our rows may be the reason. After it, a new connection
must see the head.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.errors import RefusedError
from slipway.gate.connections import every_connection_led_to
from slipway.gate.layers import seeds
from slipway.gate.layers.rows import is_caused_by_our_values
from slipway.gate.layers.stairway import Failure
from slipway.gate.measure.session import literal, query
from slipway.gate.steps import Baseline, report, run, upgrade, within_timeout
from slipway.migration.database import with_connection
from slipway.migration.upgrade import steps_to_head, transactions_of
from slipway.records.proof import Layer

_QUALIFIED = """SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass({name})"""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """The revision in which a run ended with an error. `fits` is False when our rows are the reason."""

    revision: str
    failure: Failure
    fits: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of env.py: its transactions in words, the error that ended it, if any, and the heads that a new connection sees."""

    transactions: str
    stop: Stop | None = None
    seen: tuple[str, ...] = ()


@dataclass(frozen=True)
class TogetherResult:
    """The run on rows and, when that failed, the run on empty tables. `gap` is the reason when there is none."""

    on_rows: Run | None = None
    on_empty: Run | None = None
    gap: str = ""

    @property
    def last(self) -> Run | None:
        return self.on_empty or self.on_rows


def run_together(baseline: Baseline, version_table: str) -> TogetherResult:
    """Run the new revisions of a history. Each of them succeeds by itself."""
    try:
        on_rows = _run(baseline, version_table, with_rows=True)
        on_empty = _run(baseline, version_table, with_rows=False) if on_rows.stop else None
    except RefusedError as error:
        return TogetherResult(gap=f"the new revisions were not run together, as env.py does ({error})")
    return TogetherResult(on_rows, on_empty)


def _run(baseline: Baseline, version_table: str, *, with_rows: bool) -> Run:
    old = baseline.history.before_new[baseline.old :]
    filled = baseline.filled.get(True) if with_rows else None
    with baseline.database(filled) as database:
        if error := upgrade(baseline.environment, database, old):
            raise RefusedError("the released revisions do not run", error)
        if with_rows and not filled:
            fill = partial(seeds.fill_all, version_table=version_table, samples=baseline.samples)
            with_connection(database, lambda connection: fill(connection.connection))
        return Upgrade(baseline=baseline, database=database).run()


def _ignore(_context: MigrationContext, _revision: str) -> None:
    """Ignore a step."""


@dataclass(kw_only=True)
class Upgrade:
    """A run of alembic's own steps to the heads of the history.

    - before: called before each step, with its revision.
    - options: arguments of `context.configure` in place of env.py's.
    """

    baseline: Baseline
    database: URL
    before: Callable[[MigrationContext, str], object] = _ignore
    options: Mapping[str, object] = field(default_factory=dict)
    order: tuple[str, ...] = ()  # the revisions of all steps to the heads
    transactions: str = ""
    version_table: str = ""  # the table with its schema, which env.py's search_path may determine
    revision: str = ""

    def run(self) -> Run:
        with every_connection_led_to(self.database):
            try:
                run(self.baseline.environment, self._steps, **self.options)
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- any error of a revision is a finding
                failure = Failure.of(error, self.baseline.environment)
                fits = not is_caused_by_our_values(error)
                return Run(
                    transactions=self.transactions, stop=Stop(revision=self.revision, failure=failure, fits=fits)
                )
        return Run(transactions=self.transactions, seen=with_connection(self.database, self._seen))

    def _steps(self, heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        environment = self.baseline.environment
        assert context.connection is not None
        connection = context.connection.connection
        self.transactions = transactions_of(context)
        steps = steps_to_head(environment.script, heads)
        self.order = tuple(step.revision.revision for step in steps)
        for step in steps:
            self.revision = step.revision.revision
            self.before(context, self.revision)
            report(Layer.TOGETHER, self.revision, len(steps))
            yield within_timeout(environment, self.revision, step)
        schema = context.version_table_schema
        named = ".".join(f'"{name}"' for name in (schema, context.version_table) if name)
        self.version_table = query(connection, _QUALIFIED.format(name=literal(named)))[0][0]

    def _seen(self, connection: Connection) -> tuple[str, ...]:
        exists = connection.scalar(text("SELECT to_regclass(:name)"), {"name": self.version_table})
        return tuple(connection.scalars(text(f"SELECT version_num FROM {self.version_table}"))) if exists else ()
