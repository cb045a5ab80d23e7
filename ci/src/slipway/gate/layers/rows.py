"""New revisions on rows: tables are filled as soon as they exist, and the rows stay for the following revisions, as in production.

This finds revisions that pass only on empty tables, downgrades that lose or change values that the upgrade had kept, and upgrades that drop
values. A revision that touches no rows is only upgraded.
"""

import itertools
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep

from slipway.errors import RefusedError
from slipway.gate import progress
from slipway.gate.baseline import Baseline, replica
from slipway.gate.history import History, Node
from slipway.gate.layers import seeds
from slipway.gate.layers.backfills import Again, noted, written_again
from slipway.gate.layers.sequences import Behind, Sequences
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.measure.dbapi import SESSION, literal, query, taken_back
from slipway.gate.names import few
from slipway.gate.steps import AGAIN, DOWN, UP, run, step_of
from slipway.migration.database import every_connection_to, sqlstate
from slipway.migration.environment import Environment, sentence
from slipway.records.proof import Layer

# Errors that our invented values cause, unlike the application's: a cast that cannot read our text, a check or a reference that our row violates,
# a refusal of an extension (39000), as pgcrypto's of values that it has not encrypted, an error of Python on JSON of another shape. A violation by
# NULL or by equal rows, where these were allowed, is the revision's own.
_NOT_FIT = re.compile("22...|23503|23514|39...")
_SHAPES = (TypeError, AttributeError, LookupError, ValueError)
_WRITES = re.compile(r"\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|MERGE|COPY)\b", re.IGNORECASE)
_NAMES = """
SELECT c.oid::text, concat(quote_ident(n.nspname), '.', quote_ident(c.relname))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"""
_COLUMNS = """
SELECT c.oid::text, a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attnum > 0 AND NOT a.attisdropped"""


@dataclass(frozen=True)
class Loss:
    """The loss of a table's rows or a column's values, in words."""

    name: str
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(kw_only=True)
class Rows:
    """The effects of one revision's steps on rows."""

    held: dict[str, int] = field(default_factory=dict)  # the number of rows of each table before
    failures: dict[str, Failure] = field(default_factory=dict)  # by step, where it succeeds on empty tables
    dropped: tuple[Loss, ...] = ()  # columns and tables that the upgrade removed with values
    deleted: tuple[Loss, ...] = ()  # rows that the upgrade deleted
    recast: tuple[Loss, ...] = ()  # values that the upgrade changed by a new type
    changed: tuple[Loss, ...] = ()  # values that the upgrade kept and the downgrade lost or changed
    behind: tuple[Behind, ...] = ()  # sequences behind the values of their columns
    again: tuple[Again, ...] = ()  # backfills that write rows again in a second run


@dataclass(frozen=True)
class RowsResult:
    """The history on rows: `filled` of `tables` accepted rows; `gaps` are sentences."""

    revisions: Mapping[str, Rows] = field(default_factory=dict)
    tables: int = 0
    filled: int = 0
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """The rows of some tables. Keys are oids of tables, and numbers of columns, which survive a rename."""

    names: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    types: Mapping[tuple[str, str], str]
    values: Mapping[tuple[str, str], tuple[Any, ...]]
    counts: Mapping[str, int]


def run_on_rows(
    history: History, environment: Environment, steps: Mapping[str, Steps], baseline: Baseline
) -> RowsResult:
    """Run the new revisions on rows; `steps` are the results of the stairway."""
    return _Run(history, environment, steps).run(baseline)


class _Run:
    """A run of a history's new revisions on rows.

    - filled: the number of rows by the oid of each table that was to be filled.
    """

    def __init__(self, history: History, environment: Environment, steps: Mapping[str, Steps]) -> None:
        self._environment = environment
        self._steps = steps
        self._nodes = tuple(itertools.takewhile(lambda node: _is_upgraded(steps[node.id]), history.nodes))
        self._pending = deque(itertools.dropwhile(lambda node: not node.new, self._nodes))
        self._new = len(self._pending)
        self._rows: dict[str, Rows] = {}
        self._filled: dict[str, int] = {}  # the number of rows by the oid of each table
        self._names: dict[str, str] = {}
        self._unfit: list[str] = []
        self._unreached = ""
        self._current: tuple[Node, str] | None = None

    def run(self, baseline: Baseline) -> RowsResult:
        """Run every step and collect the failures."""
        with replica(self._environment, self._nodes, baseline) as source:
            while self._pending:
                self._filled, self._names = {}, {}
                try:
                    with source.before(self._pending[0]) as database, every_connection_to(database, SESSION):
                        self._run_env()
                except RefusedError as error:
                    self._unreached = str(error)
                    break
        filled = sum(count > 0 for count in self._filled.values())
        return RowsResult(self._rows, len(self._filled), filled, tuple(self._gaps()))

    def _gaps(self) -> Iterator[str]:
        if self._pending:
            yield f"{len(self._pending)} revisions were not run on rows, the first is {self._pending[0].id} ({self._unreached})"
        if self._unfit:
            yield f"{len(self._unfit)} revisions were not judged on rows, because they reject the generated values, the first is {self._unfit[0]}"
        empty = sorted(self._names[oid] for oid, count in self._filled.items() if not count)
        if empty:
            yield f"{len(empty)} of {len(self._filled)} tables could not be filled with rows: {few(empty)}"

    def _run_env(self) -> None:
        """Run env.py once, to the end or to a failing step."""
        self._begin()
        try:
            run(self._environment, self._walk, transaction_per_migration=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- any error of a revision is a finding
            if self._current is None:
                self._pending.clear()
                return
            node, step = self._current
            if _is_caused_by_our_values(error):
                self._unfit.append(f"{node.id} ({sentence(error)})")
            else:
                self._of(node).failures[step] = Failure.of(error, self._environment)
            with suppress(IndexError):
                self._pending.popleft()

    def _begin(self) -> None:
        self._current = None

    def _of(self, node: Node) -> Rows:
        return self._rows.setdefault(node.id, Rows())

    def _walk(self, _heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        assert context.connection is not None
        connection = context.connection.connection
        own = f"{context.version_table_schema or 'public'}.{context.version_table}"
        while self._pending:
            node = self._pending[0]
            if not self._filled and node is not self._nodes[0]:
                self._fill(connection, own)
            yield from self._upgraded(node, connection)
            if self._makes_tables(node):
                self._fill(connection, own)
            self._pending.popleft()

    def _upgraded(self, node: Node, connection: Any) -> Iterator[RevisionStep]:
        touched = self._touched(node)
        before = _snapshot(connection, touched)
        self._current = (node, UP)
        if not node.new:
            yield step_of(self._environment, node, UP)
            return
        progress.report(Layer.ROWS, node.id, self._new)
        after = max(map(int, self._filled), default=0)
        counted = Sequences(connection, touched, after) if self._may_leave_sequences_behind(node) else None
        with noted(node) as backfills:
            yield step_of(self._environment, node, UP)
        if counted:
            self._of(node).behind = counted.left_behind()
        if backfills:  # the tables that they lock are not known when they run outside a transaction
            self._of(node).again = tuple(written_again(connection, backfills))
        if any(before.counts.values()):
            yield from self._judged(node, before, connection)

    def _judged(self, node: Node, before: _Snapshot, connection: Any) -> Iterator[RevisionStep]:
        """Compare the rows after the upgrade and after the downgrade with those before."""
        rows = self._of(node)
        rows.held = {before.names[oid]: count for oid, count in before.counts.items()}
        after, back = _snapshot(connection, list(before.names)), {}
        rows.recast = tuple(_recast(connection, before, after))
        if not node.keeps_on_downgrade and not self._steps[node.id].failures:
            self._current = (node, DOWN)
            yield step_of(self._environment, node, DOWN)
            back = {table: _rows(connection, table) for table in before.names.values() if _exists(connection, table)}
            self._current = (node, AGAIN)
            yield step_of(self._environment, node, AGAIN)
        rows.dropped = tuple(_dropped(before, after, back))
        rows.deleted = tuple(_deleted(before, after, back))
        recast = {loss.name for loss in rows.recast}
        rows.changed = tuple(loss for loss in _changed(before, after, back) if loss.name not in recast)

    def _touched(self, node: Node) -> list[str]:
        """Return the filled tables that the revision's upgrade locks."""
        locked = {name for statement in self._steps[node.id].statements for name in statement.locks}
        return [oid for oid, name in self._names.items() if name in locked and self._filled[oid]]

    def _may_leave_sequences_behind(self, node: Node) -> bool:
        """Whether it writes rows, or adds a sequence to existing rows; reading all sequences is slow."""
        steps = self._steps[node.id]
        change = steps.changes.get(UP)
        return any(_WRITES.match(statement.sql) for statement in steps.statements) or (
            change is not None and any(line.kind == "sequence" for line in change.added)
        )

    def _makes_tables(self, node: Node) -> bool:
        change = self._steps[node.id].changes.get(UP)
        return change is not None and any("table" in line.kind for line in (*change.added, *change.removed))

    def _fill(self, connection: Any, own: str) -> None:
        """Fill the new tables, except alembic's own."""
        new = [table for table in seeds.tables(connection, max(map(int, self._filled), default=0)) if table.name != own]
        for table in seeds.parents_first(new):
            self._filled[table.oid] = seeds.fill(connection, table)
        self._names = {oid: name for oid, name in query(connection, _NAMES) if oid in self._filled}
        self._filled = {oid: self._filled[oid] for oid in self._names}


def _is_caused_by_our_values(error: BaseException) -> bool:
    code = sqlstate(error)
    if code is None:
        return isinstance(error, _SHAPES) and "NoneType" not in str(error)
    return _NOT_FIT.fullmatch(code) is not None


def _is_upgraded(steps: Steps) -> bool:
    return UP in steps.fingerprints and UP not in steps.failures


def _snapshot(connection: Any, oids: Sequence[str]) -> _Snapshot:
    """Read some tables; those that no longer exist are absent."""
    if not oids:
        return _Snapshot(names={}, columns={}, types={}, values={}, counts={})
    among = f"c.oid = ANY ('{{{','.join(oids)}}}'::oid[])"
    catalog = query(connection, f"{_COLUMNS} AND {among}")
    columns = {(oid, number): name for oid, number, name, _ in catalog}
    types = {(oid, number): kind for oid, number, _, kind in catalog}
    names: dict[str, str] = dict(query(connection, f"{_NAMES} WHERE {among}"))  # type: ignore[arg-type]
    rows = {oid: _rows(connection, table) for oid, table in names.items()}
    values = {(oid, number): tuple(row[name] for row in rows[oid]) for (oid, number), name in columns.items()}
    return _Snapshot(
        names=names, columns=columns, types=types, values=values, counts={oid: len(held) for oid, held in rows.items()}
    )


def _rows(connection: Any, table: str) -> list[dict[str, Any]]:
    ((text,),) = query(connection, f"SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM {table} t")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def _exists(connection: Any, table: str) -> bool:
    ((oid,),) = query(connection, f"SELECT to_regclass({literal(table)})::oid::text")
    return oid is not None


def _dropped(before: _Snapshot, upgraded: _Snapshot, back: Mapping[str, list[dict[str, Any]]]) -> Iterator[Loss]:
    """Yield tables and columns that the upgrade removed with values, unless the downgrade brings them `back`."""
    for oid, table in before.names.items():
        if oid not in upgraded.names and len(back.get(table, [])) < before.counts[oid]:
            yield Loss(table, f"the table {table}, which held {before.counts[oid]} rows")
    for (oid, number), name in before.columns.items():
        values, table = before.values[oid, number], before.names[oid]
        dropped = oid in upgraded.names and (oid, number) not in upgraded.columns
        if dropped and _kept(values) - _kept([row.get(name) for row in back.get(table, [])]):
            words = f"the column {table}.{name}, which held values in {_kept(values).total()} of {len(values)} rows"
            yield Loss(f"{table}.{name}", words)


def _deleted(before: _Snapshot, upgraded: _Snapshot, back: Mapping[str, list[dict[str, Any]]]) -> Iterator[Loss]:
    """Yield the rows that the upgrade deleted, unless the downgrade brings them `back`."""
    for oid, table in before.names.items():
        held, left = before.counts[oid], upgraded.counts.get(oid)
        if left is not None and left < held and len(back.get(table, [])) < held:
            yield Loss(table, f"{held - left} of {held} rows of {table} are gone")


def _recast(connection: Any, before: _Snapshot, upgraded: _Snapshot) -> Iterator[Loss]:
    """Yield values that a new type changed, found by casting them back; types without that cast are skipped."""
    for key, name in upgraded.columns.items():
        was, now = before.types.get(key), upgraded.types[key]
        if was is None or was == now or upgraded.counts[key[0]] != before.counts[key[0]]:
            continue
        values = _kept(before.values[key])
        table = before.names[key[0]]
        if lost := values - _kept(_cast(connection, upgraded.names[key[0]], name, was, before.values[key])):
            words = f"{lost.total()} of {values.total()} values of {table}.{name} change when they are cast from {now} back to {was}"
            yield Loss(f"{table}.{name}", words)


def _cast(connection: Any, table: str, column: str, kind: str, otherwise: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column cast to a type, or `otherwise` when there is no such cast."""
    quoted = column.replace('"', '""')
    try:
        with taken_back(connection):
            ((text,),) = query(connection, f'SELECT jsonb_agg(to_jsonb("{quoted}"::{kind}))::text FROM {table}')
    except Exception:  # noqa: BLE001 -- the driver's own, whichever it is
        return otherwise
    values: list[Any] = json.loads(text)
    return values


def _changed(before: _Snapshot, upgraded: _Snapshot, back: Mapping[str, list[dict[str, Any]]]) -> Iterator[Loss]:
    """Yield rows and values that the upgrade kept and the downgrade lost or changed, by their earlier names."""
    for oid, table in before.names.items():
        if oid not in upgraded.names or table not in back:
            continue
        kept_rows = min(before.counts[oid], upgraded.counts[oid])
        if len(back[table]) < kept_rows:
            yield Loss(table, f"{kept_rows - len(back[table])} of {kept_rows} rows of {table} are gone")
        if len(back[table]) < before.counts[oid]:
            continue  # the values that are missing with the rows cannot be identified
        kept = [(key, name) for key, name in before.columns.items() if key[0] == oid and key in upgraded.columns]
        for key, name in kept:
            values = _kept(before.values[key])
            if lost := values - _kept([row.get(name) for row in back[table]]):
                words = f"{lost.total()} of {values.total()} values of {table}.{name} are lost or changed"
                yield Loss(f"{table}.{name}", words)


def _kept(values: Sequence[Any]) -> "Counter[str]":
    """Count the values, without NULL: filling in a NULL is no loss."""
    return Counter(json.dumps(value, sort_keys=True) for value in values if value is not None)
