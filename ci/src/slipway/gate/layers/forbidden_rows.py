"""Rows that only the new revision forbids: two with equal keys before a unique index, one with a label that leaves its enum."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from slipway.gate.measure.catalog import Change
from slipway.gate.measure.session import literal, query, rows_written

_COLUMNS = """
SELECT c.oid::text, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
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


def added_keys(change: Change) -> Iterator[tuple[str, frozenset[str], str]]:
    """Yield table, names of columns and condition (empty without one) of each unique index or constraint that a change adds."""
    for line in change.added:
        if match := (_UNIQUE_INDEX if line.kind == "index" else _UNIQUE).match(line.definition):
            named = match.groupdict()
            columns = frozenset(re.findall(r'(?:"[^"]+"|\w)+', named["columns"]))
            yield named.get("table") or line.name.rpartition(".")[0], columns, named.get("condition") or ""


def plant_duplicate(connection: Any, table: str, columns: Collection[str], condition: str) -> None:
    """Copy the key of a table's first row into its last, and let all rows meet the index' condition, unless a constraint refuses that.

    A column that the revision adds has no value yet, and usually meets the condition.
    """
    among = f"c.oid = to_regclass({literal(table)}) AND quote_ident(a.attname) IN ({', '.join(map(literal, columns))})"
    names = ", ".join(f'"{name}"' for _, name in query(connection, f"{_COLUMNS} AND {among}"))
    if not names:
        return
    first, last = (f"FROM {table} ORDER BY ctid {order} LIMIT 1" for order in ("", "DESC"))
    update = f"UPDATE {table} SET ({names}) = (SELECT {names} {first}) WHERE ctid = (SELECT ctid {last})"
    for each in (update, *(f"UPDATE {table} SET {meeting}" for meeting in _meeting(condition))):
        rows_written(connection, f"DO {literal(f'BEGIN {each}; EXCEPTION WHEN OTHERS THEN NULL; END')}")


def _meeting(condition: str) -> Iterator[str]:
    """Yield assignments by which a row meets a condition; those parts of it that are not understood are left out."""
    for part in condition.split(" AND ") if condition else ():
        if match := _MEETS.fullmatch(part):
            value = match["value"] or match["null"] or ("false" if match["no"] else "true")
            yield f"{match['column']} = {value}"


def removed_labels(change: Change) -> Iterator[tuple[str, str]]:
    """Yield each label that a change removes, after the name of its enum."""
    left = {line.name: line.labels for line in change.added}
    for line in change.removed:
        yield from ((line.name, label) for label in line.labels if label not in left.get(line.name, line.labels))


def plant_label(connection: Any, names: Mapping[str, str], enum: str, label: str) -> list[str]:
    """Write a quoted label into the last row of each table that has the enum, unless a constraint refuses that; return their oids."""
    columns = query(connection, f"{_COLUMNS} AND a.atttypid = to_regtype({literal(enum)})")
    having = [(oid, column) for oid, column in columns if oid in names]
    for oid, column in having:
        update = f'UPDATE {names[oid]} SET "{column}" = {label} WHERE ctid = (SELECT max(ctid) FROM {names[oid]})'
        rows_written(connection, f"DO {literal(f'BEGIN {update}; EXCEPTION WHEN OTHERS THEN NULL; END')}")
    return [oid for oid, _ in having]
