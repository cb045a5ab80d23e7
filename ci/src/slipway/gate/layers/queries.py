"""Statements of a release, derived from its models: they read and write each table, and each value of an enum."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Final

from sqlalchemy import Column as ModelColumn
from sqlalchemy import DefaultClause, Table
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

from slipway.gate.layers import seeds
from slipway.gate.measure.session import literal
from slipway.migration.database import sqlstate
from slipway.migration.environment import sentence
from slipway.records.gate import Column, Model

_FULL_ROW, _BARE_ROW, _EVERY_COLUMN = seeds.ROWS + 1, seeds.ROWS + 2, seeds.ROWS + 3
HELD: Final = "a value in a row"  # instead of an SQLSTATE: the release cannot read the value
ADDED: Final = "a value of the type"
LEFT_NULL: Final = "a column"
NOT_NULL: Final = "23502"
UNIQUE: Final = "23505"
_USES_ALL: Final = "it uses all of the schema before"
_WRITES_EQUAL: Final = "it writes equal values"
_NULL: Final = re.compile(r'column "(?P<column>.+?)" of relation "(?P<table>.+?)"')
_UNKNOWN: Final = "concat('the model does not know the value \"', {}, '\"')"
_LAST: Final = "(tableoid, ctid) IN (SELECT tableoid, ctid FROM {table} ORDER BY tableoid, ctid DESC LIMIT 1)"

Ways = Iterable[tuple[str, Iterable[str]]]  # kinds of statements, each with its variants


@dataclass(frozen=True, kw_only=True)
class Query:
    """A statement of a release, and its origin in words."""

    sql: str
    origin: str
    reports: bool = False  # whether it returns the message and code of a Refused, if any
    only_if: str = ""  # a condition that perhaps no release fulfils, in words
    table: str = ""  # the table of a derived statement


@dataclass(frozen=True)
class Refused:
    """A statement that works before a revision and fails after it.

    `code` is the SQLSTATE, or a text for a failure without an error.
    """

    query: Query
    message: str
    code: str

    @property
    def reason(self) -> str:
        """The message without Postgres' details, which contain the row."""
        return self.message.partition("; ")[0]

    @property
    def null(self) -> Mapping[str, str] | None:
        """The `column` that got no value, and its `table`; None for another failure."""
        match = _NULL.search(self.message) if self.code == NOT_NULL else None
        return match and match.groupdict()


def as_models(tables: Iterable[Table]) -> Iterator[Model]:
    """Yield SQLAlchemy's tables as records that another process can read."""
    for table in tables:
        yield Model(table.schema, table.name, tuple(_as_column(each) for each in table.columns))


def _as_column(column: "ModelColumn[Any]") -> Column:
    """Describe a column. The ORM's INSERT names it unless the database generates its value or has a default."""
    defaulted = isinstance(column.server_default, DefaultClause)
    # SQLAlchemy 1.4 has the property only under this name.
    autoincrements = column is getattr(column.table, "_autoincrement_column", None)
    written = not autoincrements and column.server_default is None and column.computed is None
    labels = getattr(getattr(column.type, "item_type", column.type), "enums", None) or ()
    return Column(
        name=column.name,
        written=written,
        defaulted=defaulted and not autoincrements,
        filled=column.default is not None,
        labels=tuple(map(str, labels)),
    )


def refusal(connection: Connection, query: Query) -> Refused | None:
    """Execute a statement and roll it back. Return its failure, or None."""
    connection.exec_driver_sql("BEGIN")
    try:
        return _reported(query, executed(connection, query.sql))
    except DBAPIError as error:
        return Refused(query, sentence(error), sqlstate(error) or "")
    finally:
        connection.exec_driver_sql("ROLLBACK")


def executed(connection: Connection, sql: str) -> "CursorResult[Any]":
    """Execute a statement without parameters, in which `%` means itself. pg8000 reads placeholders even then."""
    text = sql.replace("%", "%%") if connection.dialect.driver == "pg8000" else sql
    return connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def _reported(query: Query, result: "CursorResult[Any]") -> Refused | None:
    row: Any = result.first() if query.reports else None
    return Refused(query, *row) if row else None


def derived(connection: Connection, model: Model, table: seeds.Table) -> Iterator[Query]:
    yield from (each for each in _outcomes(connection, model, table) if isinstance(each, Query))
    for column in model.columns:
        if column.labels and (made := next((each for each in table.columns if each["raw"] == column.name), None)):
            query = Query(
                sql=_values_beyond(table, made, column.labels),
                origin=f"SELECT, by the model of {table.name}",
                reports=True,
            )
            if refusal(connection, query) is None:
                yield query


def assumed(
    connection: Connection, table: seeds.Table, used: Collection[str], before: str, keys: Iterable[Collection[str]]
) -> Iterator[Query]:
    """Yield the statements that a release with these columns would run.

    Leave out those that fail before the revision.
    With `keys`, which the revision makes unique, also yield statements that write equal values.
    """
    columns = (
        Column(
            name=each["raw"],
            written=not (each["default"] or each["made"]),
            defaulted=bool(each["default"]) and not each["made"],
            labels=tuple(each["read"] or ()),
        )
        for each in table.columns
        if each["raw"] in used
    )
    schema, _, name = table.name.partition(".")
    model = Model(schema, name, tuple(columns))
    for query in derived(connection, model, table):
        kind = query.origin.partition(",")[0]
        yield replace(query, origin=f"{kind}, as of the schema before {before}", only_if=_USES_ALL)
    for key in keys:
        yield from repeated(connection, model, table, key, ())


def repeated(
    connection: Connection, model: Model, table: seeds.Table, key: Collection[str], inserts: Sequence[Query]
) -> Iterator[Query]:
    """Yield the write, if it works, that gives two rows of a table equal values in a future key.

    Columns that a model lacks get their default.
    """
    names = {each["name"]: each["raw"] for each in table.columns}
    if {column.name for column in model.columns}.issuperset(names.get(column, column) for column in key):
        listed, last = ", ".join(sorted(key)), _LAST.format(table=table.name)
        sql = f"UPDATE {table.name} SET ({listed}) = (SELECT {listed} FROM {table.name} ORDER BY tableoid, ctid LIMIT 1) WHERE {last}"
        origin = f"UPDATE to the values of another row of {table.name}"
        write = Query(sql=sql, origin=origin, only_if=_WRITES_EQUAL, table=table.name)
    elif len(inserts) > 1:
        sql = f"WITH one AS ({inserts[0].sql}) {inserts[1].sql}"
        write = Query(sql=sql, origin=f"two INSERTs, derived from the model of {table.name}", table=table.name)
    else:
        return
    if refusal(connection, write) is None:
        yield write


def _ways(connection: Connection, model: Model, table: seeds.Table) -> Ways:
    """Yield the kinds of statements with their variants, the most probable first."""
    raw = connection.connection
    names = {column["raw"]: column["name"] for column in table.columns}
    made = {column["raw"] for column in table.columns if column["made"]}
    # A model may assume that the database numbers a key, although the application's code does.
    written = {
        column.name
        for column in model.columns
        if column.written or (column.name in table.required and not column.defaulted)
    }
    writable = written | {column.name for column in model.columns if column.defaulted}
    read = [names.get(column.name, f'"{column.name}"') for column in model.columns]
    changed = [
        names[column.name] for column in model.columns if column.name in writable - made and column.name in names
    ]
    yield "SELECT", [f"SELECT {', '.join(read)} FROM {table.name}"]
    sent = partial(as_sent, connection.dialect.driver, table)
    full = sent(seeds.accepted(raw, table, _FULL_ROW, columns=written))
    again = [column["name"] for column in table.columns if column["raw"] in written - made]
    yield "INSERT of a full row", chain(full, _put_back(connection, table, again) if again and not full else ())
    bare = written - {column.name for column in model.columns if column.filled}
    yield "INSERT of a bare row", sent(seeds.accepted(raw, table, _BARE_ROW, columns=written, bare=bare))
    if writable - written:
        yield "INSERT of every column", sent(seeds.accepted(raw, table, _EVERY_COLUMN, columns=writable))
    if set_again := ", ".join(f"{name} = {name}" for name in changed or read[:1]):
        yield "UPDATE", [f"UPDATE {table.name} SET {set_again}"]
    if read:
        unique = [each["columns"] for each in table.rules if each["name"] and not each["text"]]
        keys = [each["name"] for each in table.columns if [each["number"]] in unique and each["name"] in read]
        key = (keys or read)[0]
        one = f"(SELECT {key} FROM {table.name} ORDER BY {key} DESC LIMIT 1)"
        yield "DELETE", [f"DELETE FROM {table.name} WHERE {key} = {one}"]
    for column in table.columns:
        for label in column["labels"] or () if column["raw"] in writable else ():
            value = f"{column['name']} = {literal(label)}"
            setting, finding = f"UPDATE {table.name} SET {value}", f"SELECT count(*) FROM {table.name} WHERE {value}"
            yield f"UPDATE to {label}", [setting, finding]


def as_sent(driver: str, table: seeds.Table, inserts: Sequence[str]) -> Sequence[str]:
    """Remove the type casts of texts where SQLAlchemy sends none, because such a statement does not depend on the type's name."""
    if driver != "psycopg2":
        return inserts
    names = sorted({kind.name for kind in table.types.values()}, key=len, reverse=True)
    cast = re.compile(rf"(?<=')::(?:{'|'.join(map(re.escape, names))})(?=[,)])")
    return [cast.sub("", sql) for sql in inserts]


def failing(connection: Connection, model: Model, table: seeds.Table) -> Iterator[Refused]:
    """Yield the failures of writing statements of which no variant works, unless even reading the table fails."""
    outcomes = list(_outcomes(connection, model, table))
    if not isinstance(outcomes[0], Refused):
        yield from (each for each in outcomes if isinstance(each, Refused))


def _outcomes(connection: Connection, model: Model, table: seeds.Table) -> Iterator[Query | Refused]:
    """Yield for each kind of statement the first variant that works, or the failure of the first variant."""
    for kind, variants in _ways(connection, model, table):
        first = None
        for sql in variants:
            query = Query(sql=sql, origin=f"{kind}, derived from the model of {table.name}", table=table.name)
            refused = refusal(connection, query)
            if refused is None:
                yield query
                break
            first = first or refused
        else:
            yield from [first] if first else []


def _put_back(connection: Connection, table: seeds.Table, names: Sequence[str]) -> Iterator[str]:
    """Yield INSERTs of copied rows.

    The first is for the last row, which is deleted before, because each parent may allow only one row.
    """
    columns, row = ", ".join(names), None
    values = ", ".join(f"quote_nullable({name}::text)" for name in names)
    taken = f"DELETE FROM {table.name} WHERE {_LAST.format(table=table.name)} RETURNING concat_ws(', ', {values})"
    with suppress(DBAPIError):  # other rows refer to this row
        row = connection.exec_driver_sql(taken).first()
    if row:
        yield f"INSERT INTO {table.name} ({columns}) VALUES ({row[0]})"
    yield f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {table.name} LIMIT 1"


def _values_beyond(table: seeds.Table, column: Any, labels: Sequence[str]) -> str:
    """Return a query for values that a model's enum lacks, those in rows first."""
    known = f"ARRAY[{', '.join(map(literal, labels))}]"
    values = f"unnest({column['name']})" if column["category"] == "A" else column["name"]
    return (
        f"(SELECT {_UNKNOWN.format('value')}, {literal(HELD)} FROM (SELECT {values}::text AS value FROM {table.name}) held WHERE value <> ALL ({known}) LIMIT 1) "
        f"UNION ALL (SELECT {_UNKNOWN.format('enumlabel')}, {literal(ADDED)} FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
        "JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END JOIN pg_enum ON enumtypid IN (b.oid, b.typelem) "
        f"WHERE attrelid = {literal(table.name)}::regclass AND attname = {literal(column['raw'])} AND enumlabel <> ALL ({known}) LIMIT 1)"
    )


def prepared(connection: Connection, queries: Iterable[Query]) -> dict[Query, str]:
    """Prepare the reading statements, as drivers do. Return the EXECUTE command of each."""
    executes = {}
    for number, query in enumerate(queries):
        if query.reports or not query.sql.lstrip("( ").upper().startswith(("SELECT", "WITH")):
            continue
        name = f"slipway_query_{number}"
        try:
            executed(connection, f"PREPARE {name} AS {query.sql}")
            connection.exec_driver_sql(f"EXPLAIN EXECUTE {name}")  # lets Postgres plan the statement
        except DBAPIError:  # the text has several statements
            continue
        executes[query] = f"EXECUTE {name}"
    return executes
