"""Rows that the gate changes before a new revision, because its generated rows would not have the values that the revision forbids or searches.

Two rows get equal keys before a unique index, one row gets a label that leaves its enum, and one gets the values that a
statement searches.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slipway.gate.layers.conditions import Sought, meeting
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.session import literal, query, rows_written
from slipway.gate.names import is_table, quoted_parts

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


@dataclass(frozen=True, kw_only=True)
class Key:
    """The columns of a unique index or constraint, or the names in its expressions, and its condition, empty without one."""

    table: str
    columns: frozenset[str]
    condition: str
    # whether its values may come from any columns of the table, because a column of the key is as new as the key
    is_derived: bool


def added_columns(change: Change) -> Iterator[str]:
    """Yield the columns that a change adds to existing tables. No release has written to them."""
    tables = {line.name for line in change.added if "table" in line.kind}
    columns = (line.name for line in change.added if line.kind == "column")
    yield from (name for name in columns if name.rpartition(".")[0] not in tables)


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
    """Return the keys for which equal values are planted before each revision.

    The steps are in the order of the revisions.
    Consider a key on a column that an earlier revision adds and a revision fills. Its values are planted before that
    earlier revision, because equal values can only result from equal sources. Planted later, they would be values that
    neither a release nor a revision writes.
    """
    adding: dict[str, str] = {}  # for each column added to an existing table, the revision that adds it
    written: list[str] = []
    keys = defaultdict(list)
    for revision, each in steps.items():
        adding |= dict.fromkeys(added_columns(each.upgraded), revision)
        written += [statement.sql.lower() for statement in each.statements]
        for key in added_keys(each.upgraded):
            names = (f"{key.table}.{column}" for column in sorted(key.columns))
            earlier = next((adding[name] for name in names if name in adding and _is_filled(name, written)), None)
            keys[earlier or revision].append(replace(key, is_derived=True) if earlier else key)
    return keys


def _is_filled(column: str, statements: Iterable[str]) -> bool:
    """Return whether one of the statements, which are in lower case, sets the qualified column in an UPDATE."""
    *_, table, name = quoted_parts(column.lower())
    sets = rf"\bupdate\b.*?(?<!\w){re.escape(table)}(?!\w).*?\bset\b.*?(?<!\w){re.escape(name)}(?!\w)"
    # searching the pattern in each statement of a long history takes seconds
    return any(name in sql and re.search(sets, sql, re.DOTALL) for sql in statements)


def plant_duplicate(connection: Any, key: Key) -> None:
    """Copy the key of a table's first row into its last row, and let all rows meet the index' condition, unless a constraint refuses.

    For a derived key, copy all columns that may be equal. A new column has no value yet, and usually meets the
    condition.
    """
    equal = f"quote_ident(a.attname) IN ({', '.join(map(literal, key.columns))})"
    equal += f" OR {_MAY_BE_EQUAL}" if key.is_derived else ""
    found = query(connection, f"{_COLUMNS} AND c.oid = to_regclass({literal(key.table)}) AND ({equal})")
    names = [name for _, name in found]
    if not names:
        return
    # one column at a time, because a check may refuse some
    for copied in names if key.is_derived else [", ".join(names)]:
        first = f"SELECT {copied} FROM {key.table} ORDER BY ctid LIMIT 1"
        _update(connection, key.table, f"({copied}) = ({first}) WHERE {_IS_LAST.format(key.table)}")
    for (_, column), value in meeting(key.condition).items():
        _update(connection, key.table, f"{column} = {value}")


def _update(connection: Any, table: str, assignment: str) -> None:
    """Change rows, unless a constraint refuses."""
    update = f"UPDATE {table} SET {assignment}"
    rows_written(connection, f"DO {literal(f'BEGIN {update}; EXCEPTION WHEN OTHERS THEN NULL; END')}")


def removed_labels(change: Change) -> Iterator[tuple[str, str]]:
    """Yield each label that a change removes, after its enum's name."""
    left = {line.name: line.labels for line in change.added}
    for line in change.removed:
        yield from ((line.name, label) for label in line.labels if label not in left.get(line.name, line.labels))


def plant_label(connection: Any, names: Mapping[str, str], enum: str, label: str) -> list[str]:
    """Write a quoted label into the last row of each table with the enum, unless a constraint refuses.

    Return the tables' oids.
    """
    columns = query(connection, f"{_COLUMNS} AND a.atttypid = to_regtype({literal(enum)})")
    having = [(oid, column) for oid, column in columns if oid in names]
    for oid, column in having:
        _update(connection, names[oid], f"{column} = {label} WHERE {_IS_LAST.format(names[oid])}")
    return [oid for oid, _ in having]


def plant_sought(connection: Any, names: Mapping[str, str], rows: Iterable[Sought], new: Collection[str]) -> set[str]:
    """Give a row the values that a statement searches, unless a constraint refuses. Return the oids of the tables.

    - names: the names of the tables, by oid.
    - new: columns of the new revisions, which no release has written.
    """
    rows = sorted(rows, key=lambda each: not each.equal)
    planted: Counter[str] = Counter()  # the number of planted rows, by the oid of their table
    for spelled, values, equal in ((*of_table, each.equal) for each in rows for of_table in each.by_table()):
        oid = next((oid for oid, name in names.items() if is_table(name, spelled)), None)
        if oid is None:
            continue
        table, columns = names[oid], {name for _, name in query(connection, f"{_COLUMNS} AND c.oid = {oid}")}
        known = {name: value for name, value in values.items() if name in columns and f"{table}.{name}" not in new}
        if equal:
            planted[oid] += 2
            plant_duplicate(connection, Key(table=table, columns=equal, condition="", is_derived=False))
        if known:
            # A changed row becomes the last one. The first and the last row may have equal keys.
            place = ("DESC LIMIT 1", "ASC LIMIT 1", "ASC OFFSET 1 LIMIT 1")[min(planted[oid], 2)]
            row = f"ctid = (SELECT ctid FROM {table} ORDER BY ctid {place})"
            _update(connection, table, f"({', '.join(known)}) = ROW ({', '.join(known.values())}) WHERE {row}")
            planted[oid] += 1
    return set(planted)
