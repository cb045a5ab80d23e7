"""The rows of tables, read before and after a revision, and again after its downgrade."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from slipway.gate.measure.session import literal, prepare_once, query, taken_back

T = TypeVar("T")
Back = Mapping[str, list[dict[str, Any]]]  # the rows after the downgrade, by table
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


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The rows of some tables. The keys are oids of tables and numbers of columns, which do not change with names."""

    names: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    types: Mapping[tuple[str, str], str]
    values: Mapping[tuple[str, str], tuple[Any, ...]]
    counts: Mapping[str, int]


def snapshot(connection: Any, oids: Sequence[str]) -> Snapshot:
    """Read some tables. Those that no longer exist are absent."""
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
    return dict(query(connection, _NAMES.format(oids=f"'{{{','.join(oids)}}}'::oid[]")))  # type: ignore[arg-type]


def partitions(connection: Any, oids: Iterable[str]) -> dict[str, str]:
    """Return the names of these tables' partitions, each with the oid of its table."""
    return dict(query(connection, _PARTITIONS.format(oids=f"'{{{','.join(oids)}}}'::oid[]")))  # type: ignore[arg-type]


def part_of(oids: Collection[str], snapshot: Snapshot) -> Snapshot:
    """Return the part of a snapshot for some tables."""

    def of_columns(each: Mapping[tuple[str, str], T]) -> dict[tuple[str, str], T]:
        return {key: value for key, value in each.items() if key[0] in oids}

    return Snapshot(
        names={oid: name for oid, name in snapshot.names.items() if oid in oids},
        columns=of_columns(snapshot.columns),
        types=of_columns(snapshot.types),
        values=of_columns(snapshot.values),
        counts={oid: count for oid, count in snapshot.counts.items() if oid in oids},
    )


def differing_tables(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the tables with fewer rows, or with other values in the columns that existed before."""
    columns = {key for key, values in before.values.items() if values != after.values.get(key, ())}
    counts = {oid for oid, count in before.counts.items() if after.counts.get(oid, 0) < count}
    return [oid for oid in before.names if oid in counts or any(oid == key[0] for key in columns)]


def rows_in_earlier_types(connection: Any, before: Snapshot) -> Back:
    """Return the rows of the existing tables. Each value is cast to the earlier type of its column."""
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


def _rows_of_each(connection: Any, names: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of some tables by oid, in one query."""
    selects = (
        f"SELECT {literal(oid)}, coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM {table} t"
        for oid, table in names.items()
    )
    return {oid: json.loads(text) for oid, text in query(connection, " UNION ALL ".join(selects))} if names else {}


def _rows_as(connection: Any, table: str, types: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the rows, with the values of some columns cast to other types.

    When a cast fails, the values stay as they are.
    """
    casts = ", ".join(f'{literal(name)}, to_jsonb(t."{name}"::{kind})' for name, kind in types.items())
    with suppress(Exception), taken_back(connection):  # an error of any driver
        return _rows(connection, table, f" || jsonb_build_object({casts})")
    return _rows(connection, table)


def _rows(connection: Any, table: str, more: str = "") -> list[dict[str, Any]]:
    ((text,),) = query(connection, f"SELECT coalesce(jsonb_agg(to_jsonb(t){more}), '[]')::text FROM {table} t")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows
