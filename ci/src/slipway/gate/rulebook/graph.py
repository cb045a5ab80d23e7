"""G: the graph of revisions."""

from typing import Final

from slipway.gate.rulebook.rule import NOTHING, Example, Rule
from slipway.records.proof import Level

SEVERAL_HEADS: Final = Rule(
    id="G01",
    name="several heads",
    level=Level.ERROR,
    message="The history has several heads; `alembic upgrade head` refuses to choose.",
    implies=NOTHING,
    advice='Merge them: alembic merge heads -m "merge".',
    related=("G02", "G03"),
    example=Example(
        graph=True,
        bad="""\
a follows nothing
b follows a
c follows a""",
        good="""\
a follows nothing
b follows a
c follows a
merge follows b and c""",
    ),
)
APART: Final = Rule(
    id="G02",
    name="two heads after the merge",
    level=Level.ERROR,
    message="The target branch has new revisions; after the merge the history has two heads, and `alembic upgrade head` refuses to choose.",
    implies=NOTHING,
    code="""\
# after `git merge` or `git rebase`, in the first new revision's file:
down_revision = …  # the head of the revisions added meanwhile""",
    related=("G01", "G03"),
    example=Example(
        graph=True,
        bad="""\
first follows nothing (released)
ours follows first
theirs follows first (added on the target branch)""",
        good="""\
first follows nothing (released)
theirs follows first
ours follows theirs""",
    ),
)
NOT_ON_TOP: Final = Rule(
    id="G03",
    name="not on top of the released head",
    level=Level.ERROR,
    message="The new revision does not follow the newest released one; a database beyond its parent runs it out of order, or not at all.",
    implies=NOTHING,
    code="""\
# after a rebase, in the revision's file:
down_revision = …  # the released head""",
    related=("G01", "G02"),
    example=Example(
        graph=True,
        bad="""\
a follows nothing (released)
released follows a (released)
new follows a
merge follows released and new""",
        good="""\
a follows nothing (released)
released follows a (released)
new follows released""",
    ),
)
DUPLICATE: Final = Rule(
    id="G04",
    name="duplicate revision id",
    level=Level.ERROR,
    message="Two files have the same revision id; which one runs is undefined.",
    implies=NOTHING,
    advice="Give one of the files a new revision id.",
    related=("G06",),
)
EDITED: Final = Rule(
    id="G05",
    name="released revision edited",
    level=Level.ERROR,
    message="The revision was edited after its release; a database that has run it will not run it again.",
    implies=NOTHING,
    advice="Revert the edit (git checkout REF -- FILE) and make the change in a new revision.",
    related=("G03",),
    example=Example(
        graph=True,
        bad="""\
a follows nothing (released)
edited follows a (released)""",
        good="""\
a follows nothing (released)
untouched follows a (released)
new follows untouched""",
    ),
)
BROKEN: Final = Rule(
    id="G06",
    name="broken graph",
    level=Level.ERROR,
    message="The history has a cycle or a missing parent.",
    implies=NOTHING,
    advice="Correct down_revision in the file named, or restore the missing file.",
    related=("G04",),
    example=Example(
        graph=True,
        bad="""\
a follows nothing
c follows b""",
        good="""\
a follows nothing
b follows a
c follows b""",
    ),
)
ACROSS: Final = Rule(
    id="G08",
    name="dependency across branches",
    level=Level.NOTE,
    message="The revision depends on one of another branch; downgrading that branch downgrades this revision too.",
    implies=NOTHING,
    advice="Follow both in a merge revision (down_revision = (…, …)), or keep dependent revisions in one branch.",
    related=("G01",),
    example=Example(
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
    ),
)
