"""Many rows for a table: copies of its first row, with distinct values only where a unique index demands them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from slipway.gate.layers import seeds
from slipway.gate.measure.dbapi import query
from slipway.gate.names import few, is_table

_UNIQUE = """
SELECT (SELECT json_agg(a.attname)::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
FROM pg_index i WHERE i.indisunique AND i.indrelid = {oid}"""
# A distinct value for row `number`, beyond those of the seeds: by the name of a type, then by pg_type's category.
_BY_TYPE = {"uuid": "md5(number::text)::uuid", "bytea": "decode(md5(number::text), 'hex')", "time": "", "timetz": ""}
_BY_CATEGORY = {
    "N": "number + 8000",  # fits a smallint
    "S": "concat('c', number)",
    "D": "timestamp '2000-01-01' + number * interval '1 day'",
    "I": "inet '10.1.0.0' + number",
}


def fill(connection: Any, names: Sequence[str], rows: int) -> str | None:
    """Insert a few rows into every table and many into the named ones; return the reason when that fails."""
    tables = seeds.tables(connection, 0)
    for table in seeds.parents_first(tables):
        seeds.fill(connection, table)
    wanted = [table for table in tables if any(is_table(table.name, name) for name in names)]
    unfilled = [table.name for table in wanted if not _multiply(connection, table, rows)]
    return f"{few(unfilled)} could not be filled with {rows} rows" if unfilled else None


def _multiply(connection: Any, table: seeds.Table, rows: int) -> bool:
    """Whether a table accepted the rows."""
    distinct = _distinct_values(connection, table)
    if distinct is None:
        return False
    values = {
        column["name"]: f"({distinct[column['raw']]})::{column['type']}"
        if column["raw"] in distinct
        else f"one.{column['name']}"
        for column in table.columns
        if not column["made"]
    }
    if not values:
        return False
    insert = f"""INSERT INTO {table.name} ({", ".join(values)}) SELECT {", ".join(values.values())}
        FROM (SELECT * FROM {table.name} LIMIT 1) AS one, generate_series(1, {rows}) AS number"""
    with (
        closing(connection.cursor()) as cursor,
        suppress(Exception),
    ):  # any driver's: a table that refuses the rows is not filled
        cursor.execute(insert)
        return bool(cursor.rowcount == rows)
    return False


def _distinct_values(connection: Any, table: seeds.Table) -> dict[str, str] | None:
    """Return an expression for one column of each unique index, by column; None when an index has no such column."""
    columns = {column["raw"]: column for column in table.columns}
    values: dict[str, str] = {}
    for (names,) in query(connection, _UNIQUE.format(oid=table.oid)):
        indexed = [columns[name] for name in json.loads(names or "[]")]
        if any(column["made"] for column in indexed):
            continue
        able = [(column["raw"], value) for column in indexed if (value := _distinct_value(table, column))]
        if not able:
            return None
        values.update(able[:1])
    return values


def _distinct_value(table: seeds.Table, column: Mapping[str, Any]) -> str | None:
    if any(column["number"] in parent["columns"] for parent in table.parents):
        return None
    return _BY_TYPE.get(column["base"], _BY_CATEGORY.get(column["category"]))
