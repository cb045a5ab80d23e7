"""L, and Q05: work that grows with rows while readers or writers are locked out.

Whether a statement blocks is measured: a lock that stops writers or readers of a table that existed before the revision is held while
rows of such a table are rewritten, indexed or read.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from slipway.gate.history import Node
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.rules import causes
from slipway.gate.rules.growth import with_growth
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Blocked, Finding, Growth, Level, Statement

LATER: Final = Rule(
    id="Q05",
    name="work under an earlier lock",
    level=Level.ERROR,
    effect="Rows are worked on while a lock of an earlier statement of the same transaction still keeps others out.",
    remedy="Put the two statements into revisions of their own.",
)

_NAMED = 2


def check(node: Node, statements: Sequence[Statement], growth: Sequence[Growth]) -> Iterator[Finding]:
    """Findings on the statements of one revision, as they were measured."""
    for statement in statements:
        if blocks(statement):
            yield _explain(node, statement, growth)


def blocks(statement: Statement) -> bool:
    """Others were locked out of a table while the statement did work that grows with rows."""
    return bool(statement.blocks and (statement.rewrites or statement.builds or statement.scans))


def _explain(node: Node, statement: Statement, growth: Sequence[Growth]) -> Finding:
    measured = with_growth(_measured(statement), statement, growth)
    for cause in causes.CAUSES:
        if match := cause.match(statement):
            return cause.rule.finding(node, measured, statement.line, cause.rule.remedy.format_map(_Filling(match)))
    if not any(_locks(statement, name, blocked) for name, blocked in statement.blocks.items()):
        return LATER.finding(node, measured, statement.line)
    return causes.UNEXPLAINED.finding(node, f"{measured}: {statement.sql[:200]}", statement.line)


class _Filling(dict[str, str]):
    """The names in a statement as arguments of a remedy's Python, and as `sql_…` the way the statement spells them."""

    def __init__(self, match: re.Match[str]) -> None:
        found = {key: value for key, value in match.groupdict().items() if value}
        spelled = {f"sql_{key}": value for key, value in found.items()}
        names = {key: value.replace('"', "") for key, value in found.items()}
        schema, _, names["table"] = names.get("table", "…").rpartition(".")
        columns = ", ".join(f'"{column.strip()}"' for column in names.get("columns", "").split(",") if column.strip())
        super().__init__(
            spelled | names,
            columns=columns,
            sql_unique=found.get("unique", ""),
            unique=", unique=True" if "unique" in names else "",
            schema=f', schema="{schema}"' if schema else "",
            source_schema=f', source_schema="{schema}"' if schema else "",
        )

    def __missing__(self, key: str) -> str:
        return "…"


def _measured(statement: Statement) -> str:
    own = {name: mode for name, blocked in statement.blocks.items() if (mode := _locks(statement, name, blocked))}
    earlier = [name for name in statement.blocks if name not in own]
    held = [
        *(f"{mode} on {name}, {_who(statement.blocks[name])}" for name, mode in own.items()),
        *(f"a lock taken earlier on {name}, {_who(statement.blocks[name])}" for name in earlier[:_NAMED]),
        *([f"locks taken earlier on {len(earlier) - _NAMED} more tables"] if len(earlier) > _NAMED else []),
    ]
    work = [
        f"{verb} {', '.join(tables)}"
        for verb, tables in (
            ("rewrites", statement.rewrites),
            ("indexes", statement.builds),
            ("reads all of", statement.scans),
        )
        if tables
    ]
    return f"holds {'; '.join(held)}, while it {' and '.join(work)}"


def _locks(statement: Statement, table: str, blocked: Blocked) -> str | None:
    """The lock by which this statement stops others, when no stronger one was held before it."""
    mode = statement.locks.get(table)
    return mode if mode in BLOCKING and blocked.read is (mode == "ACCESS EXCLUSIVE") else None


def _who(blocked: Blocked) -> str:
    return "which stops readers and writers" if blocked.read else "which stops writers"
