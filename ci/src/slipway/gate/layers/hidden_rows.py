"""Rows that row-level security hides from the statements of a revision."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from slipway.gate.history import Node
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import as_superuser, query, rows_written, taken_back, written_by_transaction
from slipway.gate.measure.statements import Execution, watching
from slipway.gate.names import parts

_FINDS_ROWS = re.compile(r"\s*(DO|WITH|SELECT\b.*\bFROM|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE | re.DOTALL)
_HIDING = """
SELECT concat(quote_ident(n.nspname), '.', quote_ident(c.relname)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relrowsecurity AND row_security_active(c.oid)"""


@dataclass(frozen=True)
class HiddenRows:
    """The statement on a line that did not see all rows of a table with row-level security."""

    line: int
    table: str
    rows: int
    all: int

    def __str__(self) -> str:
        return f"it finds {self.rows} of the {self.all} rows that match, because row-level security of {self.table} is in force for its role"


@contextmanager
def recording_hidden_rows(node: Node, hidden: list[HiddenRows]) -> Iterator[None]:
    """Record the statements of a revision from which rows are hidden: the superuser, who executes each before, finds more."""

    def compare(execution: Execution) -> None:
        line, connection = line_in(node.script.path), execution.session.connection
        if line is None or execution.many or not _FINDS_ROWS.match(execution.sql):
            return
        named = [table for table in tables_with_hidden_rows(connection) if parts(table)[-1] in execution.sql]
        if named and (rows := _rows_found(execution, nullcontext())) < (
            more := _rows_found(execution, as_superuser(connection))
        ):
            found = HiddenRows(line, named[0], rows, more)
            hidden.extend([] if line in {each.line for each in hidden} else [found])

    with watching(before=compare):
        yield


def tables_with_hidden_rows(connection: Any) -> list[str]:
    """Return the tables whose row-level security is in force for the current role."""
    return [name for (name,) in query(connection, _HIDING)]


def _rows_found(execution: Execution, role: AbstractContextManager[None]) -> int:
    """Execute a statement in a role and take it back; return the number of its rows, or 0 when it fails, as the revision will."""
    session = execution.session
    with taken_back(session.connection, alone=session.is_alone), suppress(session.error), role:
        before = written_by_transaction(session.connection)
        rows = rows_written(session.connection, execution.sql, execution.parameters)
        return (
            rows if rows >= 0 else written_by_transaction(session.connection) - before
        )  # a block of PL/pgSQL returns none
    return 0
