"""Rules D: the effects of a revision on tables filled with rows."""

import ast
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from slipway.gate.findings.blocking import with_growth
from slipway.gate.findings.code import columns_of, in_quotes, in_text
from slipway.gate.history import Node
from slipway.gate.layers.queries import NOT_NULL
from slipway.gate.layers.rows import Rows
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.layers.unmatched import Unmatched
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.measure.columns import Column
from slipway.gate.measure.locks import ADDS_ROWS, WRITES_ROWS
from slipway.gate.names import NAME, is_table, line_of, parts, quoted_parts
from slipway.gate.rulebook import rows as rules
from slipway.gate.rulebook.rule import BATCHED
from slipway.gate.steps import AGAIN, DOWN
from slipway.records.proof import Finding, Growth, Statement

_CASCADES = "ON DELETE CASCADE"
_REFERRING = re.compile(r"FOREIGN KEY \((?P<columns>[^()]+)\)")
# A statement that can be repeated for a part of the rows: on one table, and without parameters.
_REPEATABLE = re.compile(
    r"(?P<begin>UPDATE (?:ONLY )?(?P<updated>[\w.\"]+) SET (?:(?!\b(?:FROM|WHERE|RETURNING)\b).)+?|DELETE FROM (?:ONLY )?(?P<deleted>[\w.\"]+))"
    r"(?: WHERE (?P<condition>(?:(?!\bRETURNING\b).)+?))?;?",
    re.IGNORECASE | re.DOTALL,
)
_NESTED = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_ASSIGNS_ONE = re.compile(rf"UPDATE [^=]+? SET ({NAME}) = ((?:[^,()']|'[^']*'|{_NESTED})+)", re.IGNORECASE)  # noqa: S608 -- a pattern
_WITHOUT_EQUALITY = re.compile(r"(?:json|xml|point|box|polygon)\b")
_KEY = re.compile(rf"PRIMARY KEY \((?P<column>{NAME})")
_VALUE = re.compile(r"%\(|%s|\$\d")
_ADDS_COLUMN = re.compile(r"\bADD COLUMN\b", re.IGNORECASE)
# LIMIT 1 chooses a value of another table. In one transaction, batches together lock the whole table.
_IN_BATCHES = re.compile(r"\b(?:LIMIT|FETCH (?:FIRST|NEXT)) (?!1\b)", re.IGNORECASE)
_CREATES_FUNCTION = re.compile(r"\A\s*CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_TIME: Final = re.compile(r"timestamp(?:\(\d\))? with(?P<without>out)? time zone|(?P<date>date)\b")
_SETS_ZONE: Final = re.compile(
    r"\btime_?zone\b['\"]?\s*(?:=(?!\s*True)|:|\bTO\b)|\bset_config\s*\(\s*'timezone'|\bSET\s+(?:LOCAL\s+|SESSION\s+)?TIME\s+ZONE\b",
    re.IGNORECASE,
)
_SWITCHES: Final = re.compile(
    r"\bALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(?P<table>\S+)[^;]*?"
    r"\b(?P<action>ENABLE(?:\s+REPLICA)?|DISABLE)\s+(?:ALWAYS\s+)?(?P<kind>TRIGGER|RULE|ROW\s+LEVEL\s+SECURITY)\b",
    re.IGNORECASE,
)
_LIMITS: Final = re.compile(r"[\w ]+? -?\d+ -?\d+ -?\d+ (?P<last>-?\d+)\b")  # type, start, increment, least, last
_NAMES_ZONE: Final = re.compile(r"\bAT\s+TIME\s+ZONE\b|\btimezone\s*\(", re.IGNORECASE)
_ROWS: Final = "ROW EXCLUSIVE"
_INSERTS: Final = re.compile(
    r"\s*INSERT INTO (?P<table>[\w.\"]+)(?: AS \w+)? \((?P<columns>[^()]*)\)(?!.*\b(?:nextval|OVERRIDING USER)\b)",
    re.IGNORECASE | re.DOTALL,
)
_COUNTS_ON: Final = re.compile(r"\b(?:setval|RESTART)\b", re.IGNORECASE)


def check_statements(
    node: Node, statements: Iterable[Statement], growth: Sequence[Growth], at_end: Collection[Line]
) -> Iterator[Finding]:
    """Yield findings on statements that scan a whole table to write rows. With a stronger lock, Q05 reports them."""
    locked: set[str] = set()  # locked by the check of a function's body, so that the function's call takes no new lock
    for statement in statements:
        in_batches = not statement.transaction and _IN_BATCHES.search(statement.sql)
        scans = _written_scans(statement, locked)
        if _CREATES_FUNCTION.match(statement.sql):
            locked.update(table for table, mode in statement.locks.items() if mode == _ROWS)
        elif scans and not statement.blocks and not in_batches:
            measured = with_growth(f"writes while it scans {', '.join(scans)}", statement, growth)
            yield rules.WHOLE_TABLE.finding(
                node, measured, statement.line, _in_batches(statement.sql, scans[0], at_end)
            )


def _written_scans(statement: Statement, locked: Collection[str]) -> Sequence[str]:
    """Return the scanned tables to which a statement may write, judged by its words or by its lock."""
    if WRITES_ROWS.match(statement.sql):
        return statement.scans
    if ADDS_ROWS.match(statement.sql):
        return ()
    return [table for table in statement.scans if statement.locks.get(table) == _ROWS or table in locked]


def _in_batches(sql: str, scanned: str, at_end: Collection[Line]) -> str | None:
    """Return code that executes a statement for a thousand rows at a time, by ranges of the table's key if it has one."""
    keys = (line for line in at_end if line.kind == "primary key" and line.name.rpartition(".")[0] == scanned)
    key = next((match["column"] for line in keys if (match := _KEY.match(line.definition))), None)
    match = _REPEATABLE.fullmatch(" ".join(sql.split()))
    if match is None or _VALUE.search(sql):
        return rules.BY_KEY.format(table=scanned, key=key, begin="UPDATE … SET …", condition=" AND …") if key else None
    conditions = filter(None, (match["condition"], _is_to_do(match["begin"], scanned, at_end)))
    condition = " AND ".join(f"({each})" for each in conditions)
    begin, table = match["begin"], match["updated"] or match["deleted"]
    if key:
        also = in_text(f" AND {condition}") if condition else ""
        return rules.BY_KEY.format(table=table, key=key, begin=in_text(begin), condition=also)
    gaps = {"begin": in_quotes(begin), "table": table, "condition": in_quotes(condition)}
    return BATCHED.format_map(gaps) if condition else None


def _is_to_do(update: str, table: str, at_end: Collection[Line]) -> str:
    """Return the condition that only unwritten rows meet, for an UPDATE that sets one value; empty when there is none."""
    if not (match := _ASSIGNS_ONE.fullmatch(update)):
        return ""
    column, value = match.groups()
    reads_itself = re.search(rf"(?<!\w){re.escape(column)}(?!\w)", value)
    types = [line.definition for line in at_end if line.name == f"{table}.{column}"]
    is_possible = types and not reads_itself and not _WITHOUT_EQUALITY.match(types[0])
    return f"{column} IS DISTINCT FROM ({value})" if is_possible else ""


def check_references(node: Node, steps: Steps) -> Iterator[Finding]:
    """Yield findings on new foreign keys with ON DELETE CASCADE. In a new table there are no rows to lose, nor by a new column that stays NULL."""
    change = steps.upgraded
    new_tables = tuple(f"{line.name}." for line in change.added if line.kind in ("table", "partitioned table"))
    is_new = _new_columns(change)
    written = {table for each in steps.statements for table, mode in each.locks.items() if mode == _ROWS}
    filled = any(WRITES_ROWS.match(each.sql) for each in steps.statements)  # those outside a transaction tell no locks
    before = {line.definition for line in change.removed}  # the same key under another name is not new
    for line in change.added:
        cascades = line.kind == "foreign key" and _CASCADES in line.definition
        table = line.name.rpartition(".")[0]
        if cascades and not filled and table not in written and (match := _REFERRING.search(line.definition)):
            cascades = not all(f"{table}.{column.strip()}" in is_new for column in match["columns"].split(","))
        if cascades and line.definition not in before and not line.name.startswith(new_tables):
            lines = (each.line for each in steps.statements if _CASCADES in each.sql.upper())
            yield rules.CASCADES.finding(node, f"{line.name}: {line.definition}", next(lines, None))


def _new_columns(change: Change) -> set[str]:
    """Return the columns that a change adds and leaves NULL in existing rows."""
    added = {line.name for line in change.added if line.kind == "column" and " default " not in line.definition}
    return added - {line.name for line in change.removed}


def check_numbered(node: Node, steps: Steps, columns: Mapping[str, Column], rows: Rows) -> Iterator[Finding]:
    """Yield findings on INSERTs into existing tables with values for a numbered column, unless a sequence is set or the rows already show the collision."""
    if any(_COUNTS_ON.search(statement.sql) for statement in steps.statements):
        return
    new = tuple(f"{line.name}." for line in steps.upgraded.added if "table" in line.kind)
    behind = {f"{each.table}.{each.column}" for each in rows.behind}
    numbered = [name for name, each in columns.items() if each.is_numbered and not name.startswith(new)]
    inserts = ((statement, match) for statement in steps.statements if (match := _INSERTS.match(statement.sql)))
    for statement, insert in inserts:
        listed = columns_of(insert["columns"])
        for name in numbered:
            table, _, column = name.rpartition(".")
            if parts(name)[-1] in listed and is_table(table, insert["table"]) and name not in behind:
                code = rules.CHOSEN_CODE.format(table=table, column=column, name=parts(name)[-1])
                measured = f"{name} gets values that are not from its sequence"
                yield replace(rules.BEHIND.finding(node, measured, statement.line, code), message=rules.CHOSEN)


def check_partitions(node: Node, steps: Steps, partitioned: Collection[str]) -> Iterator[Finding]:
    """Yield findings on partitions that an upgrade drops, or detaches without a downgrade that attaches them."""
    change, down = steps.upgraded, steps.changes.get(DOWN)
    kept = {line.name for line in change.added if "table" in line.kind}
    gone = {line.name for line in change.removed if "table" in line.kind} - kept
    back = {line.name for line in down.added if line.kind == "child"} if down else set()
    for line in change.removed:
        of = line.definition.removeprefix("of ")
        parents = [table for table in partitioned if is_table(table, of)] if line.kind == "child" else []
        if parents and gone.isdisjoint(parents) and (line.name in gone or line.name not in back):
            place = line_of([line.name, "PARTITION", "DROP"], steps.statements)
            finding = rules.DROPS.finding(node, f"the partition {line.name} of {parents[0]}", place)
            yield finding if line.name in gone else replace(finding, message=rules.TAKEN_OUT)


def check_unchecked(node: Node, steps: Steps, at_end: Collection[Line]) -> Iterator[Finding]:
    """Yield findings on new constraints that are still NOT VALID at the end of the history."""
    for line in steps.upgraded.added:
        if line.definition.endswith(" NOT VALID") and line in at_end:
            *names, name = quoted_parts(line.name)
            of = ".".join(names)
            kind = "DOMAIN" if any(each.kind == "domain" and is_table(each.name, of) for each in at_end) else "TABLE"
            code = rules.UNCHECKED.code.format(kind=kind, of=of, name=name)
            place = line_of([name, "NOT VALID"], steps.statements)
            yield rules.UNCHECKED.finding(node, f"{line.name}: {line.definition}", place, code)


def check_zones(node: Node, steps: Steps, env_py: str) -> Iterator[Finding]:
    """Yield findings on type changes between times with and without zone when neither statement, revision nor env.py names the zone."""
    before = {line.name: line.definition for line in steps.upgraded.removed if line.kind == "column"}
    pinned = _SETS_ZONE.search(env_py) is not None
    for line in steps.upgraded.added:
        was, now = (_TIME.match(text) for text in (before.get(line.name, ""), line.definition))
        if pinned or not (line.kind == "column" and was and now) or _has_zone(was) == _has_zone(now):
            continue
        *names, column = parts(line.name)
        place = _line_of_conversion(names[-1], column, steps.statements)
        if place:
            gaps = {"table": names[-1], "schema": f', schema="{names[0]}"' if names[0] != "public" else ""}
            kind = "Date()" if now["date"] else f"DateTime({'timezone=True' if _has_zone(now) else ''})"
            code = rules.ZONE.code.format(column=column, type=kind, **gaps)
            yield rules.ZONE.finding(node, f"{line.name} was {was[0]} and is {now[0]}", place, code)


def check_switched_off(node: Node, statements: Iterable[Statement]) -> Iterator[Finding]:
    """Yield a finding for the last statement that switches off a table's triggers, rules or row-level security, unless a later one switches them on."""
    last: dict[tuple[str, str], Statement | None] = {}
    for statement in statements:
        for match in _SWITCHES.finditer(statement.sql):
            is_on = match["action"].upper() == "ENABLE"
            last[match["table"].rpartition(".")[2].strip('"'), match["kind"].upper()] = None if is_on else statement
    for statement in filter(None, last.values()):
        yield rules.SWITCHED_OFF.finding(node, statement.sql, statement.line)


def check_sequences(node: Node, steps: Steps) -> Iterator[Finding]:
    """Yield a finding for each sequence whose last number is lower than before. One that is dropped and created anew begins anew."""
    altering = [each for each in steps.statements if "ALTER" in each.sql.upper()]
    before = {line.name: line.definition for line in steps.upgraded.removed if line.kind == "sequence values"}
    for line in steps.upgraded.added:
        was, now = (_LIMITS.match(text) for text in (before.get(line.name, ""), line.definition))
        if altering and line.kind == "sequence values" and was and now and int(now["last"]) < int(was["last"]):
            place = line_of([parts(line.name)[-1]], altering)
            measured = f"{line.name} ends at {now['last']} instead of {was['last']}"
            yield rules.ENDS_EARLIER.finding(node, measured, place)


def _has_zone(time: re.Match[str]) -> bool:
    return not (time["without"] or time["date"])


def _line_of_conversion(table: str, column: str, statements: Iterable[Statement]) -> int | None:
    """Return the line of the statement that converts the column in the session's time zone; None when a zone is named."""
    change = re.compile(
        rf'\bALTER\s+TABLE\b[^;]*\b{re.escape(table)}\b[^;]*?\bALTER\s+(?:COLUMN\s+)?"?{re.escape(column)}"?\s+'
        r"(?:SET\s+DATA\s+)?TYPE\b(?P<rest>(?:(?!,\s*ALTER\b)[^;])*)",
        re.IGNORECASE,
    )
    for statement in statements:
        match = change.search(statement.sql)
        if _SETS_ZONE.search(statement.sql, 0, match.start() if match else len(statement.sql)):
            return None
        if match:
            return None if _NAMES_ZONE.search(match["rest"]) else statement.line
    return None


def mapped_modules(is_own: Callable[[str], bool]) -> frozenset[str]:
    """Return the names of the service's imported modules with mapped classes, without revisions."""
    own = (
        (name, module)
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and is_own(file)
    )
    # Looking up a missing attribute may call a `__getattr__` function of the project, which may fail.
    return frozenset(
        name
        for name, module in own
        if "down_revision" not in vars(module) and any(map(_is_mapped, list(vars(module).values())))
    )


def check_imports(node: Node, mapped: Collection[str]) -> Iterator[Finding]:
    """Yield a finding when a revision imports one of these modules."""
    source = node.source
    if not any(name.rpartition(".")[2].encode() in source for name in mapped):  # parsing would take longer
        return
    for line, name in _imported(source):
        if name in mapped:
            yield rules.MODELS.finding(node, f"imports {name}", line)
            return


def _is_mapped(value: object) -> bool:
    """Return whether a value is a mapped class.

    Other attributes are not read, because those of a proxy may fail outside a request.
    """
    return issubclass(type(value), type) and hasattr(value, "__table__")


def _imported(source: bytes) -> Iterator[tuple[int, str]]:
    """Yield line and name of each imported module; for `from a import b` both `a` and `a.b`."""
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.lineno, statement.module
            yield from ((statement.lineno, f"{statement.module}.{alias.name}") for alias in statement.names)


def check_failure(node: Node, failure: Failure, statements: Sequence[Statement]) -> Finding:
    """Return the finding on an upgrade that fails on rows, in any layer."""
    line = failure.line_in(node, node.upgrade_line)
    added = any(each.line == line and _ADDS_COLUMN.search(each.sql) for each in statements)
    by_null = rules.FAILS_BY_NULL if added and failure.code == NOT_NULL else None
    return rules.FAILS.finding(node, failure.message, line, by_null or rules.FAILS_BY_CODE.get(failure.code or ""))


def check(node: Node, rows: Rows, statements: Sequence[Statement], at_end: Collection[Line] = ()) -> Iterator[Finding]:
    """Yield the findings on a revision's effects on rows."""
    for each in rows.hidden:
        yield rules.HIDDEN.finding(node, str(each), each.line, rules.HIDDEN.code.format(table=each.table))
    yield from _losses(node, rows, statements)
    # already reported by `check_statements`
    reported = {(each.line, table) for each in statements for table in each.scans}
    for loop in rows.loops:
        if (loop.line, loop.table) not in reported:
            yield rules.WHOLE_TABLE.finding(node, loop.words, loop.line, _in_batches("", loop.table, at_end))
    for again in rows.repeated_writes:
        yield rules.RESTARTS.finding(node, f"the second run writes {again.rows} rows again", again.line)
    for unmatched in rows.unmatched:
        if unmatched.impossible:
            yield _impossible(node, unmatched, at_end)
    for behind in rows.behind:
        place = line_of([behind.table, behind.column, "INSERT"], statements)
        code = rules.BEHIND.code.format(table=behind.table, column=behind.column, sequence=behind.sequence)
        yield rules.BEHIND.finding(node, str(behind), place, code)
    for step, line in ((DOWN, node.downgrade_line), (AGAIN, node.upgrade_line)):
        if (failure := rows.failures.get(step)) and not failure.declared:
            yield rules.LOSES.finding(node, failure.message, failure.line_in(node, line))


def _impossible(node: Node, unmatched: Unmatched, at_end: Collection[Line]) -> Finding:
    """Return the finding on a statement that no row can match."""
    code = rules.EQUALS_NULL_CODE.format(sql=in_text(unmatched.corrected)) if unmatched.corrected else None
    if code and unmatched.verb != "SELECT":
        code = _in_batches(unmatched.corrected, unmatched.table, at_end) or code
    finding = rules.IMPOSSIBLE.finding(node, f"{unmatched}: {unmatched.impossible}", unmatched.line, code)
    return replace(finding, message=rules.EQUALS_NULL) if code else finding


def _losses(node: Node, rows: Rows, statements: Sequence[Statement]) -> Iterator[Finding]:
    for loss in rows.dropped:
        yield rules.DROPS.finding(node, loss.words, line_of([*loss.name.split(".")[1:], "DROP"], statements))
    for loss in rows.deleted:
        yield rules.DELETES.finding(node, loss.words, line_of([loss.name, "DELETE", "TRUNCATE"], statements))
    for loss in rows.replaced:
        yield rules.REPLACED.finding(node, loss.words, line_of([parts(loss.name)[-1], "RENAME"], statements))
    for loss in rows.conversions:
        place = line_of([*loss.name.split(".")[1:], "TYPE"], statements)
        code = rules.LOSSY.code.format(table=loss.table, column=loss.column, type=loss.type)
        finding = rules.LOSSY.finding(node, loss.words, place, code)
        yield finding if loss.by_cast else replace(finding, message=rules.CONVERTED)
    for loss in rows.changed:
        yield rules.LOSES.finding(node, f"after the downgrade {loss.words}", node.downgrade_line)
