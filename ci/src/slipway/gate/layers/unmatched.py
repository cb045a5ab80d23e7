"""Statements that find none of the rows in a table: a backfill that does nothing, or one whose rows the gate did not make."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from slipway.gate.history import Node
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import literal, query
from slipway.gate.measure.statements import Execution, Session, watching
from slipway.gate.names import NAME, is_table

_TABLE = rf"(?:{NAME}\.)?{NAME}"
_READS = re.compile(
    rf"\A\s*(?:(?P<verb>UPDATE|DELETE|MERGE)\s+(?:FROM\s+|INTO\s+)?(?:ONLY\s+)?(?P<table>{_TABLE})|INSERT\s+INTO\b.*?\bSELECT\b.*?\bFROM\s+(?:ONLY\s+)?(?P<source>{_TABLE}))",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\bWHERE\b(?P<condition>.*)", re.IGNORECASE | re.DOTALL)
_IS_NULL = re.compile(rf"({NAME})\s+IS\s+NULL\b", re.IGNORECASE)
_OTHERWISE = re.compile(r"\b(?:OR|NOT|CASE)\b", re.IGNORECASE)
_FROM = re.compile(rf"\bFROM\s+(?:ONLY\s+)?({_TABLE})", re.IGNORECASE)
# An outer join makes NULLs, and the column may be another table's or a subquery's.
_JOINS = re.compile(
    rf"\b(?:JOIN|USING)\b|\bFROM\s+(?:\(|(?:ONLY\s+)?{_TABLE}(?:\s+(?:AS\s+)?{NAME})?\s*,)", re.IGNORECASE
)
_NOT_NULL = """SELECT quote_ident(attname), attname FROM pg_attribute
WHERE attrelid = ALL (ARRAY[{tables}]::oid[]) AND attnotnull AND attnum > 0 AND NOT attisdropped"""


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """The statement on a line that found none of the rows of a table; a column that is NOT NULL, if it looks for NULL there."""

    line: int
    verb: str
    table: str
    column: str = ""
    rows: int = 0

    @property
    def words(self) -> str:
        return f"the {self.verb} on line {self.line} matches none of the {self.rows} rows of {self.table}"


class Unmatching:
    """The statements of a revision whose every execution wrote no row, each with its table as it is spelled."""

    def __init__(self) -> None:
        self._written: Counter[tuple[int, str]] = Counter()
        self._unmatched: dict[tuple[int, str], Unmatched] = {}

    @contextmanager
    def recording(self, node: Node) -> Iterator[None]:
        """Record the statements of a revision during the block; those whose number of rows the driver does not return count as matching."""

        def end(execution: Execution) -> None:
            rows, match = execution.rows, _READS.match(execution.sql)
            if rows is None or match is None or (line := line_in(node.script.path)) is None:  # which reads the stack
                return
            self._written[line, execution.sql] += abs(rows)  # -1 is unknown
            if not rows and (line, execution.sql) not in self._unmatched:
                table = match["table"] or match["source"]
                column = _impossible_null(execution.session, execution.sql, table)
                verb = (match["verb"] or "INSERT").upper()
                self._unmatched[line, execution.sql] = Unmatched(line=line, verb=verb, table=table, column=column)

        with watching(after=end):
            yield

    def among(self, filled: Mapping[str, int]) -> Iterator[Unmatched]:
        """Yield those on tables that held rows before the revision, given by name; the first of each line."""
        lines = {line for (line, _), rows in self._written.items() if rows}
        for (line, _), each in self._unmatched.items():
            table = next((name for name, rows in filled.items() if rows and is_table(name, each.table)), "")
            if table and line not in lines:
                lines.add(line)
                yield replace(each, table=table, rows=filled[table])


def _impossible_null(session: Session, sql: str, table: str) -> str:
    """Return the column that the statement's whole condition demands to be NULL although it is NOT NULL; of a statement on one table only."""
    match = _CONDITION.search(sql)
    if match is None or _OTHERWISE.search(match["condition"]) or _JOINS.search(sql):
        return ""
    sought = _IS_NULL.findall(match["condition"])
    tables = ", ".join(f"to_regclass({literal(each)})" for each in {table, *_FROM.findall(sql)})
    required = query(session.connection, _NOT_NULL.format(tables=tables)) if sought else ()
    return next((name for quoted, name in required if quoted in sought or name in sought), "")
