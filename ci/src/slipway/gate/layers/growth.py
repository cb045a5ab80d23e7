"""How a revision's time grows with rows: it runs with two numbers of rows in the tables that it reads or writes as a whole.

The result is a forecast and never decides a verdict: milliseconds on this machine, each with a number of rows. The rows
are copies of a table's first row, with distinct values only where a unique index requires them.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.history import Node
from slipway.gate.layers import seeds
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import query
from slipway.gate.measure.statements import Execution, watching
from slipway.gate.names import few, is_table
from slipway.gate.steps import Replica, error_of_upgrade
from slipway.migration.database import with_connection
from slipway.records.proof import Growth, Statement

ROWS = (1_000, 20_000)
_LONGEST = "9998ms"  # the limit of a statement with this many rows
_UNIQUE = """
SELECT (SELECT json_agg(a.attname)::text FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
FROM pg_index i WHERE i.indisunique AND i.indrelid = {oid}"""
# A distinct value for row `number`, larger than those of the seeds, by the name of a type, then by pg_type's category.
_BY_TYPE = {
    "uuid": "md5(concat({oid}, number))::uuid",
    "bytea": "decode(md5(number::text), 'hex')",
    "time": "",
    "timetz": "",
}
_BY_CATEGORY = {
    "N": "number + 8000",  # fits into a smallint
    "S": "concat('c', number)",
    "D": "timestamp '2000-01-01' + number * interval '1 day'",
    "I": "inet '10.1.0.0' + number",
}


@dataclass(frozen=True, kw_only=True)
class GrowthResult:
    """The growth by line, or the reason why it is unknown, or the error with which the revision ended."""

    growth: tuple[Growth, ...] = ()
    gap: str = ""
    error: BaseException | None = None


def processed_tables(statements: Sequence[Statement]) -> dict[int, tuple[str, ...]]:
    """Return the tables that a revision reads or writes as a whole, by line."""
    by_line: dict[int, dict[str, None]] = {}
    for each in statements:
        if each.line and (tables := (*each.rewrites, *each.builds, *each.scans)):
            by_line.setdefault(each.line, {}).update(dict.fromkeys(tables))
    return {line: tuple(tables) for line, tables in by_line.items()}


def grow(node: Node, processed: Mapping[int, tuple[str, ...]], source: Replica) -> GrowthResult:
    """Measure how the time of a revision grows, on the lines that process whole tables."""
    names = list(dict.fromkeys(name for tables in processed.values() for name in tables))
    measured = []
    kept = source.filled(node, plain=True)
    with source.before(node, kept) as filled:
        wanted = with_connection(filled, partial(_filled, names, source.samples, kept=kept is not None))
        for rows in ROWS:
            with source.copied(filled) if rows < max(ROWS) else nullcontext(filled) as database:
                refused = with_connection(database, partial(_multiply_all, wanted, rows))
                if refused:
                    return GrowthResult(gap=refused)
                with _clock(node) as spent:
                    error = error_of_upgrade(source.environment, database, [node])
                if error:
                    return GrowthResult(error=error)
                measured.append(spent)
    return GrowthResult(
        growth=tuple(
            Growth(line, tables, ROWS, tuple(round(spent[line], 3) for spent in measured))
            for line, tables in processed.items()
        )
    )


@contextmanager
def _clock(node: Node) -> Iterator[Counter[int]]:
    """Count the milliseconds of a revision's statements by line during the block."""
    spent: Counter[int] = Counter()
    started = 0.0

    def begin(_execution: Execution) -> None:
        nonlocal started
        started = time.perf_counter()

    def end(_execution: Execution) -> None:
        if line := line_in(node.script.path):
            spent[line] += (time.perf_counter() - started) * 1000  # type: ignore[assignment]

    with watching(before=begin, after=end):
        yield spent


def _filled(names: Sequence[str], samples: seeds.Samples, connection: Connection, *, kept: bool) -> list[seeds.Table]:
    """Insert a few rows into every table, unless they are already there. Return the tables with these names."""
    tables = [replace(table, plain=True) for table in seeds.tables(connection.connection, 0, samples)]
    if not kept:
        seeds.fill(connection.connection, tables)
    return [table for table in tables if any(is_table(table.name, name) for name in names)]


def _multiply_all(tables: Sequence[seeds.Table], rows: int, connection: Connection) -> str | None:
    """Insert many rows into some tables. Return the reason when this fails.

    Limit the statements of later sessions, too, whose own limit env.py may set: equal rows can make a join quadratic.
    """
    name = connection.engine.url.database
    connection.exec_driver_sql(f"ALTER DATABASE {name} SET statement_timeout = '{_LONGEST}'")
    connection.exec_driver_sql(f"SET statement_timeout = '{_LONGEST}'")
    with suppress(DBAPIError):  # superusers only; otherwise Postgres compares each copy with its parents
        connection.exec_driver_sql("SET session_replication_role = replica")
    unfilled = [table.name for table in tables if not _multiply(connection.connection, table, rows)]
    return f"{few(unfilled)} could not be filled with {rows} rows" if unfilled else None


def _multiply(connection: Any, table: seeds.Table, rows: int) -> bool:
    """Copy one row of a table, with distinct values in its keys. Return whether the table accepted all copies."""
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
    # the errors are the driver's own; a table may refuse the rows
    with closing(connection.cursor()) as cursor, suppress(Exception):
        cursor.execute(insert)
        return bool(cursor.rowcount == rows)
    return False


def _distinct_values(connection: Any, table: seeds.Table) -> dict[str, str] | None:
    """Return an expression with distinct values for one column of each unique index, by column.

    Return None when an index has no such column.
    """
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
    value = _BY_TYPE.get(column["base"], _BY_CATEGORY.get(column["category"]))
    return value.format(oid=table.oid) if value else value
