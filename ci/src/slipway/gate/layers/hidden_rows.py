"""Rows that row-level security hides from a revision's statements."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from slipway.gate.history import Node
from slipway.gate.measure.place import line_in
from slipway.gate.measure.session import (
    as_superuser,
    rows_written,
    tables_with_hidden_rows,
    taken_back,
    without_forced_security,
    written_by_transaction,
)
from slipway.gate.measure.statements import Execution, watching
from slipway.gate.names import parts

_FINDS_ROWS = re.compile(r"\s*(DO|WITH|SELECT\b.*\bFROM|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class HiddenRows:
    """A statement, on a line, that did not see all rows of a table with row-level security."""

    line: int
    table: str
    rows: int
    all: int

    def __str__(self) -> str:
        return f"it finds {self.rows} of the {self.all} rows that match, because row-level security of {self.table} is in force for its role"


@contextmanager
def recording_hidden_rows(node: Node, hidden: list[HiddenRows]) -> Iterator[None]:
    """Record the statements of a revision that would find more rows without row-level security.

    Each is first executed without it.
    """

    def compare(execution: Execution) -> None:
        line, connection = line_in(node.script.path), execution.session.connection
        if line is None or execution.many or not _FINDS_ROWS.match(execution.sql):
            return
        named = [table for table in tables_with_hidden_rows(connection) if parts(table)[-1] in execution.sql]
        if named and (rows := _rows_found(execution, nullcontext())) < (
            more := _rows_found(execution, _seeing_all_rows(connection))
        ):
            found = HiddenRows(line, named[0], rows, more)
            hidden.extend([] if line in {each.line for each in hidden} else [found])

    with watching(before=compare):
        yield


@contextmanager
def _seeing_all_rows(connection: Any) -> Iterator[None]:
    with as_superuser(connection), without_forced_security(connection):
        yield


def _rows_found(execution: Execution, role: AbstractContextManager[None]) -> int:
    """Execute a statement in a role and roll it back.

    Return the number of its rows; 0 when it fails, as it will fail in the revision.
    """
    session = execution.session
    with taken_back(session.connection, alone=session.is_alone), suppress(session.error), role:
        before = written_by_transaction(session.connection)
        rows = rows_written(session.connection, execution.sql, execution.parameters)
        # A PL/pgSQL block returns no number.
        return rows if rows >= 0 else written_by_transaction(session.connection) - before
    return 0
