"""New revisions on rows: tables are filled as soon as they are there, and the rows live through what follows, as those of production do.

A revision that only passes on empty tables, a downgrade that loses or changes what the upgrade had kept, and what the upgrade drops with
rows in it come to light. A revision that touches no rows is only upgraded.
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
from slipway.gate.base import base
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.layers import seeds
from slipway.gate.layers.backfills import Again, noted, written_again
from slipway.gate.layers.sequences import Behind, Sequences
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.measure.dbapi import literal, query, taken_back
from slipway.gate.measure.session import SESSION
from slipway.gate.names import few
from slipway.gate.steps import AGAIN, DOWN, UP, run, step_of
from slipway.migration.database import every_connection_to, sqlstate
from slipway.migration.environment import Environment, sentence

# A cast that does not know our text, a check or a reference that our row does not meet: what production holds, its application has made fit.
# NULL where NULL was allowed and two rows alike where that was allowed are no such thing.
# What an extension refuses (39000), as pgcrypto does what it has not encrypted, and what Python finds in a value, JSON of another shape, is of that kind.
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
    """What happened to the rows of a table, or to the values of a column, in words."""

    name: str
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(kw_only=True)
class Rows:
    """What the steps of one revision did to rows.

    - held: how many rows each table had before. failures: by step, where the same step on empty tables was well.
    - dropped, deleted, recast, changed: columns and tables that the upgrade took away with values in them, rows that it deleted, values that it made
      others by a new type, and what it kept and is other after the downgrade.
    - behind: sequences that it left behind the values of their columns. again: backfills that write rows again when they are run again.
    """

    held: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    dropped: tuple[Loss, ...] = ()
    deleted: tuple[Loss, ...] = ()
    recast: tuple[Loss, ...] = ()
    changed: tuple[Loss, ...] = ()
    behind: tuple[Behind, ...] = ()
    again: tuple[Again, ...] = ()


@dataclass(frozen=True)
class Lived:
    """The history on rows: `tables` there were, `filled` of them took rows; `gaps` are sentences."""

    rows: Mapping[str, Rows] = field(default_factory=dict)
    tables: int = 0
    filled: int = 0
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Snapshot:
    """The rows of some tables: values by table and column. `columns` names each by its table and its number, which outlive a new name."""

    names: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    types: Mapping[tuple[str, str], str]
    values: Mapping[tuple[str, str], tuple[Any, ...]]
    counts: Mapping[str, int]


class Life:
    """Lives through a history that was climbed before; `steps` is what was seen then."""

    def __init__(self, history: History, environment: Environment, steps: Mapping[str, Steps]) -> None:
        self._environment = environment
        self._steps = steps
        self._nodes = tuple(itertools.takewhile(lambda node: _is_upgraded(steps[node.id]), history.nodes))
        self._pending = deque(itertools.dropwhile(lambda node: not node.new, self._nodes))
        self._rows: dict[str, Rows] = {}
        self._seen: dict[str, int] = {}  # rows by the oid of a table that was to be filled
        self._names: dict[str, str] = {}
        self._unfit: list[str] = []
        self._unreached = ""
        self._current: tuple[Node, str] | None = None

    def live(self, ground: Ground) -> Lived:
        """Run every step; failures are in the answer."""
        with base(self._environment, self._nodes, ground) as below:
            while self._pending:
                self._seen, self._names = {}, {}
                try:
                    with below.before(self._pending[0]) as database, every_connection_to(database, SESSION):
                        self._run()
                except RefusedError as error:
                    self._unreached = str(error)
                    break
        filled = sum(count > 0 for count in self._seen.values())
        return Lived(self._rows, len(self._seen), filled, tuple(self._gaps()))

    def _gaps(self) -> Iterator[str]:
        if self._pending:
            yield f"{len(self._pending)} revisions were not run on rows, the first is {self._pending[0].id} ({self._unreached})"
        if self._unfit:
            yield f"{len(self._unfit)} revisions were not judged on rows, for which the values of our own making are not fit, the first is {self._unfit[0]}"
        empty = sorted(self._names[oid] for oid, count in self._seen.items() if not count)
        if empty:
            yield f"{len(empty)} of {len(self._seen)} tables could not be filled with rows: {few(empty)}"

    def _run(self) -> None:
        """One run of env.py, to the end or to a step that fails."""
        self._begin()
        try:
            run(self._environment, self._walk, transaction_per_migration=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- whatever a revision raises is a finding
            if self._current is None:
                self._pending.clear()
                return
            node, step = self._current
            if _is_for_our_values(error):
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
            if not self._seen and node is not self._nodes[0]:
                self._fill(connection, own)
            yield from self._lived(node, connection)
            if self._makes_tables(node):
                self._fill(connection, own)
            self._pending.popleft()

    def _lived(self, node: Node, connection: Any) -> Iterator[RevisionStep]:
        touched = self._touched(node)
        before = _look(connection, touched)
        self._current = (node, UP)
        if not node.new:
            yield step_of(self._environment, node, UP)
            return
        after = max(map(int, self._seen), default=0)
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
        """What an upgrade has done to rows, and what its downgrade does to them."""
        rows = self._of(node)
        rows.held = {before.names[oid]: count for oid, count in before.counts.items()}
        after, back = _look(connection, list(before.names)), {}
        rows.recast = tuple(_recast(connection, before, after))
        if not node.keeps_on_downgrade and not self._steps[node.id].failures:
            self._current = (node, DOWN)
            yield step_of(self._environment, node, DOWN)
            back = {table: _rows(connection, table) for table in before.names.values() if _is_there(connection, table)}
            self._current = (node, AGAIN)
            yield step_of(self._environment, node, AGAIN)
        rows.dropped = tuple(_dropped(before, after, back))
        rows.deleted = tuple(_deleted(before, after, back))
        recast = {loss.name for loss in rows.recast}
        rows.changed = tuple(loss for loss in _changed(before, after, back) if loss.name not in recast)

    def _touched(self, node: Node) -> list[str]:
        """The tables that the upgrade of a revision locked when it was climbed, and that have been filled."""
        locked = {name for statement in self._steps[node.id].statements for name in statement.locks}
        return [oid for oid, name in self._names.items() if name in locked and self._seen[oid]]

    def _may_leave_sequences_behind(self, node: Node) -> bool:
        """Whether it writes rows, or brings a sequence to rows that are there; most do neither, and to look takes long."""
        steps = self._steps[node.id]
        change = steps.changes.get(UP)
        return any(_WRITES.match(statement.sql) for statement in steps.statements) or (
            change is not None and any(line.kind == "sequence" for line in change.added)
        )

    def _makes_tables(self, node: Node) -> bool:
        change = self._steps[node.id].changes.get(UP)
        return change is not None and any("table" in line.kind for line in (*change.added, *change.removed))

    def _fill(self, connection: Any, own: str) -> None:
        """Fill the tables that are new; alembic's own is none of the service's."""
        new = [table for table in seeds.tables(connection, max(map(int, self._seen), default=0)) if table.name != own]
        for table in seeds.parents_first(new):
            self._seen[table.oid] = seeds.fill(connection, table)
        self._names = {oid: name for oid, name in query(connection, _NAMES) if oid in self._seen}
        self._seen = {oid: self._seen[oid] for oid in self._names}


def _is_for_our_values(error: BaseException) -> bool:
    code = sqlstate(error)
    if code is None:
        return isinstance(error, _SHAPES) and "NoneType" not in str(error)
    return _NOT_FIT.fullmatch(code) is not None


def _is_upgraded(steps: Steps) -> bool:
    return UP in steps.fingerprints and UP not in steps.failures


def _look(connection: Any, oids: Sequence[str]) -> _Snapshot:
    """What some tables hold now; of those that are gone, nothing."""
    if not oids:
        return _Snapshot(names={}, columns={}, types={}, values={}, counts={})
    among = f"c.oid = ANY ('{{{','.join(oids)}}}'::oid[])"
    found = query(connection, f"{_COLUMNS} AND {among}")
    columns = {(oid, number): name for oid, number, name, _ in found}
    types = {(oid, number): kind for oid, number, _, kind in found}
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


def _is_there(connection: Any, table: str) -> bool:
    ((oid,),) = query(connection, f"SELECT to_regclass({literal(table)})::oid::text")
    return oid is not None


def _dropped(before: _Snapshot, upgraded: _Snapshot, back: Mapping[str, list[dict[str, Any]]]) -> Iterator[Loss]:
    """What the upgrade took away with values in it, and what of it is not `back` after the downgrade: rows by the name of their table."""
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
    """Rows that the upgrade took out of a table, and that are not `back` after the downgrade."""
    for oid, table in before.names.items():
        held, left = before.counts[oid], upgraded.counts.get(oid)
        if left is not None and left < held and len(back.get(table, [])) < held:
            yield Loss(table, f"{held - left} of {held} rows of {table} are gone")


def _recast(connection: Any, before: _Snapshot, upgraded: _Snapshot) -> Iterator[Loss]:
    """Values that a new type made others, told by casting them back; a type without such a cast tells nothing."""
    for key, name in upgraded.columns.items():
        was, now = before.types.get(key), upgraded.types[key]
        if was is None or was == now or upgraded.counts[key[0]] != before.counts[key[0]]:
            continue
        values = _kept(before.values[key])
        table = before.names[key[0]]
        if lost := values - _kept(_cast(connection, upgraded.names[key[0]], name, was, before.values[key])):
            words = f"{lost.total()} of {values.total()} values of {table}.{name} are others when they are cast from {now} back to {was}"
            yield Loss(f"{table}.{name}", words)


def _cast(connection: Any, table: str, column: str, kind: str, otherwise: Sequence[Any]) -> Sequence[Any]:
    """The values of a column as others of a type, or something else when there is no such cast."""
    quoted = column.replace('"', '""')
    try:
        with taken_back(connection):
            ((text,),) = query(connection, f'SELECT jsonb_agg(to_jsonb("{quoted}"::{kind}))::text FROM {table}')
    except Exception:  # noqa: BLE001 -- the driver's own, whichever it is
        return otherwise
    values: list[Any] = json.loads(text)
    return values


def _changed(before: _Snapshot, upgraded: _Snapshot, back: Mapping[str, list[dict[str, Any]]]) -> Iterator[Loss]:
    """What the upgrade had kept and is other after the downgrade, told by the names that it had before."""
    for oid, table in before.names.items():
        if oid not in upgraded.names or table not in back:
            continue
        kept_rows = min(before.counts[oid], upgraded.counts[oid])
        if len(back[table]) < kept_rows:
            yield Loss(table, f"{kept_rows - len(back[table])} of {kept_rows} rows of {table} are gone")
        if len(back[table]) < before.counts[oid]:
            continue  # which of their values are gone with the rows is not to be told
        kept = [(key, name) for key, name in before.columns.items() if key[0] == oid and key in upgraded.columns]
        for key, name in kept:
            values = _kept(before.values[key])
            if lost := values - _kept([row.get(name) for row in back[table]]):
                words = f"{lost.total()} of {values.total()} values of {table}.{name} are gone or others"
                yield Loss(f"{table}.{name}", words)


def _kept(values: Sequence[Any]) -> "Counter[str]":
    """Values in a form that can be counted, without NULL: that something was filled in is no loss."""
    return Counter(json.dumps(value, sort_keys=True) for value in values if value is not None)
