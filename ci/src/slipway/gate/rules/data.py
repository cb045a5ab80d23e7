"""D: what happens to rows? Told by what the steps did to tables that were filled before."""

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from slipway.gate.history import Node
from slipway.gate.layers.rows import Rows
from slipway.gate.layers.sequences import Behind
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.lines import Change
from slipway.gate.names import line_of
from slipway.gate.rules.growth import with_growth
from slipway.gate.rules.rule import Rule
from slipway.gate.steps import AGAIN, DOWN, UP
from slipway.records.proof import Finding, Growth, Level, Statement

FAILS = Rule(
    id="D01",
    name="fails on rows",
    level=Level.ERROR,
    effect="The upgrade passes on empty tables and fails on rows.",
    remedy="Bring the rows into shape first, in this revision or in one before it: fill what is NULL, remove what is there twice.",
)
LOSES = Rule(
    id="D02",
    name="downgrade loses rows",
    level=Level.ERROR,
    effect="The downgrade loses or changes rows that the upgrade had kept, or cannot be run on them.",
    remedy="Write back in downgrade() what upgrade() changed, or raise NotImplementedError to say that there is no way back.",
)
DROPS = Rule(
    id="D03",
    name="drop with rows",
    level=Level.WARNING,
    effect="The upgrade drops what holds rows; no downgrade brings them back.",
    remedy="Drop it in a release of its own, when nothing reads it any more and a backup is at hand.",
)


DELETES = Rule(
    id="D10",
    name="upgrade deletes rows",
    level=Level.WARNING,
    effect="The upgrade deletes rows; no downgrade brings them back.",
    remedy="Keep them in a table of their own until the release after the next, or let the application delete them.",
)
WHOLE_TABLE = Rule(
    id="D04",
    name="whole table in one transaction",
    level=Level.WARNING,
    effect="Every row that is written stays locked until the transaction ends, and each writer who meets one waits as long.",
    remedy="""\
with op.get_context().autocommit_block():  # each batch its own transaction
    batch = sa.text("UPDATE … SET … WHERE id IN (SELECT id FROM … WHERE … IS NULL LIMIT 1000)")
    while op.get_bind().execute(batch).rowcount:
        pass""",
)
MODELS = Rule(
    id="D06",
    name="application models in a revision",
    level=Level.WARNING,
    effect="The revision imports the application's models, which will be others when it is run next year.",
    remedy="""\
notes = sa.table("notes", sa.column("id", sa.Integer), sa.column("title", sa.Text))  # what the revision needs, as it is today
op.execute(sa.update(notes).values(title="…"))""",
)

LOSSY = Rule(
    id="D05",
    name="lossy cast",
    level=Level.WARNING,
    effect="The new type does not hold all that the old one held; what the cast took away is gone.",
    remedy="""\
op.add_column("…", sa.Column("…_new", …))  # of the new type, beside the old column
# write both in the next release, compare them, and drop the old one when nothing is missed""",
)
AGAIN_FROM_THE_START = Rule(
    id="D07",
    name="backfill that begins again",
    level=Level.WARNING,
    effect="Stopped on its way and run again, the backfill writes rows again that were done.",
    remedy="""\
with op.get_context().autocommit_block():  # leaves alone what is done
    batch = sa.text("UPDATE … SET … WHERE id IN (SELECT id FROM … WHERE … IS NULL LIMIT 1000)")
    while op.get_bind().execute(batch).rowcount:
        pass""",
)
BEHIND = Rule(
    id="D09",
    name="sequence behind its column",
    level=Level.WARNING,
    effect="The sequence goes on with a value that the column holds already; the next row that the application writes is refused, or doubled.",
    remedy="""\
op.execute("SELECT setval('{sequence}', (SELECT max({column}) FROM {table}))")""",
)
CASCADES = Rule(
    id="D08",
    name="rows deleted with others",
    level=Level.WARNING,
    effect="Whoever deletes a row of the other table now deletes rows of this one with it, which the previous release does not expect.",
    remedy="""\
op.create_foreign_key("…", "…", "…", […], […], ondelete="RESTRICT")  # and delete by a statement of the application's own""",
)

_WRITES = re.compile(r"\A\s*(WITH\b.*\b)?(UPDATE|DELETE FROM|MERGE)\b", re.IGNORECASE)
_CASCADES = "ON DELETE CASCADE"
_IN_BATCHES = re.compile(r"\b(LIMIT|FETCH)\b", re.IGNORECASE)


def check_statements(node: Node, statements: Iterable[Statement], growth: Sequence[Growth]) -> Iterator[Finding]:
    """Findings on statements that write rows: those that read a whole table for it, under no stronger lock, see Q05."""
    for statement in statements:
        whole = statement.scans and not statement.blocks and not _IN_BATCHES.search(statement.sql)
        if whole and _WRITES.match(statement.sql):
            measured = f"writes while it reads all of {', '.join(statement.scans)}"
            yield WHOLE_TABLE.finding(node, with_growth(measured, statement, growth), statement.line)


def _counted_on(behind: Behind) -> str:
    return BEHIND.remedy.format(table=behind.table, column=behind.column, sequence=behind.sequence)


def check_references(node: Node, steps: Steps) -> Iterator[Finding]:
    """Findings on references with ON DELETE CASCADE that a table has now and had not before; a new table has no rows to lose."""
    change = steps.changes.get(UP, Change())
    new_tables = tuple(f"{line.name}." for line in change.added if line.kind in ("table", "partitioned table"))
    before = {line.definition for line in change.removed}  # the same under another name is no news
    for line in change.added:
        cascades = line.kind == "foreign key" and _CASCADES in line.definition
        if cascades and line.definition not in before and not line.name.startswith(new_tables):
            saying = (each.line for each in steps.statements if _CASCADES in each.sql.upper())
            yield CASCADES.finding(node, f"{line.name}: {line.definition}", next(saying, None))


def check_imports(node: Node, is_own: Callable[[str], bool]) -> Iterator[Finding]:
    """Findings on what a revision that has been run imports of the service: modules with mapped classes."""
    for line, name in _imported(node.source):
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if file and is_own(file) and any(map(_is_mapped, vars(module).values())):
            yield MODELS.finding(node, f"imports {name}", line)
            return


def _is_mapped(value: object) -> bool:
    """Whether it is a mapped class; a proxy is not asked, for it may answer only within a request."""
    return issubclass(type(value), type) and hasattr(value, "__table__")


def _imported(source: bytes) -> Iterator[tuple[int, str]]:
    """The modules that a file imports, with the line; of `from a import b` both a and a.b."""
    for statement in ast.walk(ast.parse(source)):
        if isinstance(statement, ast.Import):
            yield from ((statement.lineno, alias.name) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.lineno, statement.module
            yield from ((statement.lineno, f"{statement.module}.{alias.name}") for alias in statement.names)


def check(node: Node, rows: Rows, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Findings on what one revision did to rows."""
    if failure := rows.failures.get(UP):
        yield FAILS.finding(node, failure.said, failure.line_in(node, node.upgrade_line))
    for loss in rows.dropped:
        yield DROPS.finding(node, loss.words, line_of([*loss.name.split(".")[1:], "DROP"], statements))
    for loss in rows.deleted:
        yield DELETES.finding(node, loss.words, line_of([loss.name, "DELETE", "TRUNCATE"], statements))
    for loss in rows.recast:
        yield LOSSY.finding(node, loss.words, line_of([*loss.name.split(".")[1:], "TYPE"], statements))
    for loss in rows.changed:
        yield LOSES.finding(node, f"after the downgrade {loss.words}", node.downgrade_line)
    for each in rows.again:
        yield AGAIN_FROM_THE_START.finding(node, f"executed again, it writes {each.rows} rows again", each.line)
    for behind in rows.behind:
        yield BEHIND.finding(
            node, str(behind), line_of([behind.table, behind.column, "INSERT"], statements), _counted_on(behind)
        )
    for step, line in ((DOWN, node.downgrade_line), (AGAIN, node.upgrade_line)):
        if (failure := rows.failures.get(step)) and not failure.declared:
            yield LOSES.finding(node, failure.said, failure.line_in(node, line))
