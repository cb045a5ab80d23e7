"""L: work that grows with rows while readers or writers are locked out.

Whether a statement blocks is measured: a lock that stops writers or readers of a table that existed before the revision is held while
rows of such a table are rewritten, indexed or read. The causes below only explain what was measured, and say the safe form.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from slipway.gate.history import Node
from slipway.gate.locks import BLOCKING
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Blocked, Finding, Level, Statement


@dataclass(frozen=True)
class Cause:
    """A rule and the statements it explains; groups of the pattern fill the remedy."""

    rule: Rule
    pattern: re.Pattern[str]
    rewrites: bool | None = None

    def match(self, statement: Statement) -> re.Match[str] | None:
        if self.rewrites is not None and bool(statement.rewrites) is not self.rewrites:
            return None
        return self.pattern.search(statement.sql)


def _cause(rule_id: str, pattern: str, effect: str, remedy: str, *, rewrites: bool | None = None) -> Cause:
    return Cause(Rule(rule_id, Level.ERROR, effect, remedy), re.compile(pattern, re.IGNORECASE), rewrites)


_ALTER = r'ALTER TABLE (?:ONLY )?(?P<table>[\w."]+) '

CAUSES: Final = (
    _cause(
        "L01",
        r'CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?P<index>[\w."]+) ON (?:ONLY )?(?P<table>[\w."]+)[^(]*\((?P<columns>[^()]+)\)',
        "Building an index stops every write to the table until the last row is indexed.",
        """\
with op.get_context().autocommit_block():
    op.drop_index("{index}", "{table}", postgresql_concurrently=True, if_exists=True{schema})  # what an interrupted attempt left
    op.create_index("{index}", "{table}", [{columns}]{unique}, postgresql_concurrently=True{schema})""",
    ),
    _cause(
        "L01",
        r"CREATE (UNIQUE )?INDEX",
        "Building an index stops every write to the table until the last row is indexed.",
        "CREATE INDEX CONCURRENTLY … in op.get_context().autocommit_block()",
    ),
    _cause(
        "L04",
        _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?UNIQUE \((?P<columns>[^()]+)\)',
        "Adding a unique constraint builds its index while nobody can read or write the table.",
        """\
with op.get_context().autocommit_block():
    op.create_index("{name}", "{table}", [{columns}], unique=True, postgresql_concurrently=True{schema})
op.execute('ALTER TABLE {sql_table} ADD CONSTRAINT {sql_name} UNIQUE USING INDEX {sql_name}')""",
    ),
    _cause(
        "L05",
        _ALTER + r"ADD (?:CONSTRAINT [\w\"]+ )?PRIMARY KEY",
        "Adding a primary key builds its index while nobody can read or write the table.",
        "Create a unique index concurrently on columns that are NOT NULL already, then ALTER TABLE … ADD PRIMARY KEY USING INDEX …",
    ),
    _cause(
        "L08",
        _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?FOREIGN KEY',
        "Adding a valid foreign key reads both tables while nobody can write to either.",
        """\
op.create_foreign_key("{name}", "{table}", …, postgresql_not_valid=True{source_schema})
# in the next revision, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
    ),
    _cause(
        "L07",
        _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?CHECK',
        "Adding a valid check reads the whole table while nobody can read or write it.",
        """\
op.create_check_constraint("{name}", "{table}", …, postgresql_not_valid=True{schema})
# in the next revision, where only SHARE UPDATE EXCLUSIVE is held:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT {sql_name}')""",
    ),
    _cause(
        "L10",
        _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) SET NOT NULL',
        "SET NOT NULL reads the whole table while nobody can read or write it.",
        """\
op.create_check_constraint("{column}_not_null", "{table}", '{sql_column} IS NOT NULL', postgresql_not_valid=True{schema})
# in the next revision; SET NOT NULL then trusts the valid check and reads nothing:
op.execute('ALTER TABLE {sql_table} VALIDATE CONSTRAINT "{column}_not_null"')
# in the one after it:
op.alter_column("{table}", "{column}", nullable=False{schema})
op.drop_constraint("{column}_not_null", "{table}"{schema})""",
    ),
    _cause(
        "L11",
        _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) (?:SET DATA )?TYPE',
        "Changing the type rewrites the table while nobody can read or write it.",
        "Add a column of the new type, write both, copy in batches, and drop the old column in a later release.",
        rewrites=True,
    ),
    _cause(
        "L14",
        # BY DEFAULT AS IDENTITY is another matter.
        _ALTER + r'ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?P<column>[\w"]+) .*(?<!\bBY )\bDEFAULT\b',
        "A default that differs from row to row rewrites the table while nobody can read or write it.",
        """\
op.add_column("{table}", sa.Column("{column}", …){schema})  # without the default
op.alter_column("{table}", "{column}", server_default=…{schema})  # for new rows
# in the next revision: fill old rows in batches, each its own transaction""",
        rewrites=True,
    ),
    _cause(
        "L15",
        _ALTER + r"ADD (?:COLUMN )?.*\b(SERIAL|BIGSERIAL|GENERATED .* AS IDENTITY)\b",
        "A serial or identity column rewrites the table while nobody can read or write it.",
        "Add the column plain, fill it in batches, and make it an identity afterwards.",
        rewrites=True,
    ),
    _cause(
        "L16",
        _ALTER + r"ADD (?:COLUMN )?.*\bGENERATED ALWAYS AS\b",
        "A stored generated column rewrites the table while nobody can read or write it.",
        "Add a plain column with a trigger, or fill it in batches; on PostgreSQL 18 a VIRTUAL column costs nothing.",
        rewrites=True,
    ),
)
UNEXPLAINED: Final = Cause(
    Rule(
        "L26",
        Level.ERROR,
        "The statement works on rows while others are locked out of a table.",
        "Split it so that nothing that grows with rows runs under this lock.",
    ),
    re.compile(""),
)
_LATER: Final = Rule(
    "Q05",
    Level.ERROR,
    "Rows are worked on while a lock of an earlier statement of the same transaction still keeps others out.",
    "Put the two statements into revisions of their own.",
)


def check(node: Node, statements: tuple[Statement, ...]) -> Iterator[Finding]:
    """Findings on the statements of one revision, as they were measured."""
    for statement in statements:
        if blocks(statement):
            yield _explain(node, statement)


def blocks(statement: Statement) -> bool:
    """Others were locked out of a table while the statement did work that grows with rows."""
    return bool(statement.blocks and (statement.rewrites or statement.builds or statement.scans))


def _explain(node: Node, statement: Statement) -> Finding:
    measured = _measured(statement)
    for cause in CAUSES:
        if match := cause.match(statement):
            return cause.rule.finding(node, measured, statement.line, cause.rule.remedy.format_map(_Filling(match)))
    if not any(_locks(statement, name, blocked) for name, blocked in statement.blocks.items()):
        return _LATER.finding(node, measured, statement.line)
    return UNEXPLAINED.rule.finding(node, f"{measured}: {statement.sql[:200]}", statement.line)


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
            unique=", unique=True" if "unique" in names else "",
            schema=f', schema="{schema}"' if schema else "",
            source_schema=f', source_schema="{schema}"' if schema else "",
        )

    def __missing__(self, key: str) -> str:
        return "…"


def _measured(statement: Statement) -> str:
    held = [
        f"{_locks(statement, name, blocked) or 'a lock taken earlier'} on {name}, {_who(blocked)}"
        for name, blocked in statement.blocks.items()
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
