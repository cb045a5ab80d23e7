"""G: the graph of revisions."""

from collections.abc import Iterator

from slipway.gate.history import History
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level

SEVERAL_HEADS = Rule(
    "G01",
    Level.ERROR,
    "The history has several heads; `alembic upgrade head` refuses to choose.",
    'alembic merge heads -m "merge"',
)
DUPLICATE = Rule(
    "G04",
    Level.ERROR,
    "Two files claim the same revision; which one runs is chance.",
    "Give one of the files a revision id of its own.",
)
EDITED = Rule(
    "G05",
    Level.ERROR,
    "The revision was edited after it was released; a database that has run it will not run it again.",
    "Take the edit back (git checkout REF -- FILE), and say what is to change in a new revision.",
)
BROKEN = Rule(
    "G06",
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
