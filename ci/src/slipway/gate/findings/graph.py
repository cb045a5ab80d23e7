"""Rules G: the graph of revisions. Nothing is executed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from slipway.gate.history import History, ancestors
from slipway.gate.names import few
from slipway.gate.rulebook.graph import (
    ACROSS,
    APART,
    BROKEN,
    DUPLICATE,
    EDITED,
    GONE,
    NOT_ON_TOP,
    SEVERAL_HEADS,
)
from slipway.records.proof import Finding, Level


def check(history: History) -> Iterator[Finding]:
    """Yield the findings on the graph, and on edited files of released revisions."""
    for problem in history.broken:
        yield (DUPLICATE if "more than once" in problem else BROKEN).finding(None, problem)
    if len(history.heads) > 1:
        # None when all heads are in a baseline.
        newest = next((node for node in reversed(history.nodes) if node.id in history.heads), None)
        yield SEVERAL_HEADS.finding(newest, f"heads: {', '.join(history.heads)}")
    for node in history.nodes:
        if node.edited:
            advice = EDITED.advice.replace("REF -- FILE", f"{history.released} -- {node.file}")
            yield EDITED.finding(node, f"{node.file} differs from {history.released}", remedy=advice)
    yield from _gone(history)
    yield from _across(history)
    yield from _apart(history)
    if history.released is not None:
        yield from _not_on_top(history)


def _gone(history: History) -> Iterator[Finding]:
    """Find released revisions that the tree lacks.

    If it still has the released head, only databases at a missing revision cannot continue.
    """
    if not history.gone:
        return
    gone = f"{few([each.id for each in history.gone])} at {history.released}"
    heads = f", and a released database is at {', '.join(history.gone_heads)}" if history.gone_heads else ""
    first = next((node for node in history.nodes if node.added or node.edited), None)
    files = " ".join(dict.fromkeys(each.file for each in history.gone))
    code = GONE.code.replace("REF -- FILES", f"{history.released} -- {files}")
    if len(history.gone_heads) == 1:
        code = code.replace('"…"', _as_code(history.gone_heads))
    finding = GONE.finding(first, f"not in the tree: {gone}{heads}", remedy=code)
    yield finding if history.gone_heads else replace(finding, level=Level.WARNING)


def _apart(history: History) -> Iterator[Finding]:
    """Find the heads of the target branch that would remain beside our own after the merge."""
    lines = [each.down for each in history.nodes] + [each.down for each in history.ahead]
    followed = {parent for down in lines for parent in down}
    ours = [node for node in history.nodes if node.id not in followed]
    theirs = [each for each in history.ahead if each.id not in followed]
    if ours and theirs:
        heads = ", ".join(each.id for each in theirs)
        first = next((node for node in history.nodes if node.new), ours[-1])
        code = APART.code.replace("the first new revision's file", first.file)
        code = code.replace("…", _as_code([each.id for each in theirs]))
        yield APART.finding(ours[-1], f"{ours[-1].id} here, {heads} at {history.tip}", remedy=code)


def _across(history: History) -> Iterator[Finding]:
    """Find dependencies on revisions that are not already ancestors."""
    down = [(node.id, node.down) for node in reversed(history.nodes)]
    for node in history.nodes:
        beside = [each for each in node.parents if each not in node.down]
        parents = [each for each in beside if each not in ancestors(down, node.down)]
        if parents:
            advice = ACROSS.advice.replace("(…, …)", _as_code([*node.down, *parents]))
            yield ACROSS.finding(node, f"depends on {', '.join(parents)}", remedy=advice)


def _not_on_top(history: History) -> Iterator[Finding]:
    """Find new revisions whose parent already has a released child."""
    released = [node for node in history.nodes if node.edited or not node.new]
    followed = {parent for node in released for parent in node.down}
    heads = [node.id for node in released if node.id not in followed]
    code = NOT_ON_TOP.code.replace("…", _as_code(heads))
    for node in history.nodes:
        passed = [] if node in released else [parent for parent in node.down if parent in followed]
        if passed:
            measured = f"follows {', '.join(passed)}; the head at {history.released} is {', '.join(heads)}"
            yield NOT_ON_TOP.finding(node, measured, remedy=code)


def _as_code(revisions: Sequence[str]) -> str:
    """Return revisions as a Python value for down_revision."""
    quoted = ", ".join(f'"{revision}"' for revision in revisions)
    return quoted if len(revisions) == 1 else f"({quoted})"
