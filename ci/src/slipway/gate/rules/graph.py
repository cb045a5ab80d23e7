"""G: the graph of revisions."""

from collections.abc import Iterator, Mapping, Sequence

from slipway.gate.history import History, Node
from slipway.gate.rules.rule import Rule
from slipway.records.proof import Finding, Level

SEVERAL_HEADS = Rule(
    id="G01",
    name="several heads",
    level=Level.ERROR,
    effect="The history has several heads; `alembic upgrade head` refuses to choose.",
    remedy='alembic merge heads -m "merge"',
)
DUPLICATE = Rule(
    id="G04",
    name="duplicate revision",
    level=Level.ERROR,
    effect="Two files claim the same revision; which one runs is chance.",
    remedy="Give one of the files a revision id of its own.",
)
EDITED = Rule(
    id="G05",
    name="edited revision",
    level=Level.ERROR,
    effect="The revision was edited after it was released; a database that has run it will not run it again.",
    remedy="Take the edit back (git checkout REF -- FILE), and say what is to change in a new revision.",
)
NOT_ON_TOP = Rule(
    id="G03",
    name="not on top",
    level=Level.ERROR,
    effect="The new revision follows one that is not the newest of what was released; a database that is past it will run it out of order, or not at all.",
    remedy="""\
# after a rebase, in the revision's file:
down_revision = …  # the head of what was released""",
)
APART = Rule(
    id="G02",
    name="two heads after the merge",
    level=Level.ERROR,
    effect="Others have added revisions since; merged with them the history has two heads, and `alembic upgrade head` refuses to choose.",
    remedy="""\
# after `git merge` or `git rebase`, in the first new revision's file:
down_revision = …  # the head of what was added meanwhile""",
)
ACROSS = Rule(
    id="G08",
    name="dependency across branches",
    level=Level.NOTE,
    effect="The revision depends on one of another branch: whoever downgrades that branch takes this revision along.",
    remedy="Follow both in a merge revision (down_revision = (…, …)), or keep what belongs together in one branch.",
)
BROKEN = Rule(
    id="G06",
    name="broken graph",
    level=Level.ERROR,
    effect="The history is no tree: a cycle, or a parent that is not there.",
    remedy="Mend down_revision in the file named, or bring back the missing file.",
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
    yield from _across(history)
    yield from _apart(history)
    if history.released is not None:
        yield from _not_on_top(history)


def _apart(history: History) -> Iterator[Finding]:
    """Heads that there would be beside our own, once what others have added is there too."""
    lines = [each.down for each in history.nodes] + [each.down for each in history.ahead]
    followed = {parent for down in lines for parent in down}
    ours = [node for node in history.nodes if node.id not in followed]
    theirs = [each for each in history.ahead if each.id not in followed]
    if ours and theirs:
        heads = ", ".join(each.id for each in theirs)
        yield APART.finding(ours[-1], f"{ours[-1].id} here, {heads} at {history.tip}")


def _across(history: History) -> Iterator[Finding]:
    """Dependencies on what a revision does not come after anyway."""
    down = {node.id: node.down for node in history.nodes}
    for node in history.nodes:
        if others := [parent for parent in node.parents if parent not in node.down and parent not in _line(down, node)]:
            yield ACROSS.finding(node, f"it depends on {', '.join(others)}")


def _line(down: Mapping[str, Sequence[str]], node: Node) -> set[str]:
    """All that a revision follows."""
    found: set[str] = set()
    waiting = list(node.down)
    while waiting:
        if (revision := waiting.pop()) not in found:
            found.add(revision)
            waiting += down.get(revision, ())
    return found


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
