"""P and S: matters of taste, off in a project whose settings do not name them. Told by the lines that an upgrade added to the catalog."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from slipway.gate.history import Node
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.lines import Change, Line
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.names import few, line_of
from slipway.gate.rules.rule import Rule
from slipway.gate.steps import UP
from slipway.records.proof import Finding, Statement

MIXED_CONCERNS: Final = Rule.advice(
    "P02",
    "schema and rows in one revision",
    "The revision changes the schema of tables that were there before, and rows too.",
    "Change the schema in one revision and the rows in the next, so that each can be run again by itself.",
)
WITHOUT_INDEX: Final = Rule.advice(
    "S01",
    "reference without an index",
    "Whoever deletes a row of the other table, or changes its key, reads all of this one, for no index begins with the columns of the reference.",
    """\
with op.get_context().autocommit_block():
    op.create_index("ix_…", "…", ["…"], postgresql_concurrently=True)""",
)
SMALL_KEY: Final = Rule.advice(
    "S02",
    "integer as primary key",
    "The primary key ends at 2,147,483,647; to make it larger later rewrites the table.",
    'sa.Column("id", sa.BigInteger(), primary_key=True)',
)
JSON: Final = Rule.advice(
    "S03",
    "json column",
    "Values of type json have no equality and no index; DISTINCT, GROUP BY and UNION fail on them.",
    'sa.Column("…", postgresql.JSONB())',
)
PADDED: Final = Rule.advice(
    "S04",
    "char(n) column",
    "Values of type char(n) are filled up with spaces, which some comparisons ignore and others do not.",
    'sa.Column("…", sa.Text())',
)
WITHOUT_ZONE: Final = Rule.advice(
    "S05",
    "timestamp without time zone",
    "What instant a value stands for depends on who wrote it.",
    'sa.Column("…", sa.DateTime(timezone=True))',
)
SERIAL: Final = Rule.advice(
    "S06",
    "serial column",
    "A serial column has a sequence with rights and a default of its own, which a dump or a rename leaves behind; an identity column has not.",
    'sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True)',
)
CUT_OFF: Final = Rule.advice(
    "S07",
    "name as long as can be",
    "The name has all of the 63 bytes that Postgres keeps; of a longer one the rest was cut off, and two may become the same.",
    "Give it a shorter name.",
)
NAMELESS: Final = Rule.advice(
    "S08",
    "constraint without a name",
    "Postgres chose the constraint's name, which a later revision must guess.",
    """\
# on the models' metadata, so that autogenerate writes the names:
metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})""",
)

_LONGEST_NAME: Final = 63  # NAMEDATALEN - 1 bytes
_NAMED: Final = ("foreign key", "unique", "check", "exclusion")
_WRITES: Final = re.compile(r"\A\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|DELETE FROM|MERGE|COPY)\b", re.IGNORECASE)
_KEY: Final = re.compile(r"(?:FOREIGN|PRIMARY) KEY \((?P<columns>[^)]+)\)")
_INDEXED: Final = re.compile(r" ON (?:ONLY )?(?P<table>\S+) USING \w+ \((?P<columns>.*?)\)(?: INCLUDE| WITH| WHERE|$)")


@dataclass(frozen=True)
class _Column:
    """A rule on the definition of a column."""

    rule: Rule
    definition: re.Pattern[str]


_COLUMNS: Final = (
    _Column(JSON, re.compile(r"json(\[\])?(?= |\Z)")),
    _Column(PADDED, re.compile(r"character\(")),
    _Column(WITHOUT_ZONE, re.compile(r"timestamp(\(\d\))? without time zone")),
    _Column(SERIAL, re.compile(r".* default nextval\(")),
)


def check(node: Node, steps: Steps, at_the_end: Iterable[Line]) -> Iterator[Finding]:
    """Findings on what one revision added; `at_the_end` are the lines of the catalog at the head."""
    added, end = steps.changes.get(UP, Change()).added, tuple(at_the_end)
    yield from _mixed_concerns(node, steps.statements)
    for rule, lines in (
        (WITHOUT_INDEX, [line for line in added if line in end and not _is_indexed(line, end)]),
        (SMALL_KEY, [line for line in added if _is_small_key(line, added)]),
        *((each.rule, [line for line in added if _is_column(line, each)]) for each in _COLUMNS),
        (CUT_OFF, [line for line in added if len(_last_name(line).encode()) >= _LONGEST_NAME]),
        (NAMELESS, [line for line in added if line.kind in _NAMED and not _is_said(line, steps.statements)]),
    ):
        if lines:
            yield rule.finding(
                node, few([line.name for line in lines]), line_of(lines[0].name.split(".")[-2:], steps.statements)
            )


def _mixed_concerns(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    writing = [each for each in statements if each.locks and _WRITES.match(each.sql)]
    altering = [each for each in statements if BLOCKING.intersection(each.locks.values()) and each not in writing]
    if writing and altering:
        schema, rows = (few(_tables(several)) for several in (altering, writing))
        yield MIXED_CONCERNS.finding(node, f"changes {schema}, and rows of {rows}", writing[0].line)


def _tables(statements: Sequence[Statement]) -> list[str]:
    return list(dict.fromkeys(table for each in statements for table in each.locks))


def _is_indexed(line: Line, end: Iterable[Line]) -> bool:
    """Whether the line is no reference, or an index of its table begins with its columns in any order."""
    if line.kind != "foreign key" or not (key := _KEY.match(line.definition)):
        return True
    columns, table = _names(key["columns"]), line.name.rpartition(".")[0]
    indexes = (_INDEXED.search(each.definition) for each in end if each.kind == "index")
    return any(
        index and index["table"] == table and set(_names(index["columns"])[: len(columns)]) == set(columns)
        for index in indexes
    )


def _is_small_key(line: Line, added: Iterable[Line]) -> bool:
    """Whether it is a primary key of one column that is a small number, and counted by Postgres."""
    key = _KEY.match(line.definition) if line.kind == "primary key" else None
    column = f"{line.name.rpartition('.')[0]}.{key['columns']}" if key else ""
    return any(
        each.name == column and re.match(r"(integer|smallint)\b.*(nextval\(|identity)", each.definition)
        for each in added
        if each.kind == "column"
    )


def _is_column(line: Line, rule: _Column) -> bool:
    return line.kind == "column" and rule.definition.match(line.definition) is not None


def _is_said(line: Line, statements: Iterable[Statement]) -> bool:
    return any(_last_name(line) in statement.sql for statement in statements)


def _last_name(line: Line) -> str:
    return line.name.rpartition(".")[2].strip('"') if line.kind not in ("comment", "function") else ""


def _names(columns: str) -> list[str]:
    return [column.strip().split(" ")[0] for column in columns.split(",")]
