"""Rules L and Q05: work on rows while readers or writers are locked out.

A statement blocks others when rows of existing tables are rewritten, indexed or scanned while a lock is held that
excludes writers or readers. All of this is measured. Several rules may explain it; the first whose cause matches the
statement is reported.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from slipway.gate.findings.code import as_executed, as_strings, columns_of, in_quotes, in_text, names_of, quoted
from slipway.gate.history import Node
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.names import is_table
from slipway.gate.rulebook import locks as rules
from slipway.gate.rulebook.rule import Rule
from slipway.records.proof import UNSEEN, Blocked, Finding, Growth, Statement

_NAMED: Final = 2
_NO_CHANGE: Final = Change()
_TO_TYPE: Final = re.compile(r'\b(?:SET DATA )?TYPE (?P<type>(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)', re.IGNORECASE)
_NAMES: Final = frozenset({"name", "index", "column", "partition"})
_CHOSEN: Final = frozenset({"name", "index"})  # names that a statement may leave out
_ENDINGS: Final = {"FOREIGN KEY": "fkey", "CHECK": "check", "UNIQUE": "key", "PRIMARY KEY": "pkey", "": "idx"}
_NAMED_BY: Final = {  # names of definitions whose columns are not listed separately
    "FOREIGN KEY": re.compile(r"FOREIGN KEY\s*\(([^()]*)\)", re.IGNORECASE),
    "CHECK": re.compile(r"CHECK\s*\(\s*(\"[^\"]+\"|[a-z_]\w*)\s*[<>=!]+\s*(?:[\d.]+|'[^']*')\s*\)", re.IGNORECASE),
    # columns, the last of which may be a function's; columns in INCLUDE would follow
    "": re.compile(
        r"(?:USING \w+\s*)?\(\s*([\w\"]+(?:\s*,\s*[\w\"]+)*)\s*(?:\([^()]*\)\s*)?\)(?!\s*INCLUDE\b)", re.IGNORECASE
    ),
}


def check(
    node: Node,
    statements: Sequence[Statement],
    growth: Sequence[Growth],
    partitioned: Collection[str] = (),
    change: Change = _NO_CHANGE,
) -> Iterator[Finding]:
    """Yield a finding for each statement of a revision that blocks others.

    `partitioned` are the history's partitioned tables, `change` is what the revision did to the schema.
    """
    labels = tuple(_new_labels(change))
    lines: dict[str, int | None] = {}  # of the first strong lock on each table
    for statement in statements:
        if statement.sql == UNSEEN:
            yield rules.UNEXPLAINED.finding(node, _measured(statement, lines), statement.line)
        elif blocks(statement):
            measured = with_growth(_measured(statement, lines), statement, growth)
            finding = _explain(node, statement, measured, partitioned)
            adds = next((code for enum, code in labels if _is_of(enum, statement)), None)
            yield replace(finding, remedy=adds) if adds and finding.rule == rules.TYPE.id else finding
        for table in (table for table, mode in statement.locks.items() if mode in BLOCKING):
            lines.setdefault(table, statement.line)


def _new_labels(change: Change) -> Iterator[tuple[str, str]]:
    """Yield the enums that only got further labels, with the code that adds these."""
    before = {line.name: line for line in change.removed}
    for line in change.added:
        if line.labels and line.name in before and not {*before[line.name].labels} - {*line.labels}:
            new = [label for label in line.labels if label not in before[line.name].labels]
            added = [f"ALTER TYPE {line.name} ADD VALUE IF NOT EXISTS {label}" for label in new]
            lines = (f"    op.execute('''{in_text(sql)}''')" for sql in added)
            yield line.name, rules.NEW_LABELS.format(statements="\n".join(lines))


def _is_of(enum: str, statement: Statement) -> bool:
    """Return whether a statement changes a column to a type."""
    match = _TO_TYPE.search(statement.sql)
    return match is not None and is_table(enum, match["type"])


def blocks(statement: Statement) -> bool:
    """Return whether the statement worked through rows while other sessions were locked out of a table."""
    return bool(statement.blocks and (statement.rewrites or statement.builds or statement.scans))


def safe_index(sql: str) -> str | None:
    """Return the safe form of a statement that builds an index, with the statement's names; None for other statements."""
    plain = _CONCURRENTLY.sub("", sql)
    matches = ((cause, cause.pattern.search(plain)) for cause in CAUSES if cause.rule is rules.INDEX)
    return next((cause.remedy_for(match) for cause, match in matches if match), None)


def with_growth(measured: str, statement: Statement, growth: Sequence[Growth]) -> str:
    """Append how the statement's time grows with rows, if this was measured.

    No rule depends on it, because time depends on the machine.
    """
    return "; ".join([measured, *(each.words for each in growth if each.line == statement.line and each.per_million)])


def _explain(node: Node, statement: Statement, measured: str, partitioned: Collection[str]) -> Finding:
    for cause in CAUSES:
        if match := cause.match(statement, partitioned):
            return cause.rule.finding(node, measured, statement.line, cause.remedy_for(match))
    if not any(_own_lock(statement, table, blocked) for table, blocked in statement.blocks.items()):
        return rules.EARLIER_LOCK.finding(node, measured, statement.line)
    return rules.UNEXPLAINED.finding(node, f"{measured}: {statement.sql}", statement.line)


class _Gaps(dict[str, str]):
    """The names in a statement: as Python arguments, and with the prefix `sql_` in the statement's own spelling."""

    def __init__(self, found: Mapping[str, str | None]) -> None:
        groups = {key: value for key, value in found.items() if value}
        *schemas, table = names_of(groups.get("table", "…"))
        schema = schemas[-1] if schemas else ""
        columns = columns_of(groups.get("columns", ""))
        definition = groups.get("definition", "…")
        included = columns_of(groups.get("included", ""))
        groups |= _chosen_names(found, groups, table, [*columns, *included])
        options = f", postgresql_include=[{as_strings(included)}]" if included else ""
        options += ", postgresql_nulls_not_distinct=True" if "equal_nulls" in groups else ""
        super().__init__(
            {key: ".".join(names_of(value)) if key in _NAMES else value for key, value in groups.items()}
            | {f"sql_{key}": value for key, value in groups.items()},
            table=table,
            columns=as_strings(columns),
            options=options,
            deferrable=groups.get("deferrable", ""),
            definition=in_quotes(definition),
            f_definition=in_quotes(definition).replace("{", "{{").replace("}", "}}"),  # the text is part of an f-string
            sequence=".".join(map(quoted, (*schemas, f"{table}_{''.join(names_of(groups.get('column', '…')))}_seq"))),
            sql_unique=groups.get("unique", ""),
            unique=", unique=True" if "unique" in groups else "",
            schema=f', schema="{schema}"' if schema else "",
            source_schema=f', source_schema="{schema}"' if schema else "",
        )

    def __missing__(self, key: str) -> str:
        return "…"


def _chosen_names(
    found: Mapping[str, str | None], groups: Mapping[str, str], table: str, columns: Sequence[str]
) -> dict[str, str]:
    """Return the name that Postgres chooses for a constraint or index without a name.

    Leave it out when columns of an expression decide it.
    """
    if not found.keys() & {"columns", "definition"}:
        return {}
    definition = groups.get("definition", "")
    kind = next(kind for kind in _ENDINGS if definition.upper().startswith(kind))
    if kind in _NAMED_BY:
        key = _NAMED_BY[kind].match(definition)
        columns = columns or columns_of(key[1] if key else "")
        if not columns:
            return {}
    name = "_".join((table, *(columns if kind != "PRIMARY KEY" else ()), _ENDINGS[kind]))
    return dict.fromkeys(_CHOSEN & found.keys() - groups.keys(), quoted(name))


def _measured(statement: Statement, lines: Mapping[str, int | None]) -> str:
    own = {table: mode for table, blocked in statement.blocks.items() if (mode := _own_lock(statement, table, blocked))}
    earlier = [table for table in statement.blocks if table not in own]
    held = [
        *(f"{mode} on {table}, {_excluded(statement.blocks[table])}" for table, mode in own.items()),
        *(
            f"an earlier lock on {table}{_of_line(lines.get(table))}, {_excluded(statement.blocks[table])}"
            for table in earlier[:_NAMED]
        ),
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
    while_it = f", while it {' and '.join(work)}" if work else ""
    return f"holds {'; '.join(held) or 'no strong lock'}{while_it}"


def _of_line(line: int | None) -> str:
    return f" of line {line}" if line else ""


def _own_lock(statement: Statement, table: str, blocked: Blocked) -> str | None:
    """Return the lock by which this statement itself blocks others; None when the transaction held a stronger lock before."""
    mode = statement.locks.get(table)
    return mode if mode in BLOCKING and blocked.read is (mode == "ACCESS EXCLUSIVE") else None


def _excluded(blocked: Blocked) -> str:
    return "which blocks reads and writes" if blocked.read else "which blocks writes"


Condition = Callable[[Statement, bool], bool]  # a function of the statement and of whether its table is partitioned


@dataclass(frozen=True)
class Cause:
    """A rule and the statements that it explains. Groups of the pattern fill the gaps in the remedy."""

    rule: Rule
    pattern: re.Pattern[str]
    when: Condition | None  # a further condition besides the pattern
    remedy: str

    def match(self, statement: Statement, partitioned: Collection[str]) -> re.Match[str] | None:
        match = self.pattern.search(statement.sql)
        if match is None or self.when is None:
            return match
        name = match["table"]
        return match if self.when(statement, any(is_table(table, name) for table in partitioned)) else None

    def remedy_for(self, match: re.Match[str]) -> str:
        """Return the remedy with the statement's names.

        For a block of code, whose names cannot be separated from its text, leave them out.
        """
        if _NESTED.match(match.string):
            return self.rule.remedy.format_map(_Gaps({}))
        groups = match.groupdict()
        return as_executed(self.remedy.format_map(_Gaps(groups)), groups.get("definition") or "")


def _rewrites(statement: Statement, _is_partitioned: bool) -> bool:  # noqa: FBT001 -- a condition
    return bool(statement.rewrites)


def _keeps_its_file(statement: Statement, _is_partitioned: bool) -> bool:  # noqa: FBT001 -- a condition
    return not statement.rewrites


def _is_partitioned(_statement: Statement, is_partitioned: bool) -> bool:  # noqa: FBT001 -- a condition
    return is_partitioned


def _cause(rule: Rule, pattern: str, when: Condition | None = None, remedy: str = "") -> Cause:
    return Cause(rule, re.compile(pattern, re.IGNORECASE), when, remedy or rule.remedy)


# Matches up to a subcommand, which may follow others.
_ALTER = r'ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?P<table>[\w."]+) (?:[^;]*?,\s*)??'
_ADD_COLUMN = (
    _ALTER
    + r'ADD (?:COLUMN )?(?:IF NOT EXISTS )?(?!(?:CONSTRAINT|UNIQUE|PRIMARY|CHECK|FOREIGN|EXCLUDE)\b)(?P<column>[\w"]+) '
)
_NAMED_CONSTRAINT = _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?'
_UNIQUE = (
    _NAMED_CONSTRAINT
    + r"(?P<definition>UNIQUE)(?P<equal_nulls> NULLS NOT DISTINCT)? ?\((?P<columns>[^()]+)\)(?: INCLUDE ?\((?P<included>[^()]+)\))?"
    + r"(?P<deferrable>(?: NOT)? DEFERRABLE(?: INITIALLY \w+)?)?"
)
_PRIMARY_KEY = (
    _ALTER + r'.*ADD (?:CONSTRAINT (?P<name>[\w"]+) )?(?P<definition>PRIMARY KEY)(?: ?\((?P<columns>[^()]+)\))?'
)
_ALONE = r"(?!.*,\s*(?:ADD|ALTER|DROP|VALIDATE)\b)"  # there is no other subcommand
_FOREIGN_KEY = _NAMED_CONSTRAINT + _ALONE + r"(?P<definition>FOREIGN KEY.*?);?\s*\Z"
_IDENTIFIER = r'(?:\w+|"[^",]+")'
_COLUMNS = rf"\((?P<columns>\s*{_IDENTIFIER}(?:\s*,\s*{_IDENTIFIER})*\s*)\)"
_INDEX = r'CREATE (?P<unique>UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:(?P<index>(?!ON\b)[\w."]+) )?ON (?:ONLY )?(?P<table>[\w."]+)\s*'

_TYPE = r'(?P<type>[\w."]+(?: (?:VARYING|PRECISION|WITH(?:OUT)? TIME ZONE))?(?:\([^()]*\))?(?:\[\])*)'
_DEFAULT = (
    r"\s+DEFAULT\s+(?P<definition>(?:(?!\s(?:NOT NULL|CHECK|UNIQUE|REFERENCES|PRIMARY|GENERATED)\b|,\s*ADD\b|;).)+?)"
)

_NESTED = re.compile(r"\s*DO\b", re.IGNORECASE)
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\s+", re.IGNORECASE)

CAUSES: Final = (
    _cause(rules.PARTITIONED_INDEX, _INDEX + r"(?P<definition>.*?);?\s*\Z", _is_partitioned),
    _cause(rules.INDEX, _INDEX + _COLUMNS + r"\s*;?\s*\Z"),
    _cause(rules.INDEX, _INDEX + r"(?P<definition>.*?);?\s*\Z", remedy=rules.INDEX_OF_ANY_KIND),
    _cause(rules.REINDEX, r'REINDEX (?:\([^)]*\) )?(?P<what>INDEX|TABLE|SCHEMA|DATABASE) (?P<name>[\w."]+)'),
    _cause(rules.UNIQUE, _UNIQUE, _is_partitioned, rules.UNIQUE_OF_PARTITIONED),
    _cause(rules.UNIQUE, _UNIQUE),
    _cause(rules.NOT_NULL, _ALTER + r'ADD (?:CONSTRAINT [\w"]+ )?PRIMARY KEY USING INDEX\b'),
    _cause(rules.PRIMARY_KEY, _PRIMARY_KEY, _is_partitioned, rules.PRIMARY_KEY_OF_PARTITIONED),
    _cause(rules.PRIMARY_KEY, _PRIMARY_KEY),
    _cause(rules.EXCLUSION, _ALTER + r'ADD (?:CONSTRAINT [\w"]+ )?EXCLUDE\b'),
    _cause(rules.FOREIGN_KEY, _FOREIGN_KEY, _is_partitioned, rules.FOREIGN_KEY_OF_PARTITIONED),
    _cause(rules.FOREIGN_KEY, _FOREIGN_KEY, remedy=rules.CONSTRAINT_AS_WRITTEN),
    _cause(rules.FOREIGN_KEY, _NAMED_CONSTRAINT + r"FOREIGN KEY"),
    _cause(
        rules.CHECK,
        _NAMED_CONSTRAINT + _ALONE + r"(?P<definition>CHECK\b.*?);?\s*\Z",
        remedy=rules.CONSTRAINT_AS_WRITTEN,
    ),
    _cause(rules.CHECK, _ALTER + r'ADD (?:CONSTRAINT (?P<name>[\w"]+) )?CHECK'),
    _cause(rules.VALIDATE, _ALTER + r'VALIDATE CONSTRAINT (?P<name>[\w"]+)'),
    _cause(rules.NOT_NULL, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) SET NOT NULL'),
    _cause(rules.TYPE, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) (?:SET DATA )?TYPE', _rewrites),
    _cause(rules.TYPE_INDEXES, _ALTER + r'ALTER (?:COLUMN )?(?P<column>[\w"]+) (?:SET DATA )?TYPE', _keeps_its_file),
    _cause(rules.VOLATILE, _ADD_COLUMN + _TYPE + _DEFAULT + r"\s*;?\Z", _rewrites, rules.VOLATILE_AS_WRITTEN),
    _cause(
        rules.VOLATILE, _ADD_COLUMN + _TYPE + _DEFAULT + r"\s+NOT NULL\s*;?\Z", _rewrites, rules.VOLATILE_AND_REQUIRED
    ),
    _cause(
        rules.VOLATILE,
        _ADD_COLUMN + _TYPE + r"\s+NOT NULL" + _DEFAULT + r"\s*;?\Z",
        _rewrites,
        rules.VOLATILE_AND_REQUIRED,
    ),
    # L15 covers GENERATED BY DEFAULT AS IDENTITY.
    _cause(rules.VOLATILE, _ADD_COLUMN + r".*(?<!\bBY )\bDEFAULT\b", _rewrites),
    _cause(rules.IDENTITY, _ADD_COLUMN + r".*\b(SERIAL|BIGSERIAL|GENERATED .* AS IDENTITY)\b", _rewrites),
    _cause(rules.GENERATED, _ADD_COLUMN + r".*\bGENERATED ALWAYS AS\b", _rewrites),
    _cause(rules.UNIQUE, _ADD_COLUMN + r".*\bUNIQUE\b", _keeps_its_file),
    _cause(
        rules.INLINE_CHECK,
        _ADD_COLUMN
        + r"(?P<type>(?:(?!\bCHECK\b|,\s*ADD\b|\bCONSTRAINT\b).)+?)\s+(?P<definition>CHECK\s*\((?:(?!,\s*ADD\b).)+\))\s*;?\Z",
        _keeps_its_file,
        rules.CHECK_AS_WRITTEN,
    ),
    _cause(rules.INLINE_CHECK, _ADD_COLUMN + r".*\bCHECK\b", _keeps_its_file),
    _cause(rules.DOMAIN, _ADD_COLUMN, _rewrites),
    _cause(rules.DOMAIN, r"ALTER DOMAIN\b"),
    _cause(rules.LOGGED, _ALTER + r"SET (UN)?LOGGED\b"),
    _cause(rules.COMPACTED, r"\A\s*(VACUUM\b.*\bFULL\b|CLUSTER\b)"),
    _cause(rules.REFRESHED, r'REFRESH MATERIALIZED VIEW (?P<table>[\w."]+)'),
    _cause(rules.ATTACHED, _ALTER + r'ATTACH PARTITION (?P<partition>[\w."]+)'),
    _cause(
        rules.ATTACHED,
        r'CREATE TABLE (?:IF NOT EXISTS )?(?P<partition>[\w."]+) PARTITION OF (?P<table>[\w."]+)',
        remedy=rules.PARTITION_BESIDE_DEFAULT,
    ),
    _cause(rules.TRUNCATED, r"\A\s*TRUNCATE\b"),
)
