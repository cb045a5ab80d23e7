"""L and Q05: work on rows while readers or writers are locked out.

A statement blocks when a lock that excludes writers or readers of an existing table is held while rows of such a table are
rewritten, indexed or scanned. All of this is measured.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from slipway.gate.history import Node
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.rulebook.locks import EARLIER_LOCK, UNEXPLAINED
from slipway.gate.rules.causes import CAUSES
from slipway.records.proof import Blocked, Finding, Growth, Statement

_NAMED: Final = 2


def check(node: Node, statements: Sequence[Statement], growth: Sequence[Growth]) -> Iterator[Finding]:
    """Yield a finding for each statement of a revision that blocks."""
    for statement in statements:
        if blocks(statement):
            yield _explain(node, statement, growth)


def blocks(statement: Statement) -> bool:
    """Return whether the statement worked through rows while other sessions were locked out of a table."""
    return bool(statement.blocks and (statement.rewrites or statement.builds or statement.scans))


def with_growth(measured: str, statement: Statement, growth: Sequence[Growth]) -> str:
    """Append how the statement's time grows with rows, where it was measured; no rule rests on it: time depends on the machine."""
    return "; ".join([measured, *(each.words for each in growth if each.line == statement.line)])


def _explain(node: Node, statement: Statement, growth: Sequence[Growth]) -> Finding:
    measured = with_growth(_measured(statement), statement, growth)
    for cause in CAUSES:
        if match := cause.match(statement):
            return cause.rule.finding(node, measured, statement.line, cause.rule.remedy.format_map(_Gaps(match)))
    if not any(_own_lock(statement, table, blocked) for table, blocked in statement.blocks.items()):
        return EARLIER_LOCK.finding(node, measured, statement.line)
    return UNEXPLAINED.finding(node, f"{measured}: {statement.sql[:200]}", statement.line)


class _Gaps(dict[str, str]):
    """The names in a statement as Python arguments and, as `sql_…`, in the statement's own spelling."""

    def __init__(self, match: re.Match[str]) -> None:
        groups = {key: value for key, value in match.groupdict().items() if value}
        spelled = {f"sql_{key}": value for key, value in groups.items()}
        names = {key: value.replace('"', "") for key, value in groups.items()}
        schema, _, names["table"] = names.get("table", "…").rpartition(".")
        columns = ", ".join(f'"{column.strip()}"' for column in names.get("columns", "").split(",") if column.strip())
        super().__init__(
            spelled | names,
            columns=columns,
            sql_unique=groups.get("unique", ""),
            unique=", unique=True" if "unique" in names else "",
            schema=f', schema="{schema}"' if schema else "",
            source_schema=f', source_schema="{schema}"' if schema else "",
        )

    def __missing__(self, key: str) -> str:
        return "…"


def _measured(statement: Statement) -> str:
    own = {table: mode for table, blocked in statement.blocks.items() if (mode := _own_lock(statement, table, blocked))}
    earlier = [table for table in statement.blocks if table not in own]
    held = [
        *(f"{mode} on {table}, {_excluded(statement.blocks[table])}" for table, mode in own.items()),
        *(f"an earlier lock on {table}, {_excluded(statement.blocks[table])}" for table in earlier[:_NAMED]),
        *([f"earlier locks on {len(earlier) - _NAMED} more tables"] if len(earlier) > _NAMED else []),
    ]
    work = [
        f"{verb} {', '.join(tables)}"
        for verb, tables in (
            ("rewrites", statement.rewrites),
            ("indexes", statement.builds),
            ("scans", statement.scans),
        )
        if tables
    ]
    return f"holds {'; '.join(held)}, while it {' and '.join(work)}"


def _own_lock(statement: Statement, table: str, blocked: Blocked) -> str | None:
    """Return the lock by which this statement blocks others; None when a stronger one was held before."""
    mode = statement.locks.get(table)
    return mode if mode in BLOCKING and blocked.read is (mode == "ACCESS EXCLUSIVE") else None


def _excluded(blocked: Blocked) -> str:
    return "which blocks reads and writes" if blocked.read else "which blocks writes"
