"""Drift: each difference is reported at the revision that caused it.

Differences of released revisions are one note; so are wider types.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from slipway.gate.history import History, Node
from slipway.gate.layers.drift import VIEWS, Difference, ModelsResult, table_of
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.measure.meaning import holds, limits
from slipway.gate.names import few, is_table, parts, quoted_parts
from slipway.gate.rulebook import schema as rules
from slipway.records.gate import Previous
from slipway.records.proof import Finding
from slipway.records.words import counted

# Releases fail immediately without these. One that only the models have is therefore new, unless the previous release
# is known to have it.
_WHOLE = ("table", "partitioned table", "column")
_OF_TABLES = (*_WHOLE, "primary key", "unique", "foreign key", "check", "exclusion", "index")
# The words for objects that alembic's autogenerate does not compare.
_NOT_COMPARED = {
    "primary key": "primary keys",
    "check": "check constraints",
    "exclusion": "exclusion constraints",
    "enum": "enum types",
    "domain": "domains",
}
_NOT_COMPARED_PARTS = {
    "table": "properties of tables",
    "partitioned table": "properties of tables",
    "column": "collations and generated values",
    "index": "methods or conditions of indexes",
}
_PARTS = re.compile(r" (?:collate \S+|generated .*|USING \w+(?= )|(?:INCLUDE|WITH|WHERE|INVALID)\b.*)", re.DOTALL)
# A view that the application makes at start is only dropped by revisions. A model can have it as its table.
_OF_VIEW = re.compile(
    r'\s*(?:(?P<made>CREATE)|DROP)\b[^;(]*?\bVIEW (?:IF (?:NOT )?EXISTS )?(?P<view>[\w."]+)', re.IGNORECASE
)
_DEFAULT = re.compile(r" default .*", re.DOTALL)
_HABIT = 3  # number of tables: a wider type in so many is named even if old revisions caused it


def check(
    history: History,
    steps: Mapping[str, Steps],
    models: ModelsResult,
    previous: Previous | None,
    baseline: str,
) -> Iterator[Finding]:
    """Yield a finding for each difference that a new revision or a changed model caused, and one for all others together."""
    released, gone, by_hand = [], [], []
    origin = _Origin(
        history=history,
        changes={node.id: steps[node.id].upgraded for node in history.nodes},
        previous=previous,
        begun=bool(baseline) or any(node.old for node in history.nodes),
    )
    yield from _unknown(models, origin)
    of_views = [match for each in steps.values() for sql in each.statements if (match := _OF_VIEW.match(sql.sql))]
    views = {match["view"] for match in of_views} - {match["view"] for match in of_views if match["made"]}
    known = {line.name for each in origin.changes.values() for line in each.removed if line.kind in VIEWS}
    wider = [
        (types, several)
        for types, several in _wider(models.differences).items()
        if len({each.table for each in several}) >= _HABIT
        or any(not origin.is_old(each, origin.last_touched(each)) for each in several)
    ]
    if wider:
        yield rules.WIDER.finding(None, "; ".join(f"{types}: {_places(several)}" for types, several in wider))
    noted = {each for _, several in wider for each in several}
    for difference in models.differences:
        is_absent = difference.migrations is None and difference.table not in known
        if difference in noted or (is_absent and any(is_table(difference.table, view) for view in views)):
            continue
        touched = origin.last_touched(difference)
        if origin.is_old(difference, touched):
            released.append(f"{difference}{(where := origin.gone_from_models(difference))}")
            if where:
                gone.append(parts(difference.line.name)[-1])
            else:
                by_hand.append(_not_compared(difference))
        else:
            node = touched if touched and touched.new else origin.newest
            if difference.types and limits(*difference.types):
                ours, theirs = difference.types
                yield rules.LIMITED.finding(node, f"{difference.line.name} is {ours}, and {theirs} in the models")
                continue
            rule = rules.NAMED_APART if difference.named_apart else rules.DRIFT
            yield rule.finding(node, str(difference), remedy=_remedy(node, difference))
    if released:
        remedies = [rules.GONE_FROM_MODELS.format(names=few(gone))] if gone else []
        remedies += [_when_it_suits(by_hand)] if by_hand else []
        yield rules.RELEASED_DRIFT.finding(None, f"{len(released)}: {few(released)}", remedy=" ".join(remedies))


def _unknown(models: ModelsResult, origin: "_Origin") -> Iterator[Finding]:
    """Yield a finding when an error prevented a comparison, at a new revision that may have changed the objects concerned."""
    if models.failed and origin.newest:
        yield rules.UNKNOWN_DRIFT.finding(origin.newest, models.gap)
    for table, error in models.unbuilt.items():
        if node := origin.last_changed(table):
            yield rules.UNKNOWN_DRIFT.finding(node, f"{table} was not compared: {error}")


def _remedy(node: Node | None, difference: Difference) -> str | None:
    """Return the remedy for a difference; None when the rule's own advice fits."""
    *table, name = quoted_parts(difference.line.name)
    if difference.validity_alone:
        return rules.VALIDATED.format(table=".".join(table), name=name)
    if node and difference.models is None and difference.line.kind in _WHOLE:
        return rules.TO_BE_DROPPED.format(name=parts(difference.line.name)[-1])
    return None if difference.named_apart or not _not_compared(difference) else rules.BY_HAND


def _not_compared(difference: Difference) -> str:
    """Return the words for a part of a difference that autogenerate does not compare; empty when it compares all."""
    ours, theirs, kind = difference.migrations, difference.models, difference.line.kind
    if difference.validity_alone:
        return "the validation of constraints"
    if ours and theirs and not difference.named_apart and _compared(ours) == _compared(theirs):
        return _NOT_COMPARED_PARTS.get(kind) or _NOT_COMPARED.get(kind, "")
    return _NOT_COMPARED.get(kind, "")


def _compared(line: Line) -> str:
    return "" if "table" in line.kind else _PARTS.sub("", line.definition)


def _when_it_suits(by_hand: Sequence[str]) -> str:
    """Return the advice on old differences.

    `by_hand` has, for each, the words for what autogenerate does not compare.
    """
    unseen = ", ".join(dict.fromkeys(filter(None, by_hand)))
    if not unseen:
        return rules.RELEASED_DRIFT.advice
    template = rules.RELEASED_IN_PART if "" in by_hand else rules.RELEASED_BY_HAND
    return template.format(unseen=unseen)


def _wider(differences: Sequence[Difference]) -> Mapping[str, Sequence[Difference]]:
    """Return the columns to which the migrations give a wider type or a default, by the words for both sides."""
    by_types = defaultdict(list)
    for difference in differences:
        ours, theirs = difference.migrations, difference.models
        if ours and theirs and ours.kind == "column" and _DEFAULT.sub("", ours.definition) == theirs.definition:
            by_types["a default in the migrations, none in the models"].append(difference)
        elif difference.types and holds(*difference.types):
            wide, narrow = difference.types
            other = narrow.partition("(")[0]
            limited = f"{other} with a limit" if other == wide else other
            by_types[f"{wide} in the migrations, {limited} in the models"].append(difference)
    return by_types


def _places(differences: Sequence[Difference]) -> str:
    tables = sorted({difference.table for difference in differences})
    if len(differences) < _HABIT:
        return few([difference.line.name for difference in differences])
    columns, of = counted(len(differences), "column"), counted(len(tables), "table")
    return f"{columns} of {of} ({', '.join(tables)})"


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """The search for the revision that caused a difference. `previous` has the earlier models."""

    history: History
    changes: Mapping[str, Change]
    previous: Previous | None
    begun: bool  # whether old revisions or a baseline came before the new revisions

    @property
    def newest(self) -> Node | None:
        """The newest of the new revisions; None when there is none."""
        return next((node for node in reversed(self.history.nodes) if node.new), None)

    def is_old(self, difference: Difference, touched: Node | None) -> bool:
        """Return whether a difference existed before the new revisions and models.

        `touched` is the last revision that concerns it.
        """
        if touched and touched.new:
            return False
        known: Collection[str] = self.previous.spelled if self.previous else ()
        if difference.models and difference.spelled and known:
            return difference.spelled in known
        if difference.migrations is None and difference.line.kind in _WHOLE:
            return self.newest is None
        return self.begun

    def gone_from_models(self, difference: Difference) -> str:
        """Return words on an object of the migrations that only the previous release's models had; empty for other objects."""
        if difference.models or difference.line.kind not in _WHOLE or self.previous is None:
            return ""
        column = parts(difference.line.name)[-1] if difference.line.kind == "column" else None
        for model in self.previous.models:
            has_it = column is None or any(each.name == column for each in model.columns)
            if has_it and is_table(difference.table, model.name):
                return f" (the models of {self.previous.name} have it)"
        return ""

    def last_touched(self, difference: Difference) -> Node | None:
        """Return the last revision that changed or dropped the object or, if only the models have the object, its columns."""
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

    def last_changed(self, table: str) -> Node | None:
        """Return the last new revision that changed a table or an object in it."""
        for node in reversed(self.history.nodes):
            change = self.changes[node.id]
            lines = (*change.added, *change.removed) if node.new else ()
            if any(is_table(table, table_of(line)) for line in lines if line.kind in _OF_TABLES):
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
    """Return kind and name of an object before a change that only renamed its table."""
    same = (each for each in change.removed if (each.kind, each.definition) == (line.kind, line.definition))
    return next(((each.kind, each.name) for each in same if parts(each.name)[-1] == parts(line.name)[-1]), None)


def _is_moved(line: Line, moved: Mapping[tuple[str, str], tuple[str, str]]) -> bool:
    return (line.kind, line.name) in moved or (line.kind, line.name) in moved.values()
