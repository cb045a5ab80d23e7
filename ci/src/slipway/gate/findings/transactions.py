"""Rules T: whether a revision is one transaction, or can be run again after an interruption."""

import ast
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from slipway.gate.findings.blocking import safe_index
from slipway.gate.findings.code import as_executed, in_quotes
from slipway.gate.history import History, Node
from slipway.gate.layers.from_empty import Break, Leftovers
from slipway.gate.layers.interruption import Interruption
from slipway.gate.layers.sessions import Encounter
from slipway.gate.layers.stairway import Failure
from slipway.gate.layers.together import TogetherResult
from slipway.gate.names import line_of
from slipway.gate.rulebook import transactions as rules
from slipway.gate.rulebook.rule import Rule
from slipway.gate.rulebook.waiting import EnvFile
from slipway.records.proof import AUTOCOMMIT, Finding, Level, Statement
from slipway.records.words import counted

# The names of the codes are active_sql_transaction and unsafe_new_enum_value_usage:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_CODE: Final = {"25001": rules.CONCURRENTLY_INSIDE, "55P04": rules.NEW_ENUM_VALUE}

# Postgres checks each foreign key by a query of its own, even when one statement adds several.
_REFERS = re.compile(r"\b(FOREIGN KEY|REFERENCES)\b", re.IGNORECASE)
_ENDS = re.compile(
    r"(?:\A|;)\s*(COMMIT|ROLLBACK(?!\s+TO\b)|ABORT|END|BEGIN|START TRANSACTION)\s*(?:WORK|TRANSACTION)?\s*(?:;|\Z)",
    re.IGNORECASE,
)
_QUOTED = re.compile(  # bodies of functions, which may be truncated when they are long
    r"\$(\w*)\$.*?(\$\1\$|\Z)|'(?:[^']|'')*'", re.DOTALL
)
_SETS = re.compile(
    r"\A\s*SET (?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION (?!CHARACTERISTICS\b))?(?P<name>[\w.]+)"
    r"|\bset_config\s*\([^()]*,\s*false\s*\)",
    re.IGNORECASE,
)
_SETS_LATER: Final = re.compile(
    r"\bALTER\s+(?:ROLE|USER(?!\s+MAPPING\b)|DATABASE|SYSTEM)\b[^;]*?\bSET\s+(?!TABLESPACE\b)\w", re.IGNORECASE
)
_IN_A_BLOCK = """\
with op.get_context().autocommit_block():  # restores the mode
    op.execute("…")"""
_ALTERS = re.compile(r"\A\s*ALTER TABLE\b", re.IGNORECASE)
_NAMED = re.compile(r'"([^"]+)"')
# A second run of these statements may find them done. Postgres refuses most of them in a transaction.
_REPEATABLE = (
    (re.compile(r"(\bADD VALUE )(?!IF\b)", re.IGNORECASE), r"\1IF NOT EXISTS "),
    (re.compile(r"(\bDROP INDEX (?:CONCURRENTLY )?)(?!IF\b|CONCURRENTLY\b)", re.IGNORECASE), r"\1IF EXISTS "),
)
_OUTSIDE_ONLY = re.compile(
    r"\bCONCURRENTLY\b|\A\s*(VACUUM|CREATE DATABASE|DROP DATABASE|ALTER SYSTEM)\b", re.IGNORECASE
)
_AUTOCOMMIT = re.compile(r"(?:#.*\n)*with op\.get_context\(\)\.autocommit_block\(\):")
_RESETS = re.compile(r"\A\s*(RESET|DISCARD)\b", re.IGNORECASE)


def in_own_revision(finding: Finding, statements: Sequence[Statement]) -> Finding:
    """If the revision has other statements, say that a remedy with an autocommit block needs a revision of its own (T02)."""
    if not finding.remedy_is_code or finding.rule.startswith("T") or not _AUTOCOMMIT.match(finding.remedy):
        return finding
    if not any(_changes(each) for each in statements if each.line != finding.line):
        return finding
    return replace(finding, remedy=f"# in a revision of its own:\n{finding.remedy}")


def of_failure(failure: Failure) -> Rule | None:
    """Return the rule about transactions that explains a failing upgrade, or None."""
    return rules.BEGUN_BY_ENV if failure.begun_by_env else _BY_CODE.get(failure.code or "")


def remedy_of(rule: Rule, node: Node, line: int) -> str | None:
    """Return the remedy with the statement in this line of the revision; None when the rule's remedy has no gap for it."""
    if rule is not rules.CONCURRENTLY_INSIDE:
        return None
    return rule.code.format(statement=_statement_at(node.source.decode(), line).replace("\n", "\n    "))


def _statement_at(source: str, line: int) -> str:
    """Return the source of the simple statement in a line; an ellipsis for a compound one."""
    at = (each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Expr) and _covers(each, line))
    return next((textwrap.dedent(ast.get_source_segment(source, each, padded=True) or "…") for each in at), "…")


def _covers(statement: ast.stmt, line: int) -> bool:
    return statement.lineno <= line <= (statement.end_lineno or statement.lineno)


def check(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield the findings on the transactions of one revision."""
    yield from _mixed(node, statements)
    for statement in _ending_alembic_transaction(statements):
        yield rules.ENDED.finding(node, statement.sql, statement.line)
    yield from _repeated(node, statements)
    settings = [statement for statement in statements if _SETS.search(statement.sql)]
    if settings and not any(_RESETS.match(statement.sql) for statement in statements):
        yield rules.LEAKING.finding(node, settings[0].sql, settings[0].line)
    for statement in statements:
        if _SETS_LATER.search(statement.sql):
            yield rules.FOR_LATER_SESSIONS.finding(node, statement.sql, statement.line)
        if statement.sql == AUTOCOMMIT:
            yield rules.LEAKING.finding(node, "the connection is left in autocommit mode", statement.line, _IN_A_BLOCK)


def check_again(
    node: Node, interruptions: Sequence[Interruption], statements: Sequence[Statement], template: str
) -> Iterator[Finding]:
    """Yield the first interruption after which a second run fails, and the first that leaves an invalid index.

    `template` is the file that puts an autocommit block around every revision, empty if none does.
    """
    for each in interruptions:
        if each.failure or (each.otherwise and not each.invalid):
            effect = each.failure or each.otherwise
            remedy, is_code = (rules.NEW_ROWS_ONLY, False) if each.in_rows else _repeatable(each, statements, template)
            message = rules.ROWS_AGAIN if each.in_rows else rules.NOT_AGAIN.message
            finding = rules.NOT_AGAIN.finding(
                node, f"interrupted {each.where} and run again: {effect}", each.line, remedy
            )
            yield replace(finding, message=message, remedy_is_code=is_code)
            break
    for each in interruptions:
        if each.invalid:
            measured = f"interrupted {each.where} and run again, it leaves {', '.join(each.invalid)} invalid"
            built = (safe_index(statement.sql) for statement in statements if statement.line == each.line)
            yield rules.INVALID.finding(node, measured, each.line, next(filter(None, built), None))
            break


def _repeatable(each: Interruption, statements: Sequence[Statement], template: str) -> tuple[str, bool]:
    """Return the remedy for the statement that a second run cannot repeat, and whether it is code.

    The error's names identify the statement.
    """
    line = line_of(_NAMED.findall(each.failure or ""), statements) or each.line
    statement = next((statement for statement in statements if statement.line == line), None)
    if statement is None or statement.transaction:
        return rules.BLOCK_APART, False
    if template and not any(_OUTSIDE_ONLY.search(statement.sql) for statement in statements):
        return rules.OUT_OF_TEMPLATE.format(template=template), False
    if index := safe_index(statement.sql):
        return index, True
    for pattern, repeatable in _REPEATABLE:
        if pattern.search(statement.sql):
            sql = pattern.sub(repeatable, statement.sql, count=1)
            return as_executed(rules.REPEATABLE.format(sql=in_quotes(sql)), sql), True
    return (rules.SKIPPING_WHAT_IS_DONE if _OUTSIDE_ONLY.search(statement.sql) else rules.IN_TRANSACTION), False


def check_encounters(node: Node, encounters: Sequence[Encounter]) -> Iterator[Finding]:
    """Yield a finding on the first meeting of two runners that leaves another database than one runner would."""
    for each in encounters:
        if each.otherwise:
            errors = (("first", each.first), ("second", each.second))
            failures = "; ".join(f"the {runner} failed: {error}" for runner, error in errors if error)
            measured = f"a second runner ran it while the first paused after line {each.line}: {each.otherwise}"
            yield rules.TWO_RUNNERS.finding(node, f"{measured} ({failures})" if failures else measured, each.line)
            return


def check_run(
    history: History, result: TogetherResult, failing_on_rows: Collection[str], version_table: str
) -> Iterator[Finding]:
    """Yield a finding when the new revisions fail in one run of env.py, or when no other connection sees their result."""
    if not (last := result.last):
        return
    stop, on_rows = last.stop, result.on_rows.stop if result.on_rows else None
    if not stop and on_rows and on_rows.fits and on_rows.revision not in failing_on_rows:
        stop = on_rows
    new = [node for node in history.nodes if node.new]
    if stop:
        node = next((node for node in history.nodes if node.id == stop.revision), new[-1])
        rule = of_failure(stop.failure) or rules.FAILS_TOGETHER
        measured = f"{stop.failure.message}; env.py runs {len(new)} new revisions in {last.transactions}"
        line = stop.failure.line_in(node, node.upgrade_line)
        yield rule.finding(node, measured, line, remedy_of(rule, node, line))
    elif not last.stop and set(last.seen) != set(history.heads):
        measured = f"after env.py's own run a new connection reads {', '.join(last.seen) or 'nothing'} in {version_table}, not {', '.join(history.heads)}"
        yield rules.NOT_COMMITTED.finding(new[-1], measured)


def check_from_empty(history: History, found: Break | None, leftovers: Leftovers | None) -> Iterator[Finding]:
    """Yield a finding when a run of all revisions fails and the released head does not; a note when the released ones fail alone."""
    rule = rules.BREAKS_FROM_EMPTY
    if leftovers and leftovers.failure:
        finding = rule.finding(None, leftovers.failure, remedy=rules.MEND_FROM_EMPTY)
        yield replace(finding, level=Level.NOTE, message=rules.BROKEN_FROM_EMPTY, remedy_is_code=False)
    if not found:
        return
    node = next(node for node in history.nodes if node.id == found.revision)
    line = found.failure.line_in(node, node.upgrade_line) if found.failure else None
    if found.too_late:
        why, remedy = f"alembic runs it before {found.too_late}", rules.AFTER_ANOTHER.format(revision=found.too_late)
    else:
        left = f" and leaves {found.left}" if found.left else ""
        why = f"{found.culprit or 'an earlier revision'} is in the same run of env.py ({found.transactions}){left}"
        statements = "\n".join(as_executed(f"op.execute('''{in_quotes(each)}''')", each) for each in found.resets)
        remedy = rule.code if found.own_transactions else rules.RESET_FIRST.format(statements=statements)
    finding = rule.finding(node, f"on an empty database: {found.what}; {why}", line, remedy)
    if found.too_late or found.own_transactions or found.resets:
        yield finding
    else:
        advice = rules.WITHOUT_WHAT_IS_LEFT.format(culprit=found.culprit or "a released revision")
        yield replace(finding, remedy=advice, remedy_is_code=False)


def check_together(new: Sequence[Node], locking: Sequence[Node], env: EnvFile) -> Iterator[Finding]:
    """Yield a finding on the newest revision when env.py runs several locking revisions in one transaction; at env.py's line if known."""
    if len(locking) > 1:
        found = rules.TOGETHER.finding(locking[-1], f"{len(locking)} of {len(new)} new revisions lock existing tables")
        line = env.configure_line
        yield replace(found, file=env.file, line=line) if line else found


def _ending_alembic_transaction(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Yield the statements that end alembic's transaction.

    In an autocommit block a revision may begin and end transactions of its own.
    """
    own = False
    for statement in statements:
        ends = _ENDS.search(_QUOTED.sub("", statement.sql)) is not None
        if ends and statement.transaction and not own:
            yield statement
        own = not statement.transaction if ends else own and statement.transaction


def _repeated(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield a finding for each table that several ALTER TABLE statements scan or rewrite, except to build indexes."""
    altered: dict[str, list[Statement]] = {}
    for statement in statements:
        if _ALTERS.match(statement.sql) and not _REFERS.search(statement.sql):
            # One ALTER TABLE rewrites and checks rows in one pass, but builds each index in a pass of its own.
            for table in {*statement.rewrites, *({*statement.scans} - {*statement.builds})}:
                altered.setdefault(table, []).append(statement)
    for table, several in altered.items():
        if len(several) > 1:
            lines = ", ".join(dict.fromkeys(str(statement.line) for statement in several))
            measured = f"{table} is scanned or rewritten {len(several)} times, at line {lines}"
            yield rules.REPEATED.finding(node, measured, several[1].line, rules.REPEATED.remedy.format(table=table))


def _mixed(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Yield a finding when a revision changes tables both inside and outside of the transaction.

    Settings and reads do not count.
    """
    inside = [statement for statement in statements if statement.transaction and _changes(statement)]
    alone = [statement for statement in statements if not statement.transaction]
    if inside and alone:
        measured = f"{counted(len(inside), 'statement')} in a transaction, {len(alone)} outside it, the first on line {alone[0].line}"
        yield rules.MIXED.finding(node, measured, inside[0].line)


def _changes(statement: Statement) -> bool:
    return statement.sql != AUTOCOMMIT and not re.match(r"\s*(SELECT|SHOW|SET|RESET)\b", statement.sql, re.IGNORECASE)
