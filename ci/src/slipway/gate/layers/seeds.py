"""Rows for the tables of a history: three in each, the second with NULL in every nullable column.

A value depends on the column's type and the row's number, never on the column's name: a foreign key that a later revision adds finds its parents.
Postgres itself tries the variants of a row, within one statement, until one satisfies the table's checks.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from slipway.gate.measure.session import literal, query

ROWS = 3
_BARE_ROW = 2  # NULL or the default wherever possible
_VARIANTS = 5

# Ordinary and partitioned tables of the service; their table fills partitions, and extensions fill theirs.
_TABLES = """
SELECT c.oid::text, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)),
    (SELECT coalesce(json_agg(json_build_object(
        'number', a.attnum, 'raw', a.attname, 'name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
        'base', b.typname, 'category', b.typcategory, 'length', information_schema._pg_char_max_length(b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
        'nullable', NOT a.attnotnull AND NOT t.typnotnull, 'default', a.atthasdef,
        'made', a.attgenerated <> '' OR a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%',
        'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = b.oid),
        'checks', (SELECT json_agg(pg_get_constraintdef(k.oid)) FROM pg_constraint k
            WHERE k.contype = 'c' AND (k.contypid = t.oid OR k.conrelid = c.oid AND a.attnum = ANY (k.conkey)))
        ) ORDER BY a.attnum), '[]')
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text,
    (SELECT coalesce(json_agg(json_build_object(
        'columns', k.conkey, 'parent', k.confrelid::text, 'table', concat(quote_ident(pn.nspname), '.', quote_ident(p.relname)),
        'referenced', (SELECT json_agg(quote_ident(a.attname) ORDER BY r.place) FROM unnest(k.confkey) WITH ORDINALITY r(number, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = r.number)
        )), '[]')
     FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.conrelid = c.oid AND k.contype = 'f')::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid > {after} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
ORDER BY c.oid::oid
"""
_COUNT_FROM = "SELECT setval(made, 7000) FROM pg_get_serial_sequence({table}, {column}) AS made WHERE made IS NOT NULL"
_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)")
_SHAPES = ("a", "ab", "A1", "a@example.org", "https://example.org")  # which checks on text often require
_LONGEST = 100  # of our values
# The value of row number N: by the name of a type, then by pg_type's category.
_BY_TYPE = {
    "bytea": "\\x0{row}",
    "float4": "700{row}.5",
    "float8": "700{row}.5",
    "hstore": '"n"=>"{row}"',
    "json": '{{"n": {row}}}',
    "jsonb": '{{"n": {row}}}',
    "ltree": "v{row}",
    "macaddr": "08:00:2b:01:02:0{row}",
    "numeric": "700{row}.25",
    "point": "({row},{row})",
    "time": "0{row}:00:00",
    "timestamp": "2026-01-0{row} 12:34:56.789",
    "timestamptz": "2026-01-0{row} 12:34:56.789",
    "timetz": "0{row}:00:00",
    "tsvector": "v{row}",
    "uuid": "5ee5ee5e-5ee5-4ee5-8ee5-5ee5ee5ee5e{row}",
    "xml": "<n>{row}</n>",
}
_BY_CATEGORY = {
    "A": "{{}}",
    "B": "{truth}",
    "D": "2026-01-0{row}",
    "I": "10.0.0.{row}",
    "N": "700{row}",  # above the keys of rows that revisions insert
    "R": "empty",
    "S": "v{row}",
    "T": "{row} days",
}


@dataclass(frozen=True)
class Table:
    """A table to fill; `columns` and `parents` (foreign keys) are in the form of the query above."""

    oid: str
    name: str
    columns: tuple[Mapping[str, Any], ...]
    parents: tuple[Mapping[str, Any], ...]


def tables(connection: Any, after: int) -> tuple[Table, ...]:
    """Return the service's tables with an oid above `after`."""
    return tuple(
        Table(oid, name, tuple(json.loads(columns)), tuple(json.loads(parents)))
        for oid, name, columns, parents in query(connection, _TABLES.format(after=after))
    )


def parents_first(unordered: Sequence[Table]) -> Iterator[Table]:
    """Order tables so that foreign keys find their rows; those of a circle come last."""
    left = list(unordered)
    while left:
        waiting = {table.oid for table in left}
        ready = [table for table in left if not waiting.intersection(_needed(table))] or left[:1]
        yield from ready
        left = [table for table in left if table not in ready]


def _needed(table: Table) -> set[str]:
    return {parent["parent"] for parent in table.parents} - {table.oid}


def fill(connection: Any, table: Table) -> int:
    """Insert rows into a table; return how many it accepted."""
    made = [column["raw"] for column in table.columns if column["made"]]
    with closing(connection.cursor()) as cursor:
        for column in made:
            cursor.execute(_COUNT_FROM.format(table=literal(table.name), column=literal(column)))
        for row in range(1, ROWS + 1):
            cursor.execute(_first_accepted(list(inserts(table, row, bare=row == _BARE_ROW))))
    ((count,),) = query(connection, f"SELECT count(*) FROM {table.name}")
    return int(count)


def _first_accepted(inserts: Sequence[str]) -> str:
    """Return a statement that tries each insert until one succeeds."""
    tried = "NULL;"
    for insert in reversed(inserts):
        tried = f"BEGIN {insert}; EXCEPTION WHEN OTHERS THEN {tried} END;"
    return f"DO $slipway$ BEGIN {tried} END $slipway$"


def inserts(table: Table, row: int, *, bare: bool, columns: Collection[str] | None = None) -> Iterator[str]:
    """Yield inserts of row number `row`, the likeliest first, limited to `columns`; a bare one has only required values."""
    named = [column for column in table.columns if columns is None or column["raw"] in columns]
    for variant in range(_VARIANTS):
        expressions = {column["name"]: _value(table, column, row, variant, bare=bare) for column in named}
        values = {name: value for name, value in expressions.items() if value is not None}
        written = f"({', '.join(values)}) VALUES ({', '.join(values.values())})" if values else "DEFAULT VALUES"
        yield f"INSERT INTO {table.name} {written}"


def _value(table: Table, column: Mapping[str, Any], row: int, variant: int, *, bare: bool) -> str | None:
    """Return an expression, or None when Postgres makes the value."""
    if column["made"]:
        return None
    if bare and column["nullable"]:
        return "NULL"
    if bare and column["default"]:
        return None
    if parent := next((parent for parent in table.parents if column["number"] in parent["columns"]), None):
        referenced = parent["referenced"]
        this = referenced[parent["columns"].index(column["number"])]
        return (
            f"(SELECT {this} FROM {parent['table']} ORDER BY {', '.join(referenced)} OFFSET {(row - 1) % ROWS} LIMIT 1)"
        )
    text = _text(column, row, variant)
    if text is None:
        return "NULL" if column["nullable"] else None
    return f"{literal(text)}::{column['type']}"


def _text(column: Mapping[str, Any], row: int, variant: int) -> str | None:
    """Return a value in text form; None for an unknown type."""
    if variant and column["checks"]:
        values = _values_in_checks(column)
        return values[(row + variant - 2) % len(values)] if values else None
    if variant and column["category"] == "N":
        return str(row)
    if column["category"] == "E":
        return str(column["labels"][(row - 1) % len(column["labels"])])
    written = _BY_TYPE.get(column["base"]) or _BY_CATEGORY.get(column["category"])
    if written is None:
        return None
    return written.format(row=row, truth=row % 2 == 1)[-(column["length"] or _LONGEST) :]


def _values_in_checks(column: Mapping[str, Any]) -> list[str]:
    """Return the literals of a column's checks: texts and common shapes of text, or numbers and their successors."""
    literals = [match for check in column["checks"] for match in _LITERAL.findall(check)]
    if column["category"] == "N":
        return [
            text for _, number in literals if number for text in (number, str(float(number) + 1).removesuffix(".0"))
        ]
    return [text.replace("''", "'") for text, number in literals if not number] + list(_SHAPES)
