"""The effects of a revision on rows: lost and changed values, sequences left behind, backfills that start over.

Backfills run outside a transaction, batch by batch: a second run after an interruption must skip the finished rows. So each statement is executed
once more at the end of the revision, and rolled back.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from alembic import op

from slipway.gate.history import Node
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import (
    as_superuser,
    driver_of,
    literal,
    prepare_once,
    query,
    rows_written,
    tables_with_hidden_rows,
    taken_back,
    without_forced_security,
)
from slipway.gate.measure.statements import Execution, watching
from slipway.gate.names import is_table, parts

T = TypeVar("T")
Back = Mapping[str, list[dict[str, Any]]]  # the rows after the downgrade, by table

_DEFINES = re.compile(r"\s*(ALTER|CREATE|COMMENT|DROP|LOCK|REINDEX|GRANT|REVOKE|SET|VACUUM|ANALYZE)\b", re.IGNORECASE)
_UPDATES = re.compile(r"\A\s*(WITH\b.*\b)?(UPDATE|MERGE)\b", re.IGNORECASE | re.DOTALL)
_ONE_TABLE = re.compile(r'\A\s*UPDATE\s+(?:ONLY\s+)?(?P<table>[\w."]+)', re.IGNORECASE)
_FINDS_ROWS = re.compile(r"\s*(DO|WITH|SELECT\b.*\bFROM|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE | re.DOTALL)
_WRITTEN = "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int FROM pg_stat_xact_user_tables"
_NAMES = """
SELECT c.oid::text, concat(quote_ident(n.nspname), '.', quote_ident(c.relname))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ({oids})"""
_PARTITIONS = """
SELECT concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), root::text
FROM unnest({oids}) root, pg_partition_tree(root) t JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace"""
_SHAPES = """
SELECT c.oid::text, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)), a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = ANY ({oids})"""
_BY_OID = f"PREPARE slipway_by_oid(oid[]) AS {_SHAPES.format(oids='$1')}"
_BY_NAME = f"PREPARE slipway_by_name(text[]) AS {_SHAPES.format(oids='ARRAY(SELECT to_regclass(name)::oid FROM unnest($1) AS name)')}"
_COLUMNS = """
SELECT c.oid::text, a.attnum::text, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attnum > 0 AND NOT a.attisdropped"""
_UNIQUE = re.compile(r"(?:UNIQUE|PRIMARY KEY)[^(]*\((?P<columns>[^)]+)\)")
_UNIQUE_INDEX = re.compile(
    r"CREATE UNIQUE INDEX \S+ ON (?:ONLY )?(?P<table>\S+) USING \w+ \((?P<columns>.+?)\)(?= INCLUDE| NULLS| WITH| WHERE|\Z)"
    r"(?:.* WHERE \((?P<condition>.*)\))?"
)
# The usual conditions of partial indexes, as Postgres spells them.
_MEETS = re.compile(
    r"\(*(?P<no>NOT )?\(*(?P<column>\"[^\"]+\"|\w+)\)*(?:::[\w ]+)?"
    r"(?: = (?P<value>'(?:[^']|'')*'(?:::[\w. \"]+)?|\d+)| IS (?P<null>NULL))?\)*"
)
# Of identity columns and of columns with a nextval() default; only ascending ones.
_COUNTED = """
SELECT format('%I.%I', n.nspname, t.relname), quote_ident(a.attname), format('%I.%I', sn.nspname, s.relname)
FROM (SELECT refobjid AS relation, refobjsubid AS number, objid AS sequence FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND deptype = 'i' AND refclassid = 'pg_class'::regclass AND refobjsubid > 0
      UNION SELECT f.adrelid, f.adnum, d.refobjid FROM pg_attrdef f
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass) u
JOIN pg_class t ON t.oid = u.relation JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number
JOIN pg_class s ON s.oid = u.sequence AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
WHERE t.oid = ANY ('{{{oids}}}'::oid[]) OR t.oid > {after}"""


def may_write(sql: str) -> bool:
    """Whether a statement may write to rows, by itself or in what it calls."""
    return not _DEFINES.match(sql)


@dataclass(frozen=True)
class Loss:
    """The loss of a table's rows or a column's values, in words."""

    name: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The rows of some tables. Keys are oids of tables, and numbers of columns, which survive a rename."""

    names: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    types: Mapping[tuple[str, str], str]
    values: Mapping[tuple[str, str], tuple[Any, ...]]
    counts: Mapping[str, int]


def snapshot(connection: Any, oids: Sequence[str]) -> Snapshot:
    """Read some tables; those that no longer exist are absent."""
    if not oids:
        return Snapshot(names={}, columns={}, types={}, values={}, counts={})
    prepare_once(connection, "slipway_by_oid", _BY_OID)
    catalog = query(connection, f"EXECUTE slipway_by_oid('{{{','.join(oids)}}}')")
    columns = {(oid, number): name for oid, _, number, name, _ in catalog if number}
    types = {(oid, number): kind for oid, _, number, _, kind in catalog if number}
    names: dict[str, str] = {oid: table for oid, table, *_ in catalog}
    rows = _rows_of_each(connection, names)
    values = {(oid, number): tuple(row[name] for row in rows[oid]) for (oid, number), name in columns.items()}
    return Snapshot(
        names=names, columns=columns, types=types, values=values, counts={oid: len(held) for oid, held in rows.items()}
    )


def names_of(connection: Any, oids: Iterable[str]) -> dict[str, str]:
    """Return the names of those relations that exist, by oid."""
    return dict(query(connection, _NAMES.format(oids=f"'{{{','.join(oids)}}}'::oid[]")))  # type: ignore[arg-type]


def partitions(connection: Any, oids: Iterable[str]) -> dict[str, str]:
    """Return the oid of the partitioned table, which is one of these, by the names of its partitions."""
    return dict(query(connection, _PARTITIONS.format(oids=f"'{{{','.join(oids)}}}'::oid[]")))  # type: ignore[arg-type]


def among(oids: Collection[str], snapshot: Snapshot) -> Snapshot:
    """Return the part of a snapshot that is about some tables."""

    def of_columns(each: Mapping[tuple[str, str], T]) -> dict[tuple[str, str], T]:
        return {key: value for key, value in each.items() if key[0] in oids}

    return Snapshot(
        names={oid: name for oid, name in snapshot.names.items() if oid in oids},
        columns=of_columns(snapshot.columns),
        types=of_columns(snapshot.types),
        values=of_columns(snapshot.values),
        counts={oid: count for oid, count in snapshot.counts.items() if oid in oids},
    )


def differing(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the tables whose rows are fewer, or have other values in the columns of before."""
    columns = {key for key, values in before.values.items() if values != after.values.get(key, ())}
    counts = {oid for oid, count in before.counts.items() if after.counts.get(oid, 0) < count}
    return [oid for oid in before.names if oid in counts or any(oid == key[0] for key in columns)]


def nulled(before: Snapshot, after: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield the columns with values that are NULL now and stay NULL after the downgrade, whose rows are `back`."""
    for key, name in before.columns.items():
        oid, table = key[0], before.names[key[0]]
        if key not in after.columns or after.counts[oid] != before.counts[oid]:
            continue
        held, left = _kept(before.values[key]).total(), _kept(after.values[key]).total()
        if left < held and _kept([row.get(name) for row in back.get(table, [])]).total() < held:
            yield Loss(f"{table}.{name}", f"{held - left} of {held} values of {table}.{name} are NULL now")


def _rows_of_each(connection: Any, names: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of some tables by oid, in one query."""
    selects = (
        f"SELECT {literal(oid)}, coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM {table} t"
        for oid, table in names.items()
    )
    return {oid: json.loads(text) for oid, text in query(connection, " UNION ALL ".join(selects))} if names else {}


def rows_of(connection: Any, before: Snapshot) -> Back:
    """Return the rows of the tables that exist, each value cast to the earlier type of its column."""
    prepare_once(connection, "slipway_by_name", _BY_NAME)
    listed = ", ".join(map(literal, before.names.values()))
    catalog = query(connection, f"EXECUTE slipway_by_name(ARRAY[{listed}]::text[])")
    tables = {table for _, table, *_ in catalog}
    types = {(before.names[key[0]], name): before.types[key] for key, name in before.columns.items()}
    changed = {
        (table, name): types[table, name]
        for _, table, _, name, kind in catalog
        if types.get((table, name), kind) != kind
    }
    cast = {table for table, _ in changed}
    present = {oid: table for oid, table in before.names.items() if table in tables}
    plain = _rows_of_each(connection, {oid: table for oid, table in present.items() if table not in cast})
    return {
        table: plain[oid]
        if oid in plain
        else _rows_as(connection, table, {name: kind for (of, name), kind in changed.items() if of == table})
        for oid, table in present.items()
    }


def _rows_as(connection: Any, table: str, types: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows with the values of some columns cast to other types; a type that has no such cast keeps its form."""
    casts = ", ".join(f'{literal(name)}, to_jsonb(t."{name}"::{kind})' for name, kind in types.items())
    with suppress(Exception), taken_back(connection):  # an error of any driver
        return _rows(connection, table, f" || jsonb_build_object({casts})")
    return _rows(connection, table)


def _rows(connection: Any, table: str, more: str = "") -> list[dict[str, Any]]:
    ((text,),) = query(connection, f"SELECT coalesce(jsonb_agg(to_jsonb(t){more}), '[]')::text FROM {table} t")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def dropped(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield tables and columns that the upgrade removed with values, unless the downgrade brings them `back`."""
    for oid, table in before.names.items():
        if oid not in upgraded.names and len(back.get(table, [])) < before.counts[oid]:
            yield _lost_table(table, before.counts[oid])
    for (oid, number), name in before.columns.items():
        values, table = before.values[oid, number], before.names[oid]
        is_gone = oid in upgraded.names and (oid, number) not in upgraded.columns
        if is_gone and _kept(values) - _kept([row.get(name) for row in back.get(table, [])]):
            yield _lost_column(table, name, values)


def dropped_by(change: Change, before: Snapshot) -> Iterator[Loss]:
    """Yield tables and columns with values that a failing upgrade removes, unless they may be renamed."""
    kinds = {line.kind for line in change.added}
    alike = {(line.name.rpartition(".")[0], line.definition) for line in change.added}  # perhaps by a new name
    added = {line.name for line in change.added}
    gone = {line.name: line for line in change.removed if line.kind in ("table", "column") and line.name not in added}
    for oid, table in before.names.items():
        if table in gone and "table" not in kinds and before.counts[oid]:
            yield _lost_table(table, before.counts[oid])
    for (oid, number), name in before.columns.items():
        table, values = before.names[oid], before.values[oid, number]
        line = None if table in gone else gone.get(f"{table}.{name}")
        if line and (table, line.definition) not in alike and _kept(values):
            yield _lost_column(table, name, values)


def _lost_table(table: str, rows: int) -> Loss:
    return Loss(table, f"the table {table}, which held {rows} rows")


def _lost_column(table: str, column: str, values: Sequence[Any]) -> Loss:
    held = f"held values in {_kept(values).total()} of {len(values)} rows"
    return Loss(f"{table}.{column}", f"the column {table}.{column}, which {held}")


def uniques(change: Change) -> Iterator[tuple[str, frozenset[str], str]]:
    """Yield table, names of columns and condition (empty without one) of each unique index or constraint that a change adds."""
    for line in change.added:
        if match := (_UNIQUE_INDEX if line.kind == "index" else _UNIQUE).match(line.definition):
            named = match.groupdict()
            columns = frozenset(re.findall(r'(?:"[^"]+"|\w)+', named["columns"]))
            yield named.get("table") or line.name.rpartition(".")[0], columns, named.get("condition") or ""


def repeat(connection: Any, table: str, columns: Collection[str], condition: str) -> None:
    """Copy the values of a table's first row into its last, and let both meet an index' condition, unless a constraint refuses that.

    A column that the revision adds has no value yet, and usually meets the condition.
    """
    among = f"c.oid = to_regclass({literal(table)}) AND quote_ident(a.attname) IN ({', '.join(map(literal, columns))})"
    names = ", ".join(f'"{name}"' for _, _, name, _ in query(connection, f"{_COLUMNS} AND {among}"))
    if not names:
        return
    first, last = (f"FROM {table} ORDER BY ctid {order} LIMIT 1" for order in ("", "DESC"))
    update = f"UPDATE {table} SET ({names}) = (SELECT {names} {first}) WHERE ctid = (SELECT ctid {last})"
    for each in (update, *(f"UPDATE {table} SET {meeting}" for meeting in _meeting(condition))):
        rows_written(connection, f"DO {literal(f'BEGIN {each}; EXCEPTION WHEN OTHERS THEN NULL; END')}")


def removed_labels(change: Change) -> Iterator[tuple[str, str]]:
    """Yield name and label of each enum that a change leaves without it."""
    left = {line.name: line.labels for line in change.added}
    for line in change.removed:
        yield from ((line.name, label) for label in line.labels if label not in left.get(line.name, line.labels))


def give(connection: Any, names: Mapping[str, str], enum: str, label: str) -> list[str]:
    """Write a quoted label into the last row of each table that has the enum, unless a constraint refuses that; return their oids."""
    columns = query(connection, f"{_COLUMNS} AND a.atttypid = to_regtype({literal(enum)})")
    having = [(oid, column) for oid, _, column, _ in columns if oid in names]
    for oid, column in having:
        update = f'UPDATE {names[oid]} SET "{column}" = {label} WHERE ctid = (SELECT max(ctid) FROM {names[oid]})'
        rows_written(connection, f"DO {literal(f'BEGIN {update}; EXCEPTION WHEN OTHERS THEN NULL; END')}")
    return [oid for oid, _ in having]


def _meeting(condition: str) -> Iterator[str]:
    """Yield assignments by which a row meets a condition; those parts of it that are not understood are left out."""
    for part in condition.split(" AND ") if condition else ():
        if match := _MEETS.fullmatch(part):
            value = match["value"] or match["null"] or ("false" if match["no"] else "true")
            yield f"{match['column']} = {value}"


def deleted(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
    """Yield the rows that the upgrade deleted, unless the downgrade brings them `back`."""
    for oid, table in before.names.items():
        held, left = before.counts[oid], upgraded.counts.get(oid)
        if left is not None and left < held and len(back.get(table, [])) < held:
            yield Loss(table, f"{held - left} of {held} rows of {table} are gone")


@dataclass(frozen=True, kw_only=True)
class Recast(Loss):
    """The loss of a column's values by its new type.

    - by_cast: the values are those that a cast gives; otherwise the statement has made others, and only a downgrade knows the way back.
    """

    table: str
    column: str
    type: str
    by_cast: bool


def recast(connection: Any, before: Snapshot, upgraded: Snapshot) -> Iterator[Recast]:
    """Yield values that a new type changed, found by casting them back; types without that cast are skipped."""
    for key, name in upgraded.columns.items():
        was, now = before.types.get(key), upgraded.types[key]
        if was is None or was == now or upgraded.counts[key[0]] != before.counts[key[0]]:
            continue
        values = _kept(before.values[key])
        if _differ_in_zone(was, now) and len(_kept(upgraded.values[key])) == len(values):
            continue  # a shift by AT TIME ZONE, which no cast takes back
        table = before.names[key[0]]
        if lost := values - _kept(_cast(connection, upgraded.names[key[0]], name, was, before.values[key])):
            words = f"{lost.total()} of {values.total()} values of {table}.{name} change when they are cast from {now} back to {was}"
            made = _cast_of(connection, before.values[key], was, now)
            by_cast = made is None or made == _kept(upgraded.values[key])
            yield Recast(f"{table}.{name}", words, table=table, column=name, type=now, by_cast=by_cast)


def _differ_in_zone(was: str, now: str) -> bool:
    """Whether two types hold the same times, one with a zone and one without."""
    return was.startswith("timestamp") and was.replace("without", "with") == now.replace("without", "with")


def _cast(connection: Any, table: str, column: str, kind: str, otherwise: Sequence[Any]) -> Sequence[Any]:
    """Return the values of a column cast to a type, or `otherwise` when there is no such cast."""
    quoted = column.replace('"', '""')
    try:
        with taken_back(connection):
            ((text,),) = query(connection, f'SELECT jsonb_agg(to_jsonb("{quoted}"::{kind}))::text FROM {table}')
    except Exception:  # noqa: BLE001 -- an error of any driver
        return otherwise
    values: list[Any] = json.loads(text)
    return values


def _cast_of(connection: Any, values: Sequence[Any], was: str, now: str) -> "Counter[str] | None":
    """Return what a cast makes of values that were read as JSON, nothing when it fails; None for a type that JSON does not spell as Postgres does."""
    texts = f"FROM jsonb_array_elements_text({literal(json.dumps(values))}::jsonb) text"
    made: Counter[str] | None = None
    with suppress(Exception):  # an error of any driver
        for cast in (was, f"{was}::{now}"):
            with taken_back(connection):
                ((text,),) = query(connection, f"SELECT jsonb_agg(to_jsonb(text::{cast}))::text {texts}")
            made = _kept(json.loads(text)) if cast != was else Counter()
    return made


def changed(before: Snapshot, upgraded: Snapshot, back: Back) -> Iterator[Loss]:
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


@dataclass(frozen=True, kw_only=True)
class Behind:
    """A column whose largest value is not below its sequence's next one."""

    table: str
    column: str
    sequence: str
    largest: int
    next: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column} holds {self.largest}, and its sequence continues with {self.next}"


def sequences_behind(connection: Any, oids: Sequence[str], after: int) -> dict[tuple[str, str], Behind]:
    """Return such columns by table and name, of some tables and of all tables with an oid above `after`."""
    counted = query(connection, _COUNTED.format(oids=",".join(oids), after=after))
    values = (
        f"SELECT (SELECT max({column})::text FROM {table}), (SELECT last_value + is_called::int FROM {sequence})::text"
        for table, column, sequence in counted
    )
    behind = {}
    if counted:
        found = query(connection, " UNION ALL ".join(values))
        for (table, column, sequence), (largest, follows) in zip(counted, found, strict=True):
            if largest and largest.lstrip("-").isdigit() and int(largest) >= int(follows):
                behind[table, column] = Behind(
                    table=table, column=column, sequence=sequence, largest=int(largest), next=int(follows)
                )
    return behind


@dataclass(frozen=True)
class Hidden:
    """The statement on a line that did not see all rows of a table with row-level security."""

    line: int
    table: str
    rows: int
    all: int

    def __str__(self) -> str:
        return f"it finds {self.rows} of the {self.all} rows that match, because row-level security of {self.table} is in force for its role"


@contextmanager
def noting_hidden(node: Node, hidden: list[Hidden]) -> Iterator[None]:
    """Record the statements of a revision from which rows are hidden: executed before without row-level security, each finds more."""

    def compare(execution: Execution) -> None:
        line, connection = line_in(node.script.path), execution.session.connection
        if line is None or execution.many or not _FINDS_ROWS.match(execution.sql):
            return
        named = [table for table in tables_with_hidden_rows(connection) if parts(table)[-1] in execution.sql]
        if named and (rows := _rows_found(execution, nullcontext())) < (
            more := _rows_found(execution, _seeing_all_rows(connection))
        ):
            found = Hidden(line, named[0], rows, more)
            hidden.extend([] if line in {each.line for each in hidden} else [found])

    with watching(before=compare):
        yield


@contextmanager
def _seeing_all_rows(connection: Any) -> Iterator[None]:
    with as_superuser(connection), without_forced_security(connection):
        yield


def _rows_found(execution: Execution, role: AbstractContextManager[None]) -> int:
    """Execute a statement in a role and take it back; return the number of its rows, or 0 when it fails, as the revision will."""
    session = execution.session
    with taken_back(session.connection, alone=session.is_alone), suppress(session.error), role:
        before = _count(session.connection)
        rows = rows_written(session.connection, execution.sql, execution.parameters)
        return rows if rows >= 0 else _count(session.connection) - before  # a block of PL/pgSQL returns none
    return 0


def _count(connection: Any) -> int:
    """Return how many rows the transaction has written."""
    ((rows,),) = query(connection, _WRITTEN)
    return int(rows)


@dataclass(frozen=True)
class Loop:
    """The statement on a line that wrote all rows of a table in parts, in one transaction."""

    line: int
    table: str
    rows: int
    words: str


@contextmanager
def looping(node: Node, filled: Mapping[str, int], loops: list[Loop]) -> Iterator[None]:
    """Record the lines on which alembic's session writes all rows of a table in parts; `filled` has the number of rows of each table.

    Statements that match no row do not count: a revision may loop over a list of its own.
    """
    written: Counter[tuple[int, str]] = Counter()
    before = 0

    def begin(execution: Execution) -> None:
        nonlocal before
        if _UPDATES.match(execution.sql) and line_in(node.script.path):
            before = _count(execution.session.connection)

    def end(execution: Execution) -> None:
        line, match = line_in(node.script.path), _ONE_TABLE.match(execution.sql)
        if line is None or match is None or execution.session.is_alone or _is_another(execution):
            return
        rows = _count(execution.session.connection) - before
        table = next((name for name in filled if is_table(name, match["table"])), "")
        written[line, table] += rows
        if rows and filled.get(table, 0) > 1 and written[line, table] == filled[table]:
            in_parts = " one by one" if execution.many or rows == 1 else ""
            loops.append(Loop(line, table, filled[table], f"writes all {filled[table]} rows of {table}{in_parts}"))

    with watching(before=begin, after=end):
        yield


def _is_another(execution: Execution) -> bool:
    """Whether the session is not alembic's: one of the revision's own may commit each row."""
    connection = op.get_context().connection
    return connection is None or connection.closed or execution.session.key is not driver_of(connection.connection)


@dataclass(frozen=True)
class Backfill:
    """A statement that wrote rows outside a transaction, with its parameters in the driver's form."""

    sql: str
    parameters: Any
    line: int


@dataclass(frozen=True)
class Again:
    """The number of rows that the statement on a line wrote a second time."""

    line: int
    rows: int


@contextmanager
def noted(node: Node) -> Iterator[list[Backfill]]:
    """Record the backfills of a revision during the block, each once."""
    backfills: list[Backfill] = []

    def has_run(execution: Execution) -> None:
        line = line_in(node.script.path)
        if line is None or execution.many or not execution.session.autocommit or not _UPDATES.match(execution.sql):
            return
        if (backfill := Backfill(execution.sql, execution.parameters, line)) not in backfills:
            backfills.append(backfill)

    with watching(after=has_run):
        yield backfills


def written_again(connection: Any, backfills: Sequence[Backfill]) -> Iterator[Again]:
    """Yield the first statement of each line that writes rows again."""
    repeated = set()
    for backfill in backfills:
        if backfill.line in repeated:
            continue
        with taken_back(connection):
            rows = rows_written(connection, backfill.sql, backfill.parameters)
        if rows > 0:
            repeated.add(backfill.line)
            yield Again(backfill.line, rows)
