"""Rows for the tables of a history: three in each table, of which the second has NULL in every nullable column.

A value depends on the column's type and the row's number, but not on the column's name, so a foreign key that a later
revision adds finds its parents. Most tables accept the ordinary rows, which one statement inserts into all tables.
Where conditions refuse them, a second statement tries the combinations of a row's candidates. It skips combinations
with values that a constraint has already refused.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from slipway.gate.layers.candidates import Hints, Type, candidates, ordinary
from slipway.gate.measure.session import literal, prepare_once, query, without_forced_security
from slipway.gate.names import is_table

ROWS = (
    3  # in each table; at most 6, because `candidates` writes row numbers with one digit and `queries` adds three rows
)
Samples = Mapping[str, tuple[str, ...]]  # by `table.column` or `schema.table.column`
NO_SAMPLES: Final[Samples] = MappingProxyType({})
UUID: Final = "-5ee5-4ee5-8ee5-5ee5ee5ee5e"  # a part of every generated UUID
_BARE_ROW = 2  # NULL or the default wherever possible
_ATTEMPTS = 400  # for one row

# Ordinary and partitioned tables of the service. Partitions are left out, because rows reach them through their table,
# and so are tables of extensions. OFFSET 0 keeps Postgres from reading a whole catalog for each table.
_TABLES = """
SELECT c.oid::text, concat(quote_ident(n.nspname), '.', quote_ident(c.relname)),
    (SELECT coalesce(json_agg(json_build_object(
        'number', a.attnum, 'raw', a.attname, 'name', quote_ident(a.attname),
        'type', format_type(a.atttypid, a.atttypmod), 'own', format_type(b.oid, NULL), 'oid', b.oid::text, 'base', b.typname, 'category', b.typcategory,
        'modifier', format_type(b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
        'length', information_schema._pg_char_max_length(b.oid, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
        'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = b.oid),
        'read', (SELECT json_agg(e.enumlabel) FROM pg_enum e WHERE e.enumtypid IN (b.oid, b.typelem)),
        'nullable', NOT a.attnotnull AND NOT t.typnotnull, 'default', a.atthasdef,
        'made', a.attgenerated <> '' OR a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%'
        ) ORDER BY a.attnum), '[]')
     FROM pg_attribute a CROSS JOIN LATERAL (SELECT * FROM pg_type WHERE oid = a.atttypid OFFSET 0) t
     JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text,
    (SELECT coalesce(json_agg(json_build_object(
        'name', k.conname, 'columns', k.conkey, 'parent', k.confrelid::text, 'deferrable', k.condeferrable,
        'table', concat(quote_ident(pn.nspname), '.', quote_ident(p.relname)),
        'referenced', (SELECT json_agg(quote_ident(a.attname) ORDER BY r.place) FROM unnest(k.confkey) WITH ORDINALITY r(number, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = r.number)
        )), '[]')
     FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE k.conrelid = c.oid AND k.contype = 'f')::text,
    (SELECT coalesce(json_agg(json_build_object('name', concat(quote_ident(n.nspname), '.', quote_ident(k.conname)), 'deferred', k.condeferred)), '[]')
     FROM pg_constraint k WHERE k.conrelid = c.oid AND k.condeferrable)::text,
    (SELECT coalesce(json_agg(json_build_object('name', rule.name, 'columns', rule.columns, 'text', rule.condition)), '[]') FROM (
        SELECT k.conname, coalesce(k.conkey, '{}'), pg_get_constraintdef(k.oid) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
        UNION ALL SELECT k.conname, ARRAY[a.attnum], pg_get_constraintdef(k.oid)
            FROM pg_attribute a CROSS JOIN LATERAL (SELECT * FROM pg_constraint WHERE contypid = a.atttypid OFFSET 0) k WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT '', array_agg(x.refobjsubid::int2), '' FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            CROSS JOIN LATERAL (SELECT * FROM pg_depend WHERE classid = 'pg_attrdef'::regclass AND objid = d.oid AND refobjid = c.oid OFFSET 0) x WHERE a.attrelid = c.oid AND a.attgenerated <> '' GROUP BY d.oid
        UNION ALL SELECT x.relname, i.indkey::int2[], '' FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
        UNION ALL SELECT '', k.partattrs::int2[], pg_get_expr(p.relpartbound, p.oid) FROM pg_partition_tree(c.oid) m
            JOIN pg_class p ON p.oid = m.relid JOIN pg_partitioned_table k ON k.partrelid = m.parentrelid
        ) rule(name, columns, condition))::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid > $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
ORDER BY c.oid
"""
# The types of which arrays, ranges and composite types consist, and the types of which these consist.
_TYPES = """
WITH RECURSIVE used(whole, place, oid, modifier) AS (
    SELECT NULL::oid, 0, oid, -1 FROM unnest('{{{oids}}}'::oid[]) AS oid
    UNION SELECT b.oid, part.place, part.oid, part.modifier FROM used JOIN pg_type t ON t.oid = used.oid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
        CROSS JOIN LATERAL (
            SELECT 0, b.typelem, used.modifier WHERE b.typcategory = 'A'
            UNION ALL SELECT 0, r.rngsubtype, -1 FROM pg_range r WHERE r.rngtypid = b.oid
            UNION ALL SELECT 0, r.rngtypid, -1 FROM pg_range r WHERE to_jsonb(r) ->> 'rngmultitypid' = b.oid::text
            UNION ALL SELECT a.attnum::int, a.atttypid, a.atttypmod FROM pg_attribute a WHERE a.attrelid = b.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        ) part(place, oid, modifier))
SELECT used.whole::text, json_build_object('type', format_type(t.oid, used.modifier), 'own', format_type(b.oid, NULL), 'oid', b.oid::text,
    'base', b.typname, 'category', b.typcategory, 'modifier', format_type(b.oid, used.modifier),
    'length', information_schema._pg_char_max_length(b.oid, used.modifier),
    'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = b.oid))::text
FROM used JOIN pg_type t ON t.oid = used.oid JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
WHERE used.whole IS NOT NULL ORDER BY used.whole, used.place
"""
_MADE_OF_TYPES = frozenset("ARC")  # the categories of arrays, ranges and composite types
_FIRST_COUNTED = 7001
_COUNT_FROM = f"SELECT setval(made, {_FIRST_COUNTED - 1}) FROM pg_get_serial_sequence({{table}}, {{column}}) AS made WHERE made IS NOT NULL"
# Inserts the rows of each part; none if its constraints are violated at the end. After a violation of a constraint, the
# last of its columns that has another candidate gets this candidate. The following columns start again, within the
# `groups` of columns that conditions connect. An error that names no constraint concerns all columns.
_INSERT = """
DECLARE
    part jsonb; wanted jsonb; command text; insert text; reason text; violated text; lacking text; chosen int[]; groups int[]; place int; named boolean;
    accepted jsonb := '[]'; reasons jsonb := '{}';
BEGIN
    FOR part IN SELECT * FROM jsonb_array_elements(:parts) LOOP
        BEGIN
            FOR command IN SELECT * FROM jsonb_array_elements_text(part->'before') LOOP
                EXECUTE command;
            END LOOP;
            FOR wanted IN SELECT * FROM jsonb_array_elements(part->'rows') LOOP
                groups := ARRAY(SELECT jsonb_array_elements_text(wanted->'groups')::int);
                chosen := array_fill(0, ARRAY[cardinality(groups)]);
                FOR attempt IN 1..:attempts LOOP
                    SELECT format('INSERT INTO %s %s', wanted->>'into',
                            coalesce('VALUES (' || string_agg(choice->>chosen[number::int], ', ' ORDER BY number) || ')', 'DEFAULT VALUES'))
                        INTO insert FROM jsonb_array_elements(wanted->'choices') WITH ORDINALITY _(choice, number);
                    BEGIN
                        EXECUTE insert;
                        accepted := accepted || to_jsonb(insert);
                        reason := NULL;
                        EXIT;
                    EXCEPTION WHEN OTHERS THEN
                        GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, violated = CONSTRAINT_NAME, lacking = COLUMN_NAME;
                    END;
                    place := coalesce(wanted->'places'->>nullif(violated, ''), wanted->'places'->>nullif('.' || lacking, '.'));
                    named := place IS NOT NULL;
                    place := coalesce(place, nullif(cardinality(groups), 0));
                    WHILE chosen[place] + 1 >= jsonb_array_length(wanted->'choices'->(place - 1)) LOOP
                        place := (SELECT max(n) FROM generate_series(1, place - 1) n WHERE NOT named OR groups[n] = groups[place]);
                    END LOOP;
                    EXIT WHEN place IS NULL;
                    chosen := ARRAY(
                        SELECT CASE WHEN n = place THEN chosen[n] + 1 WHEN n > place AND (NOT named OR groups[n] = groups[place]) THEN 0 ELSE chosen[n] END
                        FROM generate_series(1, cardinality(chosen)) n ORDER BY n);
                END LOOP;
                IF reason IS NOT NULL THEN
                    reasons := reasons || jsonb_build_object(wanted->>'table', reason);
                END IF;
            END LOOP;
            FOR command IN SELECT * FROM jsonb_array_elements_text(part->'after') LOOP
                EXECUTE command;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT;
            SELECT reasons || jsonb_object_agg(oid, reason) INTO reasons FROM jsonb_array_elements_text(part->'tables') oid;
        END;
    END LOOP;
    PERFORM set_config('slipway.rows', jsonb_build_object('accepted', accepted, 'reasons', reasons)::text, false);
END"""
# Executes the commands of each part; none of the part's if one fails. Lists the tables that failed, that have no
# commands, or that refer to such a table.
_INSERT_AT_ONCE = """
DECLARE part jsonb; command text; failed text[] := '{}';
BEGIN
    FOR part IN SELECT * FROM jsonb_array_elements(:parts) LOOP
        BEGIN
            IF part->'commands' = '[]' OR ARRAY(SELECT jsonb_array_elements_text(part->'parents')) && failed THEN
                RAISE EXCEPTION 'slipway: not at once';
            END IF;
            FOR command IN SELECT * FROM jsonb_array_elements_text(part->'commands') LOOP
                EXECUTE command;
            END LOOP;
        EXCEPTION WHEN OTHERS THEN
            failed := failed || ARRAY(SELECT jsonb_array_elements_text(part->'tables'));
        END;
    END LOOP;
    PERFORM set_config('slipway.rows', to_jsonb(failed)::text, false);
END"""
_UNDO = "DO 'BEGIN RAISE EXCEPTION ''slipway: only a trial''; END'"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table to fill.

    `columns`, `parents` (foreign keys), `rules` and `deferrable` have the form of _TABLES' results.
    """

    oid: str
    name: str
    columns: tuple[Mapping[str, Any], ...]
    parents: tuple[Mapping[str, Any], ...]
    deferrable: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    types: Mapping[str, Type] = field(default_factory=dict)  # by column
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by column, from the settings
    plain: bool = False  # whether to leave out the row with NULLs and long texts, and give each table UUIDs of its own

    @cached_property
    def groups(self) -> Mapping[int, int]:
        """A number for each column. Columns that conditions or keys connect have the same number."""
        groups = {column["number"]: column["number"] for column in self.columns}
        for each in (*self.rules, *self.parents):
            joined = {groups[number] for number in each["columns"] if number in groups}
            groups = {number: min(joined) if group in joined else group for number, group in groups.items()}
        return groups

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the columns that need a value in each INSERT."""
        return frozenset(
            each["raw"] for each in self.columns if not (each["nullable"] or each["default"] or each["made"])
        )

    def deciding(self, numbers: Collection[int]) -> set[int]:
        """Return these columns, and the columns connected with a generated one among them."""
        made = {column["number"] for column in self.columns if column["made"]}.intersection(numbers)
        behind = {self.groups[number] for number in made}
        return {*numbers, *(number for number, group in self.groups.items() if group in behind)}

    def conditions(self, column: Mapping[str, Any]) -> list[str]:
        """Return the conditions on a column, including those on the columns of its group."""
        if not any(rule["text"] and column["number"] in self.deciding(rule["columns"]) for rule in self.rules):
            return []
        group = self.groups[column["number"]]
        return [rule["text"] for rule in self.rules if group in {self.groups.get(number) for number in rule["columns"]}]


@dataclass(frozen=True)
class Filled:
    """The number of rows in each table, and why a table has none, by oid."""

    counts: Mapping[str, int]
    reasons: Mapping[str, str]
    marks: Mapping[str, str]


def tables(connection: Any, after: int, samples: Samples = NO_SAMPLES) -> tuple[Table, ...]:
    """Return the service's tables with an oid larger than `after`."""
    prepare_once(connection, "slipway_tables", f"PREPARE slipway_tables(oid) AS {_TABLES}")
    found = [
        (oid, name, *map(json.loads, details))
        for oid, name, *details in query(connection, f"EXECUTE slipway_tables({after})")
    ]
    parts = _parts_of_types(connection, [column for _, _, columns, *_ in found for column in columns])
    return tuple(
        Table(
            oid=oid,
            name=name,
            columns=tuple(columns),
            parents=tuple(parents),
            deferrable=tuple(deferrable),
            rules=tuple(rules),
            types={column["raw"]: _type(column, parts) for column in columns},
            samples=_samples_of(samples, name, columns),
        )
        for oid, name, columns, parents, deferrable, rules in found
    )


def _parts_of_types(connection: Any, columns: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return the types of which the columns' types consist, by the oid of the whole type."""
    oids = {column["oid"] for column in columns if column["category"] in _MADE_OF_TYPES}
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for whole, description in query(connection, _TYPES.format(oids=",".join(oids))) if oids else ():
        parts.setdefault(whole, []).append(json.loads(description))
    return parts


def _type(description: Mapping[str, Any], parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> Type:
    inner = tuple(_type(part, parts) for part in parts.get(description["oid"], ()))
    modifier = re.search(r"\(([\d,]+)\)", description["modifier"])
    return Type(
        name=description["type"],
        own=description["own"],
        base=description["base"],
        category=description["category"],
        length=description["length"],
        labels=tuple(description["labels"] or ()),
        width=tuple(map(int, modifier[1].split(","))) if modifier else (),
        element=inner[0] if inner and description["category"] in "AR" else None,
        parts=inner if description["category"] == "C" else (),
    )


def _samples_of(samples: Samples, table: str, columns: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    named = {name.rpartition(".")[::2]: values for name, values in samples.items()}
    return {
        column: values
        for (named_table, column), values in named.items()
        if is_table(table, named_table) and any(each["raw"] == column for each in columns)
    }


def fill(connection: Any, tables: Sequence[Table], *, kept: bool = False) -> Filled:
    """Insert rows into the tables, parents first. With `kept`, tables that have rows count as filled."""
    names = {table.oid: table.name for table in tables}
    reasons: Mapping[str, str] = {}
    with without_forced_security(connection) if tables else nullcontext():
        marked = marks(connection, names) if kept else {}
        unfilled = [table for table in tables if not _count(marked.get(table.oid, "0/"))]
        if unfilled:
            groups = list(parents_first(unfilled))
            failed = set(_execute(connection, _INSERT_AT_ONCE, list(map(_at_once, groups))))
            by_oid = {table.oid: table for table in unfilled}
            left = [_part(group, by_oid) for group in groups if group[0].oid in failed]
            reasons = _insert(connection, left)["reasons"] if left else {}
            marked = marks(connection, names)
    counts = {oid: _count(mark) for oid, mark in marked.items()}
    return Filled(counts, {oid: reason for oid, reason in reasons.items() if not counts[oid]}, marked)


def _count(mark: str) -> int:
    return int(mark.partition("/")[0])


def fill_all(connection: Any, version_table: str, samples: Samples = NO_SAMPLES, *, plain: bool = True) -> None:
    """Insert rows into all tables except alembic's own."""
    every = tables(connection, 0, samples)
    fill(connection, [replace(table, plain=plain) for table in every if not is_table(table.name, version_table)])


def marks(connection: Any, names: Mapping[str, str]) -> dict[str, str]:
    """Return a mark of the rows of each table, by oid. Every write to the table changes its mark."""
    selects = (
        f"SELECT {literal(oid)}, concat(count(*), '/', sum(xmin::text::bigint)) FROM {table}"
        for oid, table in names.items()
    )
    return dict(query(connection, " UNION ALL ".join(selects))) if names else {}  # type: ignore[arg-type]


def accepted(
    connection: Any,
    table: Table,
    row: int,
    *,
    columns: Collection[str],
    bare: Collection[str] = (),
) -> Sequence[str]:
    """Return an INSERT of row number `row` that the table accepts, limited to `columns`, or none.

    The row is rolled back.
    The columns `bare` have NULL or their default, where possible.
    """
    part = {"tables": [table.oid], "before": [], "rows": [_row(table, row, {}, columns=columns, bare=bare)]}
    statements: list[str] = _insert(connection, [{**part, "after": [_UNDO]}])["accepted"]
    return statements


def _insert(connection: Any, parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Insert the rows of some parts. Return the accepted statements, and the reasons for failures by table."""
    outcome: Mapping[str, Any] = _execute(connection, _INSERT.replace(":attempts", str(_ATTEMPTS)), parts)
    return outcome


def _execute(connection: Any, program: str, parts: Sequence[Mapping[str, Any]]) -> Any:
    """Execute a program for some parts, and return its result."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"DO {literal(program.replace(':parts', literal(json.dumps(parts))))}")
    ((text,),) = query(connection, "SELECT current_setting('slipway.rows')")
    return json.loads(text)


def parents_first(unordered: Sequence[Table]) -> Iterator[list[Table]]:
    """Yield the tables, referenced ones first: each alone, or several together when their references form a cycle."""
    left = list(unordered)
    while left:
        waiting = {table.oid: table for table in left}
        ready = [table for table in left if not _awaited(table, waiting)]
        ready = ready or [table for table in left if not _awaited(table, waiting, required=True)][:1]
        yield from ([table] for table in ready)
        if not ready:
            ready = min((_circle(table, waiting) for table in left), key=len)
            yield ready
        left = [table for table in left if table not in ready]


def _awaited(table: Table, waiting: Mapping[str, Table], *, required: bool = False) -> list[Table]:
    """Return the other tables to which a table's foreign keys refer; with `required`, only those to which they must refer."""
    nullable = {column["number"] for column in table.columns if column["nullable"]}
    parents = [each for each in table.parents if not (required and nullable.intersection(each["columns"]))]
    return [waiting[each["parent"]] for each in parents if each["parent"] in waiting and each["parent"] != table.oid]


def _circle(table: Table, waiting: Mapping[str, Table]) -> list[Table]:
    """Return the table and all tables that its rows must reference, directly or indirectly."""
    circle = [table]
    for each in circle:  # the list grows during the loop
        circle += [other for other in _awaited(each, waiting, required=True) if other not in circle]
    return circle


def _at_once(group: Sequence[Table]) -> Mapping[str, Any]:
    """Return the INSERT of a table's ordinary rows, one for each row when rows may refer to each other.

    Return none for a cycle of tables.
    """
    table, *others = group
    parents = {parent["parent"] for parent in table.parents}
    written = _written(table)
    commands: list[str] = []
    if not others and written:
        rows = (
            [_choices(table, column, row, {}, bare=_is_bare(table, row))[0] for column in written]
            for row in range(1, ROWS + 1)
        )
        values = [f"({', '.join(row)})" for row in rows]
        inserts = values if table.oid in parents else [", ".join(values)]
        insert = f"INSERT INTO {_into(table, written)} VALUES"
        commands = [*_before(group), *(f"{insert} {each}" for each in inserts), *_after(group)]
    return {"tables": [each.oid for each in group], "parents": sorted(parents - {table.oid}), "commands": commands}


def _part(group: Sequence[Table], by_oid: Mapping[str, Table]) -> Mapping[str, Any]:
    """Return the rows of a table, or of tables in a cycle, as JSON for the PL/pgSQL block that inserts them."""
    unfilled = {table.oid: by_oid[table.oid] for table in group} if len(group) > 1 else {}
    return {
        "tables": [table.oid for table in group],
        "before": _before(group),
        "rows": [
            _row(table, row, unfilled, bare=[each["raw"] for each in table.columns] if _is_bare(table, row) else ())
            for table in group
            for row in range(1, ROWS + 1)
        ],
        "after": _after(group),
    }


def _before(group: Sequence[Table]) -> list[str]:
    """Return the commands before the rows of a table, or of a cycle of tables."""
    names = ", ".join(each["name"] for table in group for each in table.deferrable)
    counters = (
        _COUNT_FROM.format(table=literal(table.name), column=literal(column["raw"]))
        for table in group
        for column in table.columns
        if column["made"]
    )
    mode = "DEFERRED" if len(group) > 1 else "IMMEDIATE"
    return [*counters, *([f"SET CONSTRAINTS {names} {mode}"] if names else [])]


def _after(group: Sequence[Table]) -> list[str]:
    """Return the commands after the rows.

    A later ALTER TABLE in the transaction refuses rows whose constraints are still unchecked.
    """
    names = ", ".join(each["name"] for table in group for each in table.deferrable)
    again = ", ".join(each["name"] for table in group for each in table.deferrable if each["deferred"])
    return [
        *([f"SET CONSTRAINTS {names} IMMEDIATE"] if names else []),
        *([f"SET CONSTRAINTS {again} DEFERRED"] if again else []),
    ]


def _is_bare(table: Table, row: int) -> bool:
    return row == _BARE_ROW and not table.plain


def _written(table: Table, columns: Collection[str] | None = None) -> list[Mapping[str, Any]]:
    """Return the columns that an INSERT names; with `columns`, only those among them."""
    return [each for each in table.columns if not each["made"] and (columns is None or each["raw"] in columns)]


def _into(table: Table, written: Sequence[Mapping[str, Any]]) -> str:
    return f"{table.name} ({', '.join(column['name'] for column in written)})" if written else table.name


def _row(
    table: Table,
    row: int,
    unfilled: Mapping[str, Table],
    *,
    columns: Collection[str] | None = None,
    bare: Collection[str] = (),
) -> Mapping[str, Any]:
    """Describe one row: the candidates of each column, and the columns of each constraint.

    Columns with several candidates come last.
    """
    written = _written(table, columns)
    places = {column["number"]: place for place, column in enumerate(written, start=1)}
    constrained = {
        each["name"]: max((places.get(number, 0) for number in table.deciding(each["columns"])), default=0)
        for each in (*table.rules, *table.parents)
    }
    return {
        "table": table.oid,
        "into": _into(table, written),
        "choices": [_choices(table, column, row, unfilled, bare=column["raw"] in bare) for column in written],
        "groups": [table.groups[column["number"]] for column in written],
        "places": {f".{column['raw']}": places[column["number"]] for column in written}
        | {name: place for name, place in constrained.items() if place},
    }


def _choices(
    table: Table, column: Mapping[str, Any], row: int, unfilled: Mapping[str, Table], *, bare: bool
) -> list[str]:
    """Return the candidates for a column, the most probable first. A bare row has only the required values."""
    kind = replace(table.types[column["raw"]], brief=table.plain)
    conditions = table.conditions(column)
    parent = next((parent for parent in table.parents if column["number"] in parent["columns"]), None)
    if samples := table.samples.get(column["raw"]):
        values = [kind.text(samples[(row - 1 + number) % len(samples)]) for number in range(len(samples))]
    elif parent:
        values = list(_references(table, column, parent, row, unfilled))
    elif conditions:
        values = candidates(kind, row, Hints.of(conditions))
    elif table.plain and kind.base == "uuid":
        values = [kind.text(f"{int(table.oid):08x}{UUID}{row}")]
    else:
        values = [value for value in (ordinary(kind, row),) if value]
    absent = ["NULL"] if column["nullable"] else ["DEFAULT"] if column["default"] else []
    if bare and absent:
        return [*absent, *values] if conditions else absent
    return [*values, *(absent if conditions or parent else [])] or absent or ["NULL"]


def _references(
    table: Table, column: Mapping[str, Any], parent: Mapping[str, Any], row: int, unfilled: Mapping[str, Table]
) -> Iterator[str]:
    """Yield the values in the parent's rows. When there are none yet, yield those of this row or of following rows."""
    referenced = parent["referenced"]
    this = referenced[parent["columns"].index(column["number"])]
    select = f"SELECT {this} FROM {parent['table']} ORDER BY {', '.join(referenced)} OFFSET"
    yield from (f"({select} {(row - 1 + further) % ROWS} LIMIT 1)" for further in range(ROWS))
    other = table if parent["parent"] == table.oid else unfilled.get(parent["parent"])
    own = next((each for each in other.columns if each["name"] == this), None) if other else None
    if other and own and own is not column:
        if own["made"]:  # refused attempts have also used numbers of the sequence
            counted = f"currval(pg_get_serial_sequence({literal(other.name)}, {literal(own['raw'])}))"
            yield counted if other is table else str(_FIRST_COUNTED + row - 1)
        yield from _choices(other, own, row, {}, bare=False)[:1]
