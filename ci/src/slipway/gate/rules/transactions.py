"""T: a revision is one transaction, or can be run again after an interruption. Told by what was executed in which transaction."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from slipway.gate.history import Node
from slipway.gate.layers.interruption import Interruption
from slipway.gate.layers.stairway import Failure
from slipway.gate.layers.two_runners import Encounter
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level, Statement

CONCURRENTLY_INSIDE: Final = Rule(
    id="T01",
    name="CONCURRENTLY in a transaction",
    level=Level.ERROR,
    effect="The statement cannot be run in a transaction, and every revision is run in one.",
    remedy="""\
with op.get_context().autocommit_block():
    …  # the statement, alone in its revision""",
)
MIXED: Final = Rule(
    id="T02",
    name="mixed transactions",
    level=Level.WARNING,
    effect="Part of the revision is committed before the rest is run; an interruption in between leaves half of it.",
    remedy="Put what runs in an autocommit block into a revision of its own.",
)
NOT_AGAIN: Final = Rule(
    id="T03",
    name="cannot be run again",
    level=Level.ERROR,
    effect="The revision commits on its way; stopped there, it cannot be run again, and the database is stuck between two revisions.",
    remedy="""\
with op.get_context().autocommit_block():  # alone in its revision, and beginning with what an interrupted attempt may have left
    op.drop_index("…", "…", postgresql_concurrently=True, if_exists=True)
    op.create_index("…", "…", […], postgresql_concurrently=True)""",
)
INVALID: Final = Rule(
    id="T04",
    name="invalid index kept",
    level=Level.ERROR,
    effect="Stopped while it builds an index and run again, the revision keeps the index that is not valid: no query uses it, every write pays for it.",
    remedy="""\
with op.get_context().autocommit_block():
    op.drop_index("…", "…", postgresql_concurrently=True, if_exists=True)  # IF NOT EXISTS would keep an invalid one
    op.create_index("…", "…", […], postgresql_concurrently=True)""",
)
ENDED: Final = Rule(
    id="T05",
    name="transaction ended by hand",
    level=Level.ERROR,
    effect="The revision ends alembic's transaction by itself; what follows is no longer taken back when it fails, and neither is the revision's number.",
    remedy="""\
with op.get_context().autocommit_block():
    …  # what must run outside the transaction, alone in its revision""",
)
TOGETHER: Final = Rule(
    id="T07",
    name="many revisions in one transaction",
    level=Level.WARNING,
    effect="env.py runs all revisions in one transaction, so that the locks of the first are held until the last is done.",
    remedy="""\
context.configure(…, transaction_per_migration=True)
# what env.py says to the connection before that has begun a transaction, and alembic leaves it as it is: end it first
connection.commit()""",
)
BEGUN_BY_ENV: Final = Rule.error(
    "T06",
    "autocommit block in env.py's transaction",
    "env.py has begun the transaction itself, and alembic cannot leave it for an autocommit block.",
    """\
# in env.py: what is said to the connection before context.configure() begins a transaction; end it
connection.commit()
context.configure(connection=connection, …, transaction_per_migration=True)""",
)
NEW_ENUM_VALUE: Final = Rule(
    id="T08",
    name="enum value used too early",
    level=Level.ERROR,
    effect="A value that was added to an enum can be used only after the transaction that added it.",
    remedy="""\
with op.get_context().autocommit_block():
    op.execute("ALTER TYPE … ADD VALUE IF NOT EXISTS …")
# use the value in the next revision""",
)
LEAKING: Final = Rule(
    id="T09",
    name="setting that stays",
    level=Level.WARNING,
    effect="The setting stays for the session, and with it for every revision that comes after.",
    remedy='op.execute("SET LOCAL …")  # ends with the transaction',
)
REPEATED: Final = Rule(
    id="T10",
    name="a table worked through several times",
    level=Level.NOTE,
    effect="Several ALTER TABLE statements each read or write all rows of the table; one statement would do it once for all of them.",
    remedy="op.execute('ALTER TABLE {table} …, …')  # the actions of these statements, with commas between",
)
TWO_RUNNERS: Final = Rule(
    id="T11",
    name="two runners at once",
    level=Level.WARNING,
    effect="The revision commits on its way, and two runners that meet there leave another database than one of them.",
    remedy="""\
# what cannot be run in a transaction, alone in its revision:
with op.get_context().autocommit_block():
    op.create_index("…_new", "…", […], postgresql_concurrently=True, if_not_exists=True)
# and what replaces the old by the new in the next, in one transaction, of which alembic lets only one succeed""",
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html: active_sql_transaction, unsafe_new_enum_value_usage
_BY_CODE: Final = {"25001": CONCURRENTLY_INSIDE, "55P04": NEW_ENUM_VALUE}

# Each foreign key is checked by a query of its own, also where one statement adds several.
_REFERS = re.compile(r"\b(FOREIGN KEY|REFERENCES)\b", re.IGNORECASE)
_ENDS = re.compile(
    r"(?:\A|;)\s*(COMMIT|ROLLBACK(?!\s+TO\b)|ABORT|END|BEGIN|START TRANSACTION)\s*(?:WORK|TRANSACTION)?\s*(?:;|\Z)",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"\$(\w*)\$.*?(\$\1\$|\Z)|'(?:[^']|'')*'", re.DOTALL
)  # bodies of functions; a long one may be cut off
_SETS = re.compile(
    r"\A\s*SET (?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)(?:SESSION (?!CHARACTERISTICS\b))?(?P<name>[\w.]+)"
    r"|\bset_config\s*\([^()]*,\s*false\s*\)",
    re.IGNORECASE,
)
_ALTERS = re.compile(r"\A\s*ALTER TABLE\b", re.IGNORECASE)
_RESETS = re.compile(r"\A\s*(RESET|DISCARD)\b", re.IGNORECASE)


def of_failure(failure: Failure) -> Rule | None:
    """The rule that explains why an upgrade fails, when it is one on transactions."""
    return BEGUN_BY_ENV if failure.begun_by_env else _BY_CODE.get(failure.code or "")


def check(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Findings on the transactions of one revision."""
    yield from _mixed(node, statements)
    for statement in _ending_alembics(statements):
        yield ENDED.finding(node, statement.sql[:200], statement.line)
    yield from _repeated(node, statements)
    settings = [statement for statement in statements if _SETS.search(statement.sql)]
    if settings and not any(_RESETS.match(statement.sql) for statement in statements):
        yield LEAKING.finding(node, settings[0].sql[:200], settings[0].line)


def check_again(node: Node, interruptions: Sequence[Interruption]) -> Iterator[Finding]:
    """Findings on running a revision again: the first that fails, the first that leaves what is not valid."""
    for each in interruptions:
        if each.failure or (each.otherwise and not each.invalid):
            said = each.failure or each.otherwise
            yield NOT_AGAIN.finding(node, f"stopped {each.where} and run again: {said}", each.line)
            break
    for each in interruptions:
        if each.invalid:
            measured = f"stopped {each.where} and run again, it leaves {', '.join(each.invalid)} invalid"
            yield INVALID.finding(node, measured, each.line)
            break


def check_encounters(node: Node, encounters: Sequence[Encounter]) -> Iterator[Finding]:
    """A finding on the first meeting of two runners that leaves another database than one of them."""
    for each in encounters:
        if each.otherwise:
            failures = "; ".join(
                filter(
                    None,
                    (
                        each.first and f"the first failed: {each.first}",
                        each.second and f"the second failed: {each.second}",
                    ),
                )
            )
            measured = f"a second runner ran it while the first stood after the statement on line {each.line}: {each.otherwise}"
            yield TWO_RUNNERS.finding(node, f"{measured} ({failures})" if failures else measured, each.line)
            return


def check_together(new: Sequence[Node], locking: Sequence[Node]) -> Iterator[Finding]:
    """A finding on an env.py that runs revisions together, told at the newest that locks, when there are several."""
    if len(locking) > 1:
        yield TOGETHER.finding(
            locking[-1], f"{len(locking)} of {len(new)} new revisions lock tables that were there before"
        )


def _ending_alembics(statements: Sequence[Statement]) -> Iterator[Statement]:
    """What ends the transaction that alembic began; one that a revision began itself, in an autocommit block, is its own to end."""
    own = False
    for statement in statements:
        ends = _ENDS.search(_QUOTED.sub("", statement.sql)) is not None
        if ends and statement.transaction and not own:
            yield statement
        own = not statement.transaction if ends else own and statement.transaction


def _repeated(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """A finding for each table that more than one ALTER TABLE works through."""
    worked_through: dict[str, list[Statement]] = {}
    for statement in statements:
        if _ALTERS.match(statement.sql) and not _REFERS.search(statement.sql):
            for table in {*statement.rewrites, *statement.scans}:
                worked_through.setdefault(table, []).append(statement)
    for table, several in worked_through.items():
        if len(several) > 1:
            lines = ", ".join(str(statement.line) for statement in several)
            measured = f"{table} is worked through {len(several)} times, by the statements on lines {lines}"
            yield REPEATED.finding(node, measured, several[1].line, REPEATED.remedy.format(table=table))


def _mixed(node: Node, statements: Sequence[Statement]) -> Iterator[Finding]:
    """What locks or changes tables on both sides of a commit; a setting or a look at the catalog is nothing to lose."""
    inside = [statement for statement in statements if statement.transaction and _does_something(statement)]
    alone = [statement for statement in statements if not statement.transaction]
    if inside and alone:
        measured = f"{len(inside)} statements in a transaction, {len(alone)} outside, the first on line {alone[0].line}"
        yield MIXED.finding(node, measured, inside[0].line)


def _does_something(statement: Statement) -> bool:
    return not re.match(r"\s*(SELECT|SHOW|SET|RESET)\b", statement.sql, re.IGNORECASE)
