"""Q: locks that are held for an instant, but waited for. Whoever waits for a strong lock is a wall to everybody who comes after.

Told by the locks that each statement of a revision took and those that its transaction held already.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from slipway.gate.history import Node
from slipway.gate.measure.locks import BLOCKING
from slipway.gate.names import is_table
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level, Queue, Statement

NO_TIMEOUT: Final = Rule(
    id="Q01",
    name="no lock_timeout",
    level=Level.WARNING,
    effect="The statement waits for its lock as long as it takes; meanwhile every query of the table waits behind it.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")  # before the statement, or for all revisions in env.py; then try again""",
)
PARENT_LOCKED: Final = Rule(
    id="Q02",
    name="another table locked by a drop",
    level=Level.WARNING,
    effect="Dropping a foreign key, or what carries it, locks the table that it refers to against readers and writers too.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own, so that nothing else is held meanwhile:
op.drop_constraint(…, …, type_="foreignkey")""",
)
PARENT_WAITS: Final = Rule(
    id="Q03",
    name="another table locked by a new reference",
    level=Level.WARNING,
    effect="A new table or column that refers to a table stops writers of that table until the transaction ends.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")
op.create_table(…)  # without the reference
# in a revision of its own:
op.create_foreign_key(…, postgresql_not_valid=True)""",
)
SEVERAL: Final = Rule(
    id="Q04",
    name="several tables locked",
    level=Level.WARNING,
    effect="The transaction holds strong locks on several tables; two that take them in another order stop each other for good.",
    remedy="Put the statements into revisions of their own, one table each.",
)
TRIGGER: Final = Rule(
    id="Q06",
    name="trigger",
    level=Level.NOTE,
    effect="Adding or dropping a trigger stops writers of the table until the transaction ends.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")  # and nothing else in this revision""",
)
VIEW: Final = Rule(
    id="Q07",
    name="view replaced",
    level=Level.WARNING,
    effect="Replacing or dropping a view locks out everybody who reads it until the transaction ends.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own; CREATE OR REPLACE VIEW keeps the view's grants, DROP and CREATE do not
op.execute("CREATE OR REPLACE VIEW …")""",
)
KEPT: Final = Rule(
    id="Q10",
    name="lock taken by hand",
    level=Level.WARNING,
    effect="The revision takes a lock by itself and keeps it longer than its work needs.",
    remedy="Leave it out: each statement takes the lock that it needs. For one runner at a time use pg_advisory_xact_lock, which ends with the transaction.",
)
METADATA: Final = Rule(
    id="Q08",
    name="metadata under a strong lock",
    level=Level.WARNING,
    effect="The statement only changes a name, a default, a right or a policy, and still waits for a lock that nobody else may hold.",
    remedy="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# in a revision of its own, so that nothing else is held meanwhile""",
)
UNLIMITED: Final = Rule(
    id="Q11",
    name="no limit to a lock",
    level=Level.NOTE,
    effect="Nothing ends a statement or a transaction that hangs, or whose runner is gone, while it keeps others out.",
    remedy="""\
# in env.py, for all revisions:
create_engine(url, connect_args={"options": "-c lock_timeout=2s -c statement_timeout=10min -c idle_in_transaction_session_timeout=1min"})""",
)
DROPPED_INDEX: Final = Rule(
    id="L02",
    name="index dropped",
    level=Level.NOTE,
    effect="Dropping an index takes only an instant, but locks out readers and writers until the transaction ends.",
    remedy="""\
with op.get_context().autocommit_block():
    op.drop_index("{index}", postgresql_concurrently=True, if_exists=True)""",
)
DETACHED: Final = Rule(
    id="L23",
    name="partition detached",
    level=Level.NOTE,
    effect="Detaching a partition takes only an instant, but locks out readers and writers of the whole table until the transaction ends.",
    remedy="""\
with op.get_context().autocommit_block():
    op.execute("ALTER TABLE … DETACH PARTITION … CONCURRENTLY")""",
)

_DROPS = re.compile(
    r'\A\s*(?:DROP TABLE (?:IF EXISTS )?|ALTER TABLE (?:IF EXISTS )?(?:ONLY )?(?=.* DROP ))(?P<table>[\w."]+)',
    re.IGNORECASE,
)
_REFERS = re.compile(
    r"\A\s*(CREATE TABLE|ALTER TABLE .* ADD (COLUMN )?(?!CONSTRAINT\b).*\bREFERENCES\b)", re.IGNORECASE
)
_TRIGGERS = re.compile(r"\A\s*(CREATE|DROP) (OR REPLACE )?(CONSTRAINT )?TRIGGER\b", re.IGNORECASE)
_VIEWS = re.compile(r"\A\s*(CREATE OR REPLACE|DROP|ALTER) (RECURSIVE )?VIEW\b", re.IGNORECASE)
_METADATA = re.compile(
    r"\bRENAME\b|\b(SET|DROP) DEFAULT\b|\bROW LEVEL SECURITY\b|\bOWNER TO\b|\bSET SCHEMA\b"
    r"|\A\s*(CREATE|ALTER|DROP) (POLICY|RULE)\b|\A\s*DROP (TYPE|DOMAIN|FUNCTION|EXTENSION|SCHEMA|OWNED)\b",
    re.IGNORECASE,
)
_DROPS_INDEX = re.compile(r'\A\s*DROP INDEX (?:IF EXISTS )?(?P<index>[\w."]+)', re.IGNORECASE)
_DETACHES = re.compile(r"\bDETACH PARTITION\b", re.IGNORECASE)
_LOCKS = re.compile(r"\A\s*LOCK\b", re.IGNORECASE)
_ADVISORY = re.compile(r"\bpg_(try_)?advisory_lock(_shared)?\s*\(", re.IGNORECASE)
_ADVISORY_END = re.compile(r"\bpg_advisory_unlock(_all|_shared)?\s*\(", re.IGNORECASE)


def check(node: Node, statements: Sequence[Statement], queue: Queue | None) -> Iterator[Finding]:
    """Findings on the locks of one revision, whether or not work is done under them; with who waited behind it, when that was tried."""
    yield from _without_timeout(node, [each for each in statements if not each.lock_timeout and _strong(each)], queue)
    yield from _several(node, statements, queue)
    yield from _advisory(node, statements)
    for statement in statements:
        yield from _instant(node, statement)


def check_unlimited(new: Sequence[Node], locking: Mapping[str, Sequence[Statement]]) -> Iterator[Finding]:
    """A finding on the first of the new revisions that locks others out without end; `locking` are the statements of those that lock."""
    for node in new:
        for statement in locking.get(node.id, ()):
            if statement.blocks and statement.unlimited:
                held = _blocked(statement)
                measured = f"{' = 0, '.join(statement.unlimited)} = 0 while it keeps {held}"
                yield UNLIMITED.finding(node, measured, statement.line)
                return


def _blocked(statement: Statement) -> str:
    table, blocked = next(iter(statement.blocks.items()))
    return f"{'readers and writers' if blocked.read else 'writers'} of {table} out"


def _without_timeout(node: Node, waiting: Sequence[Statement], queue: Queue | None) -> Iterator[Finding]:
    """What would wait for ever: each statement that locks what one does not expect, and the first of the others."""
    ordinary = None
    for statement in waiting:
        rule, tables = _unexpected(statement)
        if rule:
            yield rule.finding(node, f"{_held(statement, tables)}, with lock_timeout = 0", statement.line)
        ordinary = ordinary or (None if rule else statement)
    if ordinary:
        seen = f"; {queue.words}" if queue else ""
        measured = f"{_held(ordinary, _strong(ordinary))}, with lock_timeout = 0{seen}"
        yield NO_TIMEOUT.finding(node, measured, ordinary.line)


def _unexpected(statement: Statement) -> tuple[Rule | None, list[str]]:
    """The rule for a statement that locks what one does not expect, and what that is."""
    strong = _strong(statement)
    if drop := _DROPS.match(statement.sql):
        others = [table for table in strong if not is_table(table, drop["table"])]
        return (PARENT_LOCKED, others) if others else (None, [])
    if _REFERS.match(statement.sql):
        parents = [table for table in strong if statement.locks[table] == "SHARE ROW EXCLUSIVE"]
        return (PARENT_WAITS, parents) if parents else (None, [])
    by_words = ((_TRIGGERS, TRIGGER), (_VIEWS, VIEW), (_METADATA, METADATA))
    return next((rule for words, rule in by_words if words.search(statement.sql)), None), strong


def _instant(node: Node, statement: Statement) -> Iterator[Finding]:
    strong = _strong(statement)
    if strong and (dropped := _DROPS_INDEX.match(statement.sql)):
        remedy = DROPPED_INDEX.remedy.format(index=dropped["index"].replace('"', ""))
        yield DROPPED_INDEX.finding(node, _held(statement, strong), statement.line, remedy)
    if strong and _DETACHES.search(statement.sql):
        yield DETACHED.finding(node, _held(statement, strong), statement.line)
    if statement.locks and _LOCKS.match(statement.sql):
        yield KEPT.finding(node, _held(statement, list(statement.locks)), statement.line)


def _several(node: Node, statements: Sequence[Statement], queue: Queue | None) -> Iterator[Finding]:
    """The first statement that locks a table while its transaction has locked another one before."""
    for statement in statements:
        strong = set(_strong(statement))
        before = statement.blocks.keys() - strong
        if statement.transaction and strong and before:
            held = f"takes {_held(statement, sorted(strong))}, and still holds {', '.join(sorted(before))}"
            if queue and queue.deadlock:
                held += f"; a transaction that wrote to {queue.behind} and then to {queue.deadlock} ended with it in a deadlock"
            yield SEVERAL.finding(node, held, statement.line)
            return


def _advisory(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    taken = [statement for statement in statements if _ADVISORY.search(statement.sql)]
    if taken and not any(_ADVISORY_END.search(statement.sql) for statement in statements):
        yield KEPT.finding(node, "an advisory lock of the session, which nothing gives back", taken[0].line)


def _strong(statement: Statement) -> list[str]:
    """The tables and views that the statement locked against writers or readers."""
    return [table for table, mode in statement.locks.items() if mode in BLOCKING]


def _held(statement: Statement, tables: Sequence[str]) -> str:
    return "; ".join(f"{statement.locks[table]} on {table}" for table in tables)
