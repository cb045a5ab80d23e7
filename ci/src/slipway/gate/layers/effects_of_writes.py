"""The effects of a release's writes. A trigger, rule or policy may drop them or store other values without an error.

An UPDATE of all rows must reach all rows, an INSERT must store its row, and the stored values must be the release's.
Replacing NULL by a value is no loss, and neither is storing the present time, which is a timestamp of the row.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.layers.queries import Query, Refused, executed
from slipway.gate.layers.seeds import Table
from slipway.gate.measure.session import literal, taken_back
from slipway.gate.names import parts

WITHOUT_EFFECT: Final = "a write"  # instead of an SQLSTATE
REPLACED: Final = "a written value"
_KINDS: Final = ("INSERT", "UPDATE", "DELETE")
_ROWS: Final = "SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]')::text FROM {table} t"
_WRITTEN: Final = """
SELECT count(*), coalesce(jsonb_agg(to_jsonb(t)) FILTER (WHERE t.xmin = pg_current_xact_id()::xid), '[]')::text, to_jsonb(now()) #>> '{{}}',
    (SELECT jsonb_object_agg(attname, atttypid::text)::text FROM pg_attribute WHERE attrelid = {name}::regclass AND attnum > 0)
FROM {table} t"""

Values = Mapping[str, "Counter[str]"]  # by column, in JSON


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of a write: the missed rows in words, and the given and stored values of the written columns."""

    missed: str = ""
    columns: tuple[str, ...] = ()
    given: Values = field(default_factory=dict)
    stored: Values = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    today: str = ""


def measured(connection: Connection, query: Query, table: Table) -> Effect | None:
    """Execute a write on its own release's schema and return its effect; None for a statement that is no write."""
    return _effect(connection, query, _columns(query.sql, table)) if query.sql.startswith(_KINDS) else None


def difference(connection: Connection, query: Query, before: Effect) -> Refused | None:
    """Execute a write on another schema, on which it works, too. Return the first effect that is lost, or None."""
    now = _effect(connection, query, before.columns)
    if now.missed and not before.missed:
        return Refused(query, now.missed, WITHOUT_EFFECT)
    inserts = query.sql.startswith("INSERT")
    given = before.stored if inserts else now.given
    for column in before.columns:
        is_alike = column in now.stored and (not inserts or before.types.get(column) == now.types.get(column))
        replaced = _kept(before.given, before.stored, column) and is_alike
        if replaced and (lost := next(iter(given[column] - now.stored[column]), None)):
            held = next(iter(now.stored[column] - given[column]), "nothing")
            if not held.strip('"').startswith(now.today):
                words = f'the previous release writes {lost} into column "{column}" of {query.table}, which then holds {held}'
                return Refused(query, words, REPLACED)
    return None


def _kept(given: Values, stored: Values, column: str) -> bool:
    return column in stored and given.get(column) == stored[column]


def _columns(sql: str, table: Table) -> tuple[str, ...]:
    """Return the columns into which a derived statement writes values of its own.

    Keys of parents are left out, because they depend on the rows.
    """
    keys = {number for parent in table.parents for number in parent["columns"]}
    names = {column["name"]: column["raw"] for column in table.columns if column["number"] not in keys}
    listed, _, values = sql.partition("(")[2].partition(") ")
    if sql.startswith("UPDATE"):
        pairs = (each.partition(" = ") for each in sql.partition(" SET ")[2].split(", "))
        listed = ", ".join(name for name, _, value in pairs if name == value)
    elif not values.startswith("VALUES"):
        return ()
    return tuple(names[name] for name in listed.split(", ") if name in names)


def _effect(connection: Connection, query: Query, columns: tuple[str, ...]) -> Effect:
    kind, table = query.sql[: len("INSERT")], query.table
    with taken_back(connection.connection, alone=True):
        rows = connection.exec_driver_sql(_ROWS.format(table=table)).scalar() if kind == "UPDATE" else None
        touched = executed(connection, query.sql).rowcount
        try:
            look = _WRITTEN.format(table=table, name=literal(table))
            held, written, now, types = connection.exec_driver_sql(look).one()
        except DBAPIError:  # a view has no xmin
            held, written, now, types = max(touched, int(kind == "INSERT")), "[]", "", "{}"
    stored = json.loads(written)
    given = stored if rows is None else json.loads(rows)
    return Effect(
        missed=_missed(kind, parts(table)[-1], max(touched, len(stored)), held),
        columns=columns,
        given=_values(given, columns),
        stored=_values(stored, columns),
        types=json.loads(types),
        today=now[: len("2026-11-29")],
    )


def _missed(kind: str, table: str, touched: int, held: int) -> str:
    match kind:
        case "INSERT" if not touched:
            return f'the INSERT stores no row in "{table}"'
        case "UPDATE" if touched < held:
            return f'the UPDATE changes {touched} of {held} rows of "{table}"'
        case "DELETE" if not touched and held:
            return f'the DELETE removes no row of "{table}"'
    return ""


def _values(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Values:
    """Count the values of each column that all rows have, without NULL."""
    return {
        column: Counter(json.dumps(row[column], sort_keys=True) for row in rows if row[column] is not None)
        for column in columns
        if rows and column in rows[0]
    }
