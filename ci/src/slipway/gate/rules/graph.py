"""G: the graph of revisions."""

from collections.abc import Iterator

from slipway.gate.history import History
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level

SEVERAL_HEADS = Rule(
    "G01",
    "several heads",
    Level.ERROR,
    "The history has several heads; `alembic upgrade head` refuses to choose.",
    'alembic merge heads -m "merge"',
)
DUPLICATE = Rule(
    "G04",
    "duplicate revision",
    Level.ERROR,
    "Two files claim the same revision; which one runs is chance.",
    "Give one of the files a revision id of its own.",
)
EDITED = Rule(
    "G05",
    "edited revision",
    Level.ERROR,
    "The revision was edited after it was released; a database that has run it will not run it again.",
    "Take the edit back (git checkout REF -- FILE), and say what is to change in a new revision.",
)
NOT_ON_TOP = Rule(
    "G03",
    "not on top",
    Level.ERROR,
    "The new revision follows one that is not the newest of what was released; a database that is past it will run it out of order, or not at all.",
    """\
# after a rebase, in the revision's file:
down_revision = …  # the head of what was released""",
)
BROKEN = Rule(
    "G06",
    "broken graph",
    Level.ERROR,
    "The history is no tree: a cycle, or a parent that is not there.",
    "Mend down_revision in the file named, or bring back the missing file.",
)


def check(history: History) -> Iterator[Finding]:
    """Findings on the graph alone; nothing is executed."""
    for problem in history.broken:
        yield (DUPLICATE if "more than once" in problem else BROKEN).finding(None, problem)
    if len(history.heads) > 1:
        newest = next(node for node in reversed(history.nodes) if node.id in history.heads)
        yield SEVERAL_HEADS.finding(newest, f"heads: {', '.join(history.heads)}")
    for node in history.nodes:
        if node.edited:
            yield EDITED.finding(node, f"{node.file} said something else at {history.released}")
    if history.released is not None:
        yield from _not_on_top(history)


def _not_on_top(history: History) -> Iterator[Finding]:
    """New revisions beneath which something was released already."""
    released = [node for node in history.nodes if node.edited or not node.new]
    followed = {parent for node in released for parent in node.down}
    heads = ", ".join(node.id for node in released if node.id not in followed)
    for node in history.nodes:
        if node in released:
            continue
        if passed := [parent for parent in node.down if parent in followed]:
            yield NOT_ON_TOP.finding(node, f"it follows {', '.join(passed)}; the head at {history.released} is {heads}")
