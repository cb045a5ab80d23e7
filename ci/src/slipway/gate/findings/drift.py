"""Drift: each difference at the revision that brought it; those of released revisions are one note."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slipway.gate.history import History, Node
from slipway.gate.layers.drift import Difference
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.names import few, parts
from slipway.gate.rulebook import schema as rules
from slipway.records.gate import Previous
from slipway.records.proof import Finding

# A release fails at once without these, so one that only the models have is new unless the previous release is known to have it.
_WHOLE = ("table", "partitioned table", "column")


def check(
    history: History, steps: Mapping[str, Steps], differences: Iterable[Difference], previous: Previous | None
) -> Iterator[Finding]:
    """Yield one finding per difference that a new revision or a changed model brought, and one for all others."""
    origin = _Origin(history, {node.id: steps[node.id].upgraded for node in history.nodes}, previous)
    released = []
    for difference in differences:
        node = origin.of(difference)
        if node and node.old:
            released.append(difference)
        else:
            yield (rules.NAMED_APART if difference.named_apart else rules.DRIFT).finding(node, str(difference))
    if released:
        yield rules.RELEASED_DRIFT.finding(None, f"{len(released)}: {few(released)}")


@dataclass(frozen=True)
class _Origin:
    """Finds the revision that brought a difference; `previous` knows what the models were before."""

    history: History
    changes: Mapping[str, Change]
    previous: Previous | None

    def of(self, difference: Difference) -> Node | None:
        """Return the revision, or None for a model that changed without a new one."""
        touched = self._last_touched(difference)
        if (touched and touched.new) or difference.models is None:
            return touched or self.history.nodes[-1]
        newest = next((node for node in reversed(self.history.nodes) if node.new), None)
        known: Collection[str] = self.previous.spelled if self.previous else ()
        if known and difference.spelled:
            return self._released(touched) if difference.spelled in known else newest
        missing = difference.migrations is None and difference.line.kind in _WHOLE
        return (newest if missing else touched) or self.history.nodes[-1]

    def _released(self, touched: Node | None) -> Node:
        old = (node for node in reversed(self.history.nodes) if node.old)
        return touched or next(old, self.history.nodes[-1])

    def _last_touched(self, difference: Difference) -> Node | None:
        """Return the last revision that changed or dropped the object, or its columns if only the models have it."""
        names = {(line.kind, line.name) for line in (difference.migrations, difference.models) if line}
        if difference.migrations is None:
            names |= {("column", name) for name in self._columns_of(difference)}
        for node in reversed(self.history.nodes):
            change = self.changes[node.id]
            moved = {
                (line.kind, line.name): before for line in change.added if (before := _before_renaming(line, change))
            }
            names = {moved.get(name, name) for name in names}
            if any(
                (line.kind, line.name) in names
                for line in (*change.added, *change.removed)
                if not _is_moved(line, moved)
            ):
                return node
        return None

    def _columns_of(self, difference: Difference) -> Iterator[str]:
        words = set(re.findall(r"\w+", difference.line.definition))
        for change in self.changes.values():
            for line in change.added:
                *table, column = parts(line.name)
                if line.kind == "column" and column in words and tuple(table) == parts(difference.table):
                    yield line.name


def _before_renaming(line: Line, change: Change) -> tuple[str, str] | None:
    """Return kind and name of a line before a change that only renamed its table."""
    same = (each for each in change.removed if (each.kind, each.definition) == (line.kind, line.definition))
    return next(((each.kind, each.name) for each in same if parts(each.name)[-1] == parts(line.name)[-1]), None)


def _is_moved(line: Line, moved: Mapping[tuple[str, str], tuple[str, str]]) -> bool:
    return (line.kind, line.name) in moved or (line.kind, line.name) in moved.values()
