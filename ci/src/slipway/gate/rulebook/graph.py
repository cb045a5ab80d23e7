"""Rules G and A: the graph of revisions, and comments that suppress findings."""

from functools import partial
from typing import Final

from slipway.gate.rulebook.rule import NOTHING, Rule
from slipway.records.proof import Level

_error: Final = partial(Rule, level=Level.ERROR, implies=NOTHING, graph=True)

SEVERAL_HEADS: Final = _error(
    id="G01",
    name="several heads",
    message="The history has several heads; `alembic upgrade head` refuses to choose.",
    advice='Merge them: alembic merge heads -m "merge".',
    related=("G02", "G03"),
    bad="""\
a follows nothing
b follows a
c follows a""",
    good="""\
a follows nothing
b follows a
c follows a
merge follows b and c""",
)
APART: Final = _error(
    id="G02",
    name="two heads after the merge",
    message="The target branch has new revisions; after the merge the history has two heads, and `alembic upgrade head` refuses to choose.",
    code="""\
# after `git merge` or `git rebase`, in the first new revision's file:
down_revision = …  # the head of the revisions added meanwhile""",
    related=("G01", "G03"),
    bad="""\
first follows nothing (released)
ours follows first
theirs follows first (added on the target branch)""",
    good="""\
first follows nothing (released)
theirs follows first
ours follows theirs""",
)
NOT_ON_TOP: Final = _error(
    id="G03",
    name="not on top of the released head",
    message="The new revision does not follow the newest released one; a database beyond its parent runs it out of order, or not at all.",
    code="""\
# after a rebase, in the revision's file:
down_revision = …  # the released head""",
    related=("G01", "G02"),
    bad="""\
a follows nothing (released)
released follows a (released)
new follows a
merge follows released and new""",
    good="""\
a follows nothing (released)
released follows a (released)
new follows released""",
)
DUPLICATE: Final = _error(
    id="G04",
    name="duplicate revision id",
    message="Two files have the same revision id; which one runs is undefined.",
    advice="Give one of the files a new revision id.",
    related=("G06",),
)
EDITED: Final = _error(
    id="G05",
    name="released revision edited",
    message="The revision was edited after its release; a database that has run it will not run it again.",
    advice="Revert the edit (git checkout REF -- FILE) and make the change in a new revision.",
    related=("G03",),
    bad="""\
a follows nothing (released)
edited follows a (released)""",
    good="""\
a follows nothing (released)
untouched follows a (released)
new follows untouched""",
)
BROKEN: Final = _error(
    id="G06",
    name="broken graph",
    message="The history has a cycle or a missing parent.",
    advice="Correct down_revision in the file named, or restore the missing file.",
    related=("G04",),
    bad="""\
a follows nothing
c follows b""",
    good="""\
a follows nothing
b follows a
c follows b""",
)
GONE: Final = _error(
    id="G07",
    name="released revision gone",
    message="A released revision is not in the tree; databases at that revision cannot be upgraded: alembic cannot locate it.",
    code="""\
# restore the files: git checkout REF -- FILES
# or, to squash revisions that every database has run, give the one that replaces them the id of the newest:
revision = "…"  # the released head: databases there have nothing to run
down_revision = None
# slipway: allow G05 because it replaces the revisions up to its own id""",
    related=("G05", "G06"),
    bad="""\
a follows nothing (gone)
b follows a (gone)
squashed follows nothing""",
    good="""\
a follows nothing (released)
b follows a (released)
new follows b""",
)
ACROSS: Final = Rule(
    id="G08",
    name="dependency across branches",
    level=Level.NOTE,
    message="The revision depends on one of another branch; downgrading that branch downgrades this revision too.",
    implies=NOTHING,
    advice="Follow both in a merge revision (down_revision = (…, …)), or keep dependent revisions in one branch.",
    related=("G01",),
    graph=True,
    bad="""\
notes follows nothing
billing follows nothing
invoices follows billing and depends on notes
merged follows notes and invoices""",
    good="""\
notes follows nothing
billing follows nothing
merged follows notes and billing
invoices follows merged""",
)

UNUSED: Final = Rule(
    id="A01",
    name="unused comment",
    level=Level.WARNING,
    message="The comment allows a finding that does not occur; it would hide the next one.",
    implies=NOTHING,
    advice="Delete the comment, or the rule in it that has no finding.",
    related=("A02",),
    bad="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# slipway: allow L01 because the table has ten rows
op.add_column("notes", sa.Column("read", sa.Boolean()))""",
    good="""\
op.execute("SET LOCAL lock_timeout = '2s'")
# slipway: allow L01 because the table has ten rows
op.create_index("notes_title", "notes", ["title"])""",
)
UNREADABLE: Final = Rule(
    id="A02",
    name="unreadable comment",
    level=Level.ERROR,
    message="The comment is meant to allow a finding, but it cannot be read.",
    implies=NOTHING,
    code="""\
# slipway: allow RULE until=2027-01-31 because REASON
# On the line of the statement, right above it, or at the top level for the whole file.
# Separate several rules with commas; `until=` is optional.""",
    related=("A01",),
    bad="""\
# slipway: allow L01
op.create_index("notes_title", "notes", ["title"])""",
    good="""\
# slipway: allow L01 because the table has ten rows
op.create_index("notes_title", "notes", ["title"])""",
)
