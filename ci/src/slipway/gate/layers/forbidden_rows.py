"""Rows that only the new revision forbids: two with equal keys before a unique index, one with a label that leaves its enum."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.session import literal, query, rows_written
from slipway.gate.names import NAME, quoted_parts

_COLUMNS = """
SELECT c.oid::text, quote_ident(a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE a.attnum > 0 AND NOT a.attisdropped"""
_MAY_BE_EQUAL = """
a.attgenerated = '' AND a.attidentity = ''
AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey))"""
_IS_LAST = "ctid = (SELECT max(ctid) FROM {})"
_UNIQUE = re.compile(r"(?:UNIQUE|PRIMARY KEY)[^(]*\((?P<columns>[^)]+)\)")
_UNIQUE_INDEX = re.compile(
    r"CREATE UNIQUE INDEX \S+ ON (?:ONLY )?(?P<table>\S+) USING \w+ \((?P<columns>.+?)\)(?= INCLUDE| NULLS| WITH| WHERE|\Z)"
    r"(?:.* WHERE \((?P<condition>.*)\))?"
)
# The usual conditions of partial indexes, as Postgres spells them.
_MEETS = re.compile(
    rf"\(*(?P<no>NOT )?\(*(?P<column>{NAME})\)*(?:::[\w ]+)?"
    r"(?: = (?P<value>'(?:[^']|'')*'(?:::[\w. \"]+)?|\d+)| IS (?P<null>NULL))?\)*"
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """The columns, or names in expressions, of a unique index or constraint, and its condition, empty without one."""

    table: str
    columns: frozenset[str]
    condition: str
    is_derived: bool  # from any columns of the table: one of its own is as new as the key


def added_keys(change: Change) -> Iterator[Key]:
    """Yield the key of each unique index or constraint that a change adds."""
    before = {line.name for line in change.removed}
    new = {line.name for line in change.added if line.kind == "column" and line.name not in before}
    for line in change.added:
        if match := (_UNIQUE_INDEX if line.kind == "index" else _UNIQUE).match(line.definition):
            named = match.groupdict()
            columns = frozenset(re.findall(r'(?:"[^"]+"|\w)+', named["columns"]))
            table = named.get("table") or line.name.rpartition(".")[0]
            is_derived = any(f"{table}.{column}" in new for column in columns)
            yield Key(table=table, columns=columns, condition=named.get("condition") or "", is_derived=is_derived)


def keys_by_revision(steps: Mapping[str, Steps]) -> Mapping[str, Sequence[Key]]:
    """Return the keys for which equal values are planted before each revision, whose steps come in their order.

    A key on a column that an earlier revision adds, and a revision fills, is tried before that earlier one: only from equal sources can equal
    values come. Planted before the key, they would be values that neither a release nor a revision writes.
    """
    adding: dict[str, str] = {}  # the revision that adds a column to an existing table
    written: list[str] = []
    keys = defaultdict(list)
    for revision, each in steps.items():
        tables = {line.name for line in each.upgraded.added if line.kind == "table"}
        columns = (line.name for line in each.upgraded.added if line.kind == "column")
        adding |= {name: revision for name in columns if name.rpartition(".")[0] not in tables}
        written += [statement.sql for statement in each.statements]
        for key in added_keys(each.upgraded):
            names = (f"{key.table}.{column}" for column in sorted(key.columns))
            earlier = next((adding[name] for name in names if name in adding and _is_filled(name, written)), None)
            keys[earlier or revision].append(replace(key, is_derived=True) if earlier else key)
    return keys


def _is_filled(column: str, statements: Iterable[str]) -> bool:
    """Whether one of the statements sets the qualified column in an UPDATE."""
    *_, table, name = quoted_parts(column)
    sets = re.compile(
        rf"\bUPDATE\b.*?(?<!\w){re.escape(table)}(?!\w).*?\bSET\b.*?(?<!\w){re.escape(name)}(?!\w)",
        re.IGNORECASE | re.DOTALL,
    )
    return any(sets.search(sql) for sql in statements)


def plant_duplicate(connection: Any, key: Key) -> None:
    """Copy the key of a table's first row into its last, and let all rows meet the index' condition, unless a constraint refuses that.

    All columns that may be equal are copied when the key is derived. A new column has no value yet, and usually meets the condition.
    """
    equal = f"quote_ident(a.attname) IN ({', '.join(map(literal, key.columns))})"
    equal += f" OR {_MAY_BE_EQUAL}" if key.is_derived else ""
    found = query(connection, f"{_COLUMNS} AND c.oid = to_regclass({literal(key.table)}) AND ({equal})")
    names = [name for _, name in found]
    if not names:
        return
    for copied in names if key.is_derived else [", ".join(names)]:  # one by one, because a check may refuse some
        first = f"SELECT {copied} FROM {key.table} ORDER BY ctid LIMIT 1"
        _update(connection, key.table, f"({copied}) = ({first}) WHERE {_IS_LAST.format(key.table)}")
    for meeting in _meeting(key.condition):
        _update(connection, key.table, meeting)


def _update(connection: Any, table: str, assignment: str) -> None:
    """Change rows, unless a constraint refuses that."""
    update = f"UPDATE {table} SET {assignment}"
    rows_written(connection, f"DO {literal(f'BEGIN {update}; EXCEPTION WHEN OTHERS THEN NULL; END')}")


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
        _update(connection, names[oid], f"{column} = {label} WHERE {_IS_LAST.format(names[oid])}")
    return [oid for oid, _ in having]
