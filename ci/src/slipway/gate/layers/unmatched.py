"""Statements that find no row in a table with rows: a backfill without effect, code that is never executed, or rows that the gate did not make."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from slipway.gate.history import Node
from slipway.gate.layers.conditions import TABLE, Sought, sought
from slipway.gate.measure.literals import with_parameters
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import literal, query, taken_back
from slipway.gate.measure.statements import Execution, Session, watching
from slipway.gate.names import NAME, is_table

_READS = re.compile(
    r"(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*(?:WITH\b.*?\)\s*)?"
    rf"(?:(?P<verb>UPDATE|DELETE|MERGE)\s+(?:FROM\s+|INTO\s+)?(?:ONLY\s+)?(?P<table>{TABLE})"
    rf"|(?:(?P<insert>INSERT)\s+INTO\b(?:(?!\bVALUES\b).)*?\b)?SELECT\b.*?\bFROM\s+(?:ONLY\s+)?(?P<source>{TABLE}))",
    re.IGNORECASE | re.DOTALL,
)
# One row answers a question for existence or number. A page after the last one has no row.
_ANSWERS = re.compile(
    r"\s*SELECT\s+(?:EXISTS|count|max|min|sum|bool_or)\b\s*\((?!.*\bGROUP\s+BY\b)", re.IGNORECASE | re.DOTALL
)
_FOLLOWS_A_PAGE = re.compile(r"[<>]=?\s*(?:%\(\w+\)s|%s|\$\d+)")
_CONDITION = re.compile(r"\bWHERE\b(?P<condition>.*)", re.IGNORECASE | re.DOTALL)
_IS_NULL = re.compile(rf"({NAME})\s+IS\s+NULL\b", re.IGNORECASE)
_EQUALS_NULL = re.compile(r"(?<![<>])(?P<operator>=|<>|!=)\s*NULL\b(?:::[\w ]+)?", re.IGNORECASE)
_OTHERWISE = re.compile(r"\b(?:OR|NOT|CASE|SET)\b", re.IGNORECASE)
_FROM = re.compile(rf"\bFROM\s+(?:ONLY\s+)?({TABLE})", re.IGNORECASE)
# An outer join yields NULLs, and the column may belong to another table or a subquery.
_JOINS = re.compile(
    rf"\b(?:JOIN|USING)\b|\bFROM\s+(?:\(|(?:ONLY\s+)?{TABLE}(?:\s+(?:AS\s+)?{NAME})?\s*,)", re.IGNORECASE
)
_NOT_NULL = """SELECT quote_ident(attname), attname FROM pg_attribute
WHERE attrelid = ALL (ARRAY[{tables}]::oid[]) AND attnotnull AND attnum > 0 AND NOT attisdropped"""


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """A statement, on a line, that found none of a table's rows.

    - impossible: why no row can match; empty when one could.
    - corrected: the statement with IS NULL instead of = NULL, if it has that.
    - failed: the revision's error on a row that the gate made to match.
    """

    line: int
    verb: str
    table: str
    rows: int = 0
    impossible: str = ""
    corrected: str = ""
    sought: Sought = field(default_factory=Sought)
    failed: str = ""

    def __str__(self) -> str:
        failed = f" (on one that the gate made the revision ends with {self.failed})" if self.failed else ""
        return f"the {self.verb} on line {self.line} matches none of the {self.rows} rows of {self.table}{failed}"


class Unmatching:
    """The statements of a revision that found no row in any execution, each with the spelling of its table."""

    def __init__(self) -> None:
        self._found: Counter[tuple[int, str]] = Counter()
        self._unmatched: dict[tuple[int, str], Unmatched] = {}

    @contextmanager
    def recording(self, node: Node) -> Iterator[None]:
        """Record a revision's statements during the block.

        When the driver does not report a number of rows, a statement counts as matching.
        """

        def end(execution: Execution) -> None:
            rows, match = execution.rows, _READS.match(execution.sql)
            # line_in reads the stack, which is slow, so it comes last
            if rows is None or match is None or (line := line_in(node.script.path)) is None:
                return
            verb = (match["verb"] or match["insert"] or "SELECT").upper()
            spelled = with_parameters(execution.sql, None if execution.many else execution.parameters)
            if verb == "SELECT" and rows == 1 and spelled and _ANSWERS.match(spelled):
                rows = _answer(execution, spelled)
            key = line, execution.sql
            self._found[key] += abs(rows)  # -1 means unknown
            follows = verb == "SELECT" and _FOLLOWS_A_PAGE.search(execution.sql)
            if not (rows or follows or key in self._unmatched):
                table = match["table"] or match["source"]
                sql = spelled or execution.sql
                self._unmatched[key] = _unmatched(execution.session, sql, Unmatched(line=line, verb=verb, table=table))

        with watching(after=end):
            yield

    @property
    def found(self) -> frozenset[int]:
        """The lines of the statements that found rows."""
        return frozenset(line for (line, _), rows in self._found.items() if rows)

    def among(self, filled: Mapping[str, int]) -> Iterator[Unmatched]:
        """Yield the statements on tables that had rows before the revision; the first one of each line.

        `filled` has the numbers of rows by name.
        """
        lines = set(self.found)
        for (line, _), each in self._unmatched.items():
            table = next((name for name, rows in filled.items() if rows and is_table(name, each.table)), "")
            if table and line not in lines:
                lines.add(line)
                yield replace(each, table=table, rows=filled[table])


def _answer(execution: Execution, sql: str) -> int:
    """Execute a query of one value again. Return 0 when it finds none."""
    session = execution.session
    with taken_back(session.connection, alone=session.is_alone), suppress(session.error):
        return int(any(value for row in query(session.connection, sql) for value in row))
    return 1


def _unmatched(session: Session, sql: str, statement: Unmatched) -> Unmatched:
    """Return the statement with the rows that it looks for, or with the reason why no such row can exist."""
    match = _CONDITION.search(sql)
    if match and not _OTHERWISE.search(match["condition"]):
        if _EQUALS_NULL.search(match["condition"]):
            corrected = sql[: match.start("condition")] + _EQUALS_NULL.sub(_by_is, match["condition"])
            return replace(statement, impossible="a comparison with NULL is never true", corrected=corrected)
        if column := _impossible_null(session, sql, match["condition"], statement.table):
            return replace(statement, impossible=f"{column} is NOT NULL")
    return replace(statement, sought=sought(sql))


def _by_is(comparison: re.Match[str]) -> str:
    return "IS NULL" if comparison["operator"] == "=" else "IS NOT NULL"


def _impossible_null(session: Session, sql: str, condition: str, table: str) -> str:
    """Return a column that the condition requires to be NULL although it is NOT NULL.

    This is only possible for a statement on one table.
    """
    nulls = () if _JOINS.search(sql) else _IS_NULL.findall(condition)
    tables = ", ".join(f"to_regclass({literal(each)})" for each in {table, *_FROM.findall(sql)})
    required = query(session.connection, _NOT_NULL.format(tables=tables)) if nulls else ()
    return next((name for quoted, name in required if quoted in nulls or name in nulls), "")
