"""Rules Q: locks that are held briefly, but for which a session may wait long.

A session waiting for a strong lock blocks every later query of the table. The rules judge the locks that each statement
took, and those that its transaction already held.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from slipway.gate.findings.code import as_strings, names_of
from slipway.gate.history import Node
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.names import is_table
from slipway.gate.rulebook import waiting as rules
from slipway.gate.rulebook.rule import Rule
from slipway.gate.rulebook.waiting import EnvFile
from slipway.records.proof import Finding, Queue, Statement

_DROPS = re.compile(
    r'\A\s*(?:DROP TABLE (?:IF EXISTS )?|ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?=.* DROP ))(?P<table>[\w."]+)',
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\A\s*(CREATE TABLE|ALTER TABLE .* ADD (COLUMN )?(?!CONSTRAINT\b).*\bREFERENCES\b)", re.IGNORECASE
)
_MADE = re.compile(
    r'\A\s*(?:CREATE (?:\w+ )?TABLE|ALTER TABLE) (?:IF (?:NOT )?EXISTS )?(?:ONLY )?(?P<table>[\w."]+)', re.IGNORECASE
)
_KEY = re.compile(r'FOREIGN KEY ?\((?P<columns>[^()]+)\) REFERENCES (?P<parent>[\w."]+)', re.IGNORECASE)
_TRIGGERS = re.compile(r"\A\s*(CREATE|DROP) (OR REPLACE )?(CONSTRAINT )?TRIGGER\b", re.IGNORECASE)
_VIEWS = re.compile(r"\A\s*(CREATE OR REPLACE|DROP|ALTER) (RECURSIVE )?VIEW\b", re.IGNORECASE)
_METADATA = re.compile(
    r"\bRENAME\b|\b(SET|DROP) DEFAULT\b|\bROW LEVEL SECURITY\b|\bOWNER TO\b|\bSET SCHEMA\b"
    r"|\A\s*(CREATE|ALTER|DROP) (POLICY|RULE)\b|\A\s*DROP (TYPE|DOMAIN|FUNCTION|EXTENSION|SCHEMA|OWNED)\b",
    re.IGNORECASE,
)
_DROPS_INDEX = re.compile(r'\A\s*DROP INDEX (?:IF EXISTS )?(?P<index>[\w."]+)', re.IGNORECASE)
_ALTERS = re.compile(r'\A\s*(?:ALTER|DROP) TABLE (?:IF EXISTS )?(?:ONLY )?(?P<table>[\w."]+)', re.IGNORECASE)
_DETACHES = re.compile(
    r'ALTER TABLE (?:IF EXISTS )?(?P<table>[\w."]+) DETACH PARTITION (?P<partition>[\w."]+)', re.IGNORECASE
)
_LOCKS = re.compile(r"\A\s*LOCK\b", re.IGNORECASE)
_ADVISORY = re.compile(r"\bpg_(try_)?advisory_lock(_shared)?\s*\(", re.IGNORECASE)
_ADVISORY_END = re.compile(r"\bpg_advisory_unlock(_all|_shared)?\s*\(", re.IGNORECASE)


def check(
    node: Node, statements: Sequence[Statement], queue: Queue | None, partitioned: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the findings on the locks of one revision.

    `queue` has the sessions that waited behind it, if that was tried.
    """
    yield from _unexpected_waits(node, [each for each in statements if _waits_forever(each)])
    yield from _several(node, statements, queue)
    yield from _advisory(node, statements)
    for statement in statements:
        yield from _instant(node, statement, statements, partitioned)


def check_unlimited(new: Sequence[Node], locking: Mapping[str, Sequence[Statement]], env: EnvFile) -> Iterator[Finding]:
    """Yield a finding on the first new revision that blocks others without any timeout.

    `locking` has statements by revision.
    """
    for node in new:
        for statement in locking.get(node.id, ()):
            if statement.blocks and statement.unlimited:
                table, blocked = next(iter(statement.blocks.items()))
                held = f"{'reads and writes' if blocked.read else 'writes'} of {table}"
                measured = f"{' = 0, '.join(statement.unlimited)} = 0 while it blocks {held}"
                remedy = rules.timeouts_in(env, rules.EVERY_TIMEOUT)
                yield rules.UNLIMITED.finding(node, measured, statement.line, remedy)
                return


def _unexpected_waits(node: Node, waiting: Sequence[Statement]) -> Iterator[Finding]:
    """Yield a finding for each rule, at the first statement that locks an unexpected table."""
    by_rule: dict[str, list[tuple[Rule, Statement, list[str]]]] = {}
    for statement in waiting:
        rule, tables = _unexpected(statement)
        if rule:
            by_rule.setdefault(rule.id, []).append((rule, statement, tables))
    for (rule, statement, tables), *others in by_rule.values():
        more = f"; and {len(others)} more" if others else ""
        remedy = _without_reference(statement) if rule is rules.PARENT_WAITS else None
        yield rule.finding(node, f"{_held(statement, tables)}, with lock_timeout = 0{more}", statement.line, remedy)


def _without_reference(statement: Statement) -> str:
    """Return the code that adds a foreign key in a separate statement, with the names in the original statement."""
    named = dict.fromkeys(("table", "columns", "parent"), "…")
    for pattern in (_MADE, _KEY):
        if match := pattern.search(statement.sql):
            named |= {group: name.replace('"', "").rpartition(".")[2] for group, name in match.groupdict().items()}
    columns = [column.strip() for column in named["columns"].split(",")]
    name = "_".join([named["table"], *columns, "fkey"])
    return rules.PARENT_WAITS.code.format_map(named | {"columns": as_strings(columns), "name": name})


def check_timeouts(
    new: Sequence[Node],
    locking: Mapping[str, Sequence[Statement]],
    queues: Mapping[str, Queue | None],
    env: EnvFile,
    limits: Mapping[str, str],
) -> Iterator[Finding]:
    """Yield one finding for all statements that wait without a limit, at the first of them.

    One line in env.py that sets `limits` corrects them together.
    """
    waiting = [(node, each) for node in new for each in locking.get(node.id, ()) if _waits_forever(each)]
    if not waiting:
        return
    node, first = next((pair for pair in waiting if not _unexpected(pair[1])[0]), waiting[0])
    revisions = len({node.id for node, _ in waiting})
    within = f"{revisions} revisions" if revisions > 1 else "this revision"
    others = f"; {len(waiting)} statements of {within} wait so" if len(waiting) > 1 else ""
    queue = queues.get(node.id)
    measured = f"{_held(first, _strong(first))}, with lock_timeout = 0{others}{f'; {queue.words}' if queue else ''}"
    yield rules.NO_TIMEOUT.finding(node, measured, first.line, rules.timeouts_in(env, limits))


def _waits_forever(statement: Statement) -> bool:
    return not statement.lock_timeout and bool(_strong(statement))


def _unexpected(statement: Statement) -> tuple[Rule | None, list[str]]:
    """Return the rule for a statement that locks unexpected tables or views, and their names."""
    strong = _strong(statement)
    if drop := _DROPS.match(statement.sql):
        others = [table for table in strong if not is_table(table, drop["table"])]
        return (rules.PARENT_LOCKED, others) if others else (None, [])
    if _REFERS.match(statement.sql):
        parents = [table for table in strong if statement.locks[table] == "SHARE ROW EXCLUSIVE"]
        return (rules.PARENT_WAITS, parents) if parents else (None, [])
    by_words = ((_TRIGGERS, rules.TRIGGER), (_VIEWS, rules.VIEW), (_METADATA, rules.METADATA))
    return next((rule for words, rule in by_words if words.search(statement.sql)), None), strong


def _instant(
    node: Node, statement: Statement, all_of_node: Sequence[Statement], partitioned: Collection[str]
) -> Iterator[Finding]:
    strong = _strong(statement)
    if (dropped := _DROPS_INDEX.match(statement.sql)) and not set(strong) <= _altered(all_of_node):
        of_partitioned = not set(strong).isdisjoint(partitioned)
        remedy = rules.DROPPED_INDEX_OF_PARTITIONED if of_partitioned else rules.DROPPED_INDEX.remedy
        *schema, index = names_of(dropped["index"])
        remedy = remedy.format(index=index, schema=f', schema="{schema[0]}"' if schema else "")
        yield rules.DROPPED_INDEX.finding(node, _held(statement, strong), statement.line, remedy)
    if strong and (detached := _DETACHES.search(statement.sql)):
        remedy = rules.DETACHED.remedy.format_map(detached.groupdict())
        yield rules.DETACHED.finding(node, _held(statement, strong), statement.line, remedy)
    if statement.locks and _LOCKS.match(statement.sql):
        yield rules.EXPLICIT.finding(node, _held(statement, list(statement.locks)), statement.line)


def _altered(statements: Sequence[Statement]) -> set[str]:
    """Return the tables that statements of the transaction alter, or that any drops, by their names in the statements' locks."""
    altered = [
        match["table"]
        for each in statements
        if (match := _ALTERS.match(each.sql)) and (each.transaction or "DROP TABLE" in match[0].upper())
    ]
    locked = {table for each in statements for table in each.locks}
    return {table for table in locked if any(is_table(table, name) for name in altered)}


def _several(node: Node, statements: Sequence[Statement], queue: Queue | None) -> Iterator[Finding]:
    """Find the first statement that locks a table while its transaction holds a lock on another one."""
    for statement in statements:
        strong = set(_strong(statement))
        before = statement.blocks.keys() - strong
        if statement.transaction and strong and before:
            held = f"takes {_held(statement, sorted(strong))}, and still holds {', '.join(sorted(before))}"
            if queue and queue.deadlock:
                held += f"; a transaction that wrote to {queue.behind} and then to {queue.deadlock} deadlocked with it"
            yield rules.SEVERAL.finding(node, held, statement.line)
            return


def _advisory(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    taken = [statement for statement in statements if _ADVISORY.search(statement.sql)]
    if taken and not any(_ADVISORY_END.search(statement.sql) for statement in statements):
        yield rules.EXPLICIT.finding(node, "a session-level advisory lock that is never released", taken[0].line)


def _strong(statement: Statement) -> list[str]:
    """Return the tables and views that the statement locked against writers or readers."""
    return [table for table, mode in statement.locks.items() if mode in BLOCKING]


def _held(statement: Statement, tables: Sequence[str]) -> str:
    return "; ".join(f"{statement.locks[table]} on {table}" for table in tables)
