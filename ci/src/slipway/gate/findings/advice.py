"""Rules P and S: advice on what an upgrade added to the schema."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from slipway.gate.findings.code import as_strings, columns_of
from slipway.gate.history import Node
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Line
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.names import few, line_of, parts
from slipway.gate.rulebook import advice as rules
from slipway.gate.rulebook.rule import Rule
from slipway.records.proof import Finding, Statement

_LONGEST_NAME: Final = 63  # NAMEDATALEN - 1 bytes
_NAMED: Final = ("foreign key", "unique", "check", "exclusion")
_WRITES: Final = re.compile(r"\A\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|DELETE FROM|MERGE|COPY)\b", re.IGNORECASE)
_KEY: Final = re.compile(r"(?:FOREIGN|PRIMARY) KEY \((?P<columns>[^)]+)\)")
_INDEXED: Final = re.compile(r" ON (?:ONLY )?(?P<table>\S+) USING \w+ \((?P<columns>.*?)\)(?: INCLUDE| WITH| WHERE|$)")


_COLUMNS: Final[Mapping[Rule, re.Pattern[str]]] = {  # patterns for the column's definition in the catalog
    rules.JSON: re.compile(r"json(\[\])?(?= |\Z)"),
    rules.PADDED: re.compile(r"character\("),
    rules.WITHOUT_ZONE: re.compile(r"timestamp(\(\d\))? without time zone"),
    rules.SERIAL: re.compile(r".* default nextval\("),
}


def check(node: Node, steps: Steps, at_head: Iterable[Line]) -> Iterator[Finding]:
    """Yield the findings on one revision's additions. `at_head` are the lines of the catalog at the head."""
    added, end = steps.upgraded.added, tuple(at_head)
    yield from _mixed_concerns(node, steps.statements)
    for rule, lines in (
        (rules.WITHOUT_INDEX, [line for line in added if line in end and not _is_indexed(line, end)]),
        (rules.SMALL_KEY, [line for line in added if _is_small_key(line, added)]),
        *((rule, [line for line in added if _is_column(line, form)]) for rule, form in _COLUMNS.items()),
        (rules.CUT_OFF, [line for line in added if len(_last_name(line).encode()) >= _LONGEST_NAME]),
        (rules.NAMELESS, unnamed(steps)),
    ):
        if lines:
            place = line_of(lines[0].name.split(".")[-2:], steps.statements)
            remedy = "\n".join(map(_index_for, lines)) if rule is rules.WITHOUT_INDEX else None
            yield rule.finding(node, few([line.name for line in lines]), place, remedy)


def unnamed(steps: Steps) -> list[Line]:
    """Return the added constraints whose name Postgres chose."""
    return [line for line in steps.upgraded.added if line.kind in _NAMED and not _is_in(steps.statements, line)]


def _mixed_concerns(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    writing = [each for each in statements if each.locks and _WRITES.match(each.sql)]
    altering = [each for each in statements if BLOCKING.intersection(each.locks.values()) and each not in writing]
    if writing and altering:
        schema, rows = (few(_tables(several)) for several in (altering, writing))
        yield rules.MIXED_CONCERNS.finding(node, f"changes {schema}, and rows of {rows}", writing[0].line)


def _tables(statements: Sequence[Statement]) -> list[str]:
    return list(dict.fromkeys(table for each in statements for table in each.locks))


def _is_indexed(line: Line, end: Iterable[Line]) -> bool:
    """Return whether an index of the table starts with the foreign key's columns, in any order.

    Return True for other lines.
    """
    if line.kind != "foreign key" or not (key := _KEY.match(line.definition)):
        return True
    columns, table = _names(key["columns"]), line.name.rpartition(".")[0]
    indexes = (_INDEXED.search(each.definition) for each in end if each.kind == "index")
    return any(
        index and index["table"] == table and set(_names(index["columns"])[: len(columns)]) == set(columns)
        for index in indexes
    )


def _index_for(line: Line) -> str:
    """Return the code that creates the missing index for a foreign key."""
    schema, table, _ = parts(line.name)
    key = _KEY.match(line.definition)
    columns = columns_of(key["columns"]) if key else []
    return rules.WITHOUT_INDEX.code.format(
        table=table,
        column="_".join(columns),
        columns=as_strings(columns),
        schema="" if schema == "public" else f', schema="{schema}"',
    )


def _is_small_key(line: Line, added: Iterable[Line]) -> bool:
    """Return whether a line is a primary key of one integer column with a sequence."""
    key = _KEY.match(line.definition) if line.kind == "primary key" else None
    column = f"{line.name.rpartition('.')[0]}.{key['columns']}" if key else ""
    return any(
        each.name == column and re.match(r"(integer|smallint)\b.*(nextval\(|identity)", each.definition)
        for each in added
        if each.kind == "column"
    )


def _is_column(line: Line, form: re.Pattern[str]) -> bool:
    return line.kind == "column" and form.match(line.definition) is not None


def _is_in(statements: Iterable[Statement], line: Line) -> bool:
    return any(_last_name(line) in statement.sql for statement in statements)


def _last_name(line: Line) -> str:
    return line.name.rpartition(".")[2].strip('"') if line.kind not in ("comment", "function") else ""


def _names(columns: str) -> list[str]:
    return [column.strip().split(" ")[0] for column in columns.split(",")]
