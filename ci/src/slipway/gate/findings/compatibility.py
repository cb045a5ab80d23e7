"""Rules C: whether the previous release works on the new schema.

Postgres' error and the revision's statements show the cause.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from slipway.gate.history import Node
from slipway.gate.layers.effects_of_writes import REPLACED, WITHOUT_EFFECT
from slipway.gate.layers.queries import ADDED, HELD, LEFT_NULL, NOT_NULL, Refused
from slipway.gate.layers.read_types import READ
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.names import is_table, line_of, parts, quoted_parts
from slipway.gate.rulebook import compatibility as rules
from slipway.gate.rulebook.rule import Rule
from slipway.records.gate import Model, Previous
from slipway.records.proof import Finding, Level, Statement


@dataclass(frozen=True)
class _Cause:
    """A rule, with the error codes, the error texts and the statements of the revision that it explains."""

    rule: Rule
    codes: tuple[str, ...]
    error: str = ""  # a pattern for the error's text
    did: str = ""  # a pattern for the revision's statements

    def explains(self, refused: Refused, done: str) -> bool:
        named = re.search(r'column "([^"]+)"', refused.message)
        did = self.did.replace("COLUMN_NAMED", re.escape(named[1]) if named else "")
        return (
            refused.code in self.codes
            and re.search(self.error, refused.message, re.IGNORECASE) is not None
            and re.search(did, done, re.IGNORECASE) is not None
        )


_CONSTRAINTS: Final = ("23503", "23505", "23514", "23P01")
_NAMED_CONSTRAINT: Final = re.compile(r'constraint "([^"]+)"')
_WRITES: Final = re.compile(r"\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|DELETE FROM|MERGE|COPY)\b", re.IGNORECASE)
_REQUIRES: Final = re.compile(r"\bSET NOT NULL\b", re.IGNORECASE)
_COLUMN_RENAMED: Final = re.compile(
    r'(?P<table>[\w."]+) RENAME (?:COLUMN )?(?P<old>\w+|"[^"]+") TO (?P<new>\w+|"[^"]+")', re.IGNORECASE
)
_TABLE_RENAMED: Final = re.compile(
    r'(?P<table>(?:(?P<schema>[\w"]+)\.)?(?P<old>\w+|"[^"]+")) (?P<action>(?:RENAME TO|SET SCHEMA) (?P<new>\w+|"[^"]+"))',
    re.IGNORECASE,
)
# a pattern with a gap for a column
_DROPS_DEFAULT: Final = r'\b{}"? (?:DROP DEFAULT|SET DEFAULT NULL)\b'
# The first match is reported. Codes are in https://www.postgresql.org/docs/current/errcodes-appendix.html
_CAUSES: Final = (
    _Cause(rules.COLUMN_RENAMED, ("42703",), did=r"\bRENAME (COLUMN )?\S+ TO\b"),
    _Cause(rules.VIEW, ("42703", "42P01"), did=r"\b(CREATE OR REPLACE|CREATE|DROP) VIEW\b"),
    _Cause(rules.COLUMN_DROPPED, ("42703",)),
    _Cause(rules.TABLE_RENAMED, ("42P01",), did=r"\b(RENAME TO|SET SCHEMA)\b"),
    _Cause(rules.TABLE_DROPPED, ("42P01",)),
    _Cause(rules.NEW_NOT_NULL, (NOT_NULL,), did=r'\bADD (COLUMN )?(IF NOT EXISTS )?"?COLUMN_NAMED\b'),
    _Cause(rules.NOT_NULL, (NOT_NULL,), did=r"\bSET NOT NULL\b"),
    _Cause(rules.DEFAULT_DROPPED, (NOT_NULL,), did=r"\b(?:DROP DEFAULT|DROP (?:SEQUENCE|FUNCTION)\b.*\bCASCADE)\b"),
    _Cause(rules.NOT_NULL, (NOT_NULL,)),
    _Cause(rules.NO_EQUALITY, ("42883",), error="equality operator|ordering operator"),
    _Cause(rules.VIEW, ("42883",), error="^.*function .* does not exist"),
    _Cause(rules.ENUM, ("22P02",), error="enum"),
    _Cause(rules.ENUM, (HELD,)),
    _Cause(rules.NEW_LABEL, (ADDED,)),
    _Cause(rules.LEFT_NULL, (LEFT_NULL,), did=_DROPS_DEFAULT.format("COLUMN_NAMED")),
    _Cause(rules.COPIED_ONCE, (LEFT_NULL,)),
    _Cause(rules.STALE, ("0A000",), error="cached plan"),
    _Cause(rules.TYPE, ("22P02", "22001", "22003", "22007", "42804", "42883")),
    _Cause(rules.NOT_NULL, ("23514",), did=r'CHECK ?\(+"?\w+"? IS NOT NULL\)'),
    _Cause(rules.CONSTRAINT, _CONSTRAINTS),
    _Cause(rules.GENERATED, ("428C9",)),
    _Cause(rules.NOT_ALLOWED, ("42501",)),
    _Cause(rules.TRIGGER, ("P0001",)),
    _Cause(rules.WITHOUT_EFFECT, (WITHOUT_EFFECT,)),
    _Cause(rules.REPLACED, (REPLACED,)),
    _Cause(rules.READ_OTHERWISE, (READ,)),
)
# A default by the beginning of the type's name. A person must fill in '…'.
_VALUES: Final = (
    (r".*\[\]|jsonb?\b", "'{}'"),
    (r"(character|text|citext|bytea)", "''"),
    (r"(smallint|integer|bigint|numeric|real|double|money|interval)", "'0'"),
    (r"boolean", "false"),
    (r"(timestamp|date|time)\b", "now()"),
)
_HAS_VALUE: Final = re.compile(r"\b(?:not null|default|generated|identity)\b")
_NOT_TYPE: Final = re.compile(r" (?:not null|default|generated|identity|collate)\b.*", re.DOTALL)
_ALWAYS_USED: Final = (  # every release uses these statements
    rules.COLUMN_RENAMED,
    rules.TABLE_RENAMED,
    rules.NEW_NOT_NULL,
    rules.ENUM,
    rules.COPIED_ONCE,
)


# an UPDATE whose only assignment is a constant
_FILLED: Final = re.compile(
    r"\bUPDATE\s+(?:ONLY\s+)?(?P<table>[\w.\"]+)\s+SET\s+(?P<column>\"?\w+\"?)\s*=\s*"
    r"(?P<value>'(?:[^']|'')*'|-?\d+(?:\.\d+)?|true|false)(?=\s*(?:;|\Z|\n|WHERE\b))",
    re.IGNORECASE,
)


def check_start(nodes: Sequence[Node], previous: Previous) -> Iterator[Finding]:
    """Yield a finding when the previous release migrates at start and does not know the first new revision."""
    unknown = [node for node in nodes if node.new and node.id not in previous.revisions]
    if previous.start and previous.revisions and unknown:
        measured = f"{previous.name} runs `{previous.start}` when it starts, and does not know {unknown[0].id}"
        yield rules.UNKNOWN.finding(unknown[0], measured)


def check(node: Node, refused: Sequence[Refused], statements: Sequence[Statement], change: Change) -> Iterator[Finding]:
    """Yield a finding for each cause and table, with the first statement that failed.

    `change` is the revision's change of the schema.
    """
    added = change.added
    if any(_WRITES.match(statement.sql) for statement in statements) and all(line.kind != "trigger" for line in added):
        refused = [each for each in refused if not _is_by_rows(each, added)]
    if not change:  # then the revision's rows are the cause, which the rules D report
        refused = [each for each in refused if each.code not in (WITHOUT_EFFECT, REPLACED)]
    done = " ; ".join(statement.sql for statement in statements)
    by_cause: dict[tuple[Rule, str], list[Refused]] = {}
    for each in refused:
        rule = _rule(each, done)
        if rule is rules.LEFT_NULL:  # `check_defaults` reports this
            continue
        subject = "" if rule in (rules.ENUM, rules.STALE) else _subject(each)
        by_cause.setdefault((rule, subject), []).append(each)
    causes = {rule for rule, _ in by_cause}
    # With its removal a label was renamed; one advice on a type is enough.
    explained = {rules.NEW_LABEL: rules.ENUM, rules.READ_OTHERWISE: rules.TYPE}
    for (rule, _), failures in by_cause.items():
        if explained.get(rule) not in causes:
            first = failures[0]
            copies = rule is rules.COPIED_ONCE
            causing = [each for each in statements if (_WRITES.match(each.sql) is not None) is copies]
            if rule is rules.NOT_NULL:
                causing = [each for each in causing if _REQUIRES.search(each.sql)] or causing
            measured, line = (
                _measured(first, len(failures) - 1),
                line_of(_names(first), causing) or _line(first, statements),
            )
            finding = rule.finding(node, measured, line, _remedy(rule, first, done, change))
            yield (
                _if_used(finding, first.query.only_if) if first.query.only_if and rule not in _ALWAYS_USED else finding
            )


def _remedy(rule: Rule, refused: Refused, done: str, change: Change) -> str | None:
    """Return the remedy with the names of the objects concerned; None when the rule's remedy has no names."""
    if rule is rules.NEW_NOT_NULL:
        return _with_default(refused, done, change.added)
    if rule is rules.COLUMN_RENAMED:
        return _beside_column(refused, done, change)
    return _under_both_names(refused, done) if rule is rules.TABLE_RENAMED else None


def _beside_column(refused: Refused, done: str, change: Change) -> str:
    """Return the code that adds the new column beside the old one.

    When the statement computes the names, the catalog has both.
    """
    renames = (match for match in _COLUMN_RENAMED.finditer(done) if match["old"].strip('"') in _names(refused))
    table, old, new = next((match.group("table", "old", "new") for match in renames), ("", "", ""))
    line = _column(f"{table}.{new}", change.added) if table else _successor(refused, change)
    if not table and line:
        *qualified, new = quoted_parts(line.name)
        table, old = ".".join(qualified), f'"{_subject(refused)}"'
    return rules.COLUMN_RENAMED.code.format(table=table or "…", old=old or "…", new=new or "…", type=_type_of(line))


def _successor(refused: Refused, change: Change) -> Line | None:
    """Return the only new column with the same table and definition as the column in the error."""

    def identity(line: Line) -> tuple[tuple[str, ...], str]:
        return parts(line.name)[:-1], line.definition

    columns = [line for line in change.removed if line.kind == "column" and parts(line.name)[-1] == _subject(refused)]
    gone = set(map(identity, columns))
    followers = [line for line in change.added if line.kind == "column" and identity(line) in gone]
    return followers[0] if len(followers) == 1 else None


def _under_both_names(refused: Refused, done: str) -> str:
    """Return the code that keeps the old name of a table as a view."""
    named = {part for name in _names(refused) for part in parts(name)[-1:]}
    renames = (match for match in _TABLE_RENAMED.finditer(done) if match["old"].strip('"') in named)
    match = next(renames, None)
    if match is None:
        return rules.TABLE_RENAMED.code.format(table="…", action="RENAME TO …", new="…", back="RENAME TO …")
    moves = match["action"].upper().startswith("SET")
    new = f"{match['new']}.{match['old']}" if moves else ".".join(filter(None, (match["schema"], match["new"])))
    back = f"SET SCHEMA {match['schema'] or 'public'}" if moves else f"RENAME TO {match['old']}"
    return rules.TABLE_RENAMED.code.format(table=match["table"], action=match["action"], new=new, back=back)


def _with_default(refused: Refused, done: str, added: Sequence[Line]) -> str:
    """Return the code that adds the error's column with a default: the only constant that the revision writes into it, if there is one."""
    null = refused.null or {"table": "…", "column": "…"}
    line = _column(name := f"{null['table']}.{null['column']}", added)
    *table, column = quoted_parts(line.name if line else name)
    kind = _type_of(line)
    value = next((value for pattern, value in _VALUES if re.match(pattern, kind)), "'…'")
    written = {
        match["value"]
        for match in _FILLED.finditer(done)
        if (match["table"].rpartition(".")[2].strip('"'), match["column"].strip('"'))
        == (parts(name)[-2], parts(name)[-1])
    }
    value = written.pop() if len(written) == 1 else value
    return rules.NEW_NOT_NULL.code.format(table=".".join(table), column=column, type=kind, value=value)


def _column(name: str, added: Sequence[Line]) -> Line | None:
    """Return a new column in the catalog by its name with the table's, with or without the schema."""
    columns = (each for each in added if each.kind == "column")
    return next(
        (each for each in columns if is_table(each.name, name) or is_table(each.name.partition(".")[2], name)), None
    )


def _type_of(column: Line | None) -> str:
    return _NOT_TYPE.sub("", column.definition) if column else "…"


def _if_used(finding: Finding, only_if: str) -> Finding:
    """Reduce a finding to a warning when it depends on a statement that perhaps no release uses."""
    return replace(
        finding,
        level=Level.WARNING,
        message=f"{finding.message.removesuffix('.')}, if {only_if}.",
    )


def _is_by_rows(refused: Refused, added: Sequence[Line]) -> bool:
    """Return whether the failure is a collision between the revision's own rows and the replayed rows, under a constraint that existed before."""
    named = _NAMED_CONSTRAINT.search(refused.message) if refused.code in _CONSTRAINTS else None
    return named is not None and all(line.name.rpartition(".")[2].strip('"') != named[1] for line in added)


def _measured(refused: Refused, others: int = 0) -> str:
    more = f", and {others} more" if others else ""
    sql = "" if refused.query.reports else f": {refused.query.sql}"
    return f"{refused.message} ({refused.query.origin}{more}{sql})"


def check_own(
    nodes: Sequence[Node], statements: Mapping[str, Sequence[Statement]], broken: Sequence[Refused]
) -> Iterator[Finding]:
    """Yield a finding for each failure of the new release, at the last revision that mentions the names in the error."""
    by_failure: dict[str, Refused] = {}
    for each in broken:
        by_failure.setdefault(each.reason, each)
    added = [node for node in nodes if node.added]
    for each in by_failure.values():
        names = _names(each)
        node = next((node for node in reversed(added) if line_of(names, statements[node.id])), None)
        line = line_of(names, statements[node.id]) if node else None
        remedy = rules.LEFT_OUT.format_map(each.null) if each.null else None  # otherwise the rule's own remedy is used
        finding = rules.OWN.finding(node or next(reversed(added), None), _measured(each), line, remedy)
        yield replace(finding, remedy_is_code=remedy is not None)


def check_defaults(nodes: Sequence[Node], steps: Mapping[str, Steps], models: Sequence[Model]) -> Iterator[Finding]:
    """Yield a finding for each dropped default that the previous release needs, because its models lack the column."""
    own: set[str] = set()  # tables that the new revisions create
    for node in (node for node in nodes if node.added):
        change = steps[node.id].upgraded
        own |= {line.name for line in change.added if line.kind == "table"}
        before = {line.name: line for line in change.removed}
        for line in (line for line in change.added if line.kind == "column"):
            *names, column = quoted_parts(line.name)
            table = ".".join(names)
            kept = _HAS_VALUE.search(line.definition)
            had_none = line.name in before and not _HAS_VALUE.search(before[line.name].definition)
            if kept or had_none or table in own or not _is_left_out(models, table, column):
                continue
            name, of_column = map(re.escape, (parts(table)[-1], parts(column)[0]))
            drops = re.compile(rf"\b{name}\b.*{_DROPS_DEFAULT.format(of_column)}", re.IGNORECASE | re.DOTALL)
            if dropped := next((each for each in steps[node.id].statements if drops.search(each.sql)), None):
                measured = f"{line.name} is {line.definition!r} after the revision"
                yield rules.LEFT_NULL.finding(node, measured, dropped.line)


def _is_left_out(models: Sequence[Model], table: str, column: str) -> bool:
    """Return whether a release knows the table but not the column, so that its rows have no value there.

    Without models, assume it.
    """
    model = next((each for each in models if is_table(table, each.name)), None)
    return not models or (model is not None and not any(each.written and each.name == column for each in model.columns))


def check_replayed(nodes: Sequence[Node], why_not: str) -> Iterator[Finding]:
    """Yield a finding on the first new revision when the previous release had to be replayed and was not."""
    if why_not and (first := next((node for node in nodes if node.added), None)):
        yield rules.NOT_REPLAYED.finding(first, why_not)


def _rule(refused: Refused, done: str) -> Rule:
    return next((cause.rule for cause in _CAUSES if cause.explains(refused, done)), rules.OTHERWISE)


def _names(refused: Refused) -> set[str]:
    return {_subject(refused), *re.findall(r'"([^"]+)"', refused.message)}


def _subject(refused: Refused) -> str:
    """Return the column in the error, otherwise the first name in it, otherwise its text."""
    column = re.search(r'column "?([\w.]+)"?', refused.message)
    named = re.search(r'"([^"]+)"', refused.message)
    return column[1].rpartition(".")[2] if column else named[1] if named else refused.message


def _line(refused: Refused, statements: Sequence[Statement]) -> int | None:
    """Return the line of the statement with the most names of the error."""
    return line_of(_names(refused), statements) or (statements[0].line if statements else None)
