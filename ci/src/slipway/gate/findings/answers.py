"""One finding for what one answer corrects: those of a rule in one revision or in the project, and the consequences of a statement.

A consequence is part of the finding whose remedy answers it, too: it is in that finding's words, and suppressed by itself.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from slipway.gate.layers.queries import NOT_NULL as NULL
from slipway.gate.names import few
from slipway.gate.rulebook import compatibility, ids, locks, rows, rule_named, schema, transactions, waiting
from slipway.gate.rulebook.rule import Rule
from slipway.records.proof import Finding, Level

_DRIFT: Final = ids((schema.DRIFT, schema.NAMED_APART))
_LISTED: Final = _DRIFT | ids((schema.LIMITED,))
_JOINED: Final = _DRIFT | ids((rows.DROPS, rows.DELETES, rows.CASCADES, rows.LOSES, rows.ZONE))
_ANSWERED_TOGETHER: Final = _JOINED | ids((rows.WHOLE_TABLE, transactions.REPEATED, transactions.ENDED))
# Rules that a project answers once, in env.py or because it is its habit; they yield one finding.
_ONCE: Final = ids(
    (*waiting.ONCE, transactions.REPEATED, schema.EMPTY, schema.ROLL_FORWARD, schema.NAMELESS, schema.LIMITED)
)


class _Where(Enum):
    """The place that a finding and its answer have in common."""

    LINE = "line"
    REVISION = "revision"
    PROJECT = "project"

    def of(self, finding: Finding) -> object:
        """Return the place of a finding; None when it is unknown."""
        if self is _Where.LINE:
            return finding.line and (finding.revision, finding.line)
        return finding.revision if self is _Where.REVISION else "project"


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """The rules whose remedy also answers a finding of another rule in the same place."""

    rule: Rule
    by: tuple[Rule, ...]
    where: _Where
    also: Callable[[Finding], str] = lambda _finding: ""  # what the remedy needs besides, by the finding
    when: Callable[[Finding], bool] = lambda _finding: True


def _by_null(finding: Finding) -> bool:
    return finding.remedy in (rows.FAILS_BY_NULL, rows.FAILS_BY_CODE[NULL])


def _itself(finding: Finding) -> str:
    return finding.remedy


_BUILT: Final = (locks.UNIQUE, locks.PRIMARY_KEY, locks.INDEX, locks.PARTITIONED_INDEX)
_CHECKED: Final = (locks.FOREIGN_KEY, locks.CHECK, locks.EXCLUSION)
_ANSWERS: Final = (
    _Answer(rule=rows.FAILS, by=(locks.NOT_NULL, compatibility.NEW_NOT_NULL), where=_Where.LINE, when=_by_null),
    _Answer(rule=rows.FAILS, by=(*_BUILT, *_CHECKED), where=_Where.LINE, also=_itself),
    _Answer(
        rule=rows.CASCADES,
        by=(locks.FOREIGN_KEY,),
        where=_Where.LINE,
        also=lambda _: 'with ondelete="RESTRICT" unless the previous release expects the deletion (D08)',
    ),
    _Answer(rule=compatibility.NOT_NULL, by=(locks.NOT_NULL,), where=_Where.LINE),
    *(
        _Answer(rule=rule, by=(locks.TYPE,), where=_Where.LINE)
        for rule in (compatibility.TYPE, compatibility.READ_OTHERWISE, compatibility.STALE, rows.LOSSY)
    ),
    _Answer(
        rule=rows.WHOLE_TABLE,
        by=(locks.EARLIER_LOCK,),
        where=_Where.LINE,
        also=lambda _: "There, write a part of the rows at a time (D04).",
    ),
    _Answer(
        rule=rows.DROPS,
        by=(compatibility.TABLE_DROPPED, compatibility.COLUMN_DROPPED),
        where=_Where.REVISION,
        also=lambda _: "Have a backup at hand then.",
    ),
    _Answer(
        rule=transactions.MIXED,
        by=(transactions.NOT_AGAIN,),
        where=_Where.REVISION,
        also=lambda _: transactions.MIXED.advice,
    ),
    _Answer(rule=schema.DIFFERS, by=(schema.TRACE,), where=_Where.REVISION),
    _Answer(
        rule=waiting.DROPPED_INDEX,
        by=(locks.INDEX,),
        where=_Where.REVISION,
        also=lambda _: "drop indexes in such a block as well, with postgresql_concurrently=True",
    ),
    *(
        _Answer(rule=rule, by=(waiting.NO_TIMEOUT,), where=_Where.PROJECT)
        for rule in waiting.ONCE
        if rule is not waiting.SEVERAL
    ),
)
_ONLY_MIGRATED: Final = "only the migrations have index "
_PLAIN: Final = " CREATE INDEX "  # it forbids no rows
_DONE_BEFORE: Final = ("already exists", "does not exist")  # why a revision cannot be run again
_HABIT: Final = 3  # revisions with the same finding
_LONG: Final = 200  # characters of a fact
_LEVELS: Final = tuple(Level)  # the worst first


def joined(findings: Collection[Finding], habit: str = "") -> Iterator[Finding]:
    """Yield one finding for those that are answered together, then those that are part of another finding.

    `habit` is the remedy that changes the template of the project's revisions.
    """
    counting = [each for each in findings if each.suppressed is None and not _is_cured(each, findings)]
    places = {(each.rule, where, where.of(each)): each for each in reversed(counting) for where in _Where}
    parts: dict[int, list[tuple[Finding, _Answer]]] = {}
    for finding in counting:
        if found := _answer(finding, places):
            parts.setdefault(id(found[0]), []).append((finding, found[1]))
    contained = {id(part) for several in parts.values() for part, _ in several}
    heads = [each for each in counting if id(each) not in contained]
    for group in _groups(heads, habit):
        yield _with_parts(_folded(group), [part for each in group for part in parts.get(id(each), ())])
    by_id = {id(each): each for each in counting}
    for head, several in parts.items():
        reason = f"answered by the remedy of {by_id[head].rule}"
        yield from (replace(part, suppressed=reason) for part, _ in several)
    yield from map(_folded, _groups([each for each in findings if each.suppressed is not None]))


def _is_cured(finding: Finding, findings: Collection[Finding]) -> bool:
    """Return whether a finding is about missing timeouts that the remedy for the missing lock_timeout also sets."""
    return finding.rule == waiting.UNLIMITED.id and any(
        each.rule == waiting.NO_TIMEOUT.id and each.suppressed is None for each in findings
    )


def _answer(finding: Finding, places: dict[tuple[str, _Where, object], Finding]) -> tuple[Finding, _Answer] | None:
    """Return the finding whose remedy answers this one, too, and the reason; None when there is none."""
    for answer in _ANSWERS:
        place = answer.where.of(finding)
        if answer.rule.id == finding.rule and place and answer.when(finding):
            heads = (places.get((rule.id, answer.where, place)) for rule in answer.by)
            if head := next(filter(None, heads), None):
                return head, answer
    return None


def _groups(findings: Sequence[Finding], habit: str = "") -> Iterator[Sequence[Finding]]:
    """Yield the findings that are answered together: of a rule in one revision, or in all when the project answers them once."""
    together: dict[object, list[Finding]] = {}
    kinds = {(kind, each.revision) for each in findings if (kind := _kind(each))}
    revisions = Counter(kind for kind, _ in kinds)
    for finding in findings:
        kind = _kind(finding)
        is_habit = finding.rule in _ONCE or revisions[kind] >= _HABIT or finding.remedy == habit
        is_once = is_habit and finding.suppressed is None
        place = None if is_once else finding.revision
        # Advice about a rename or a column to be dropped contains its name, so it is given for each. Other advice needs
        # one example only.
        advice = finding.remedy if finding.rule[0] == "C" or finding.rule in _DRIFT else ""
        key = (finding.rule, finding.level, place, finding.suppressed, advice, kind if is_once else "")
        folds = finding.rule[0] in "CLQ" or finding.rule in _ANSWERED_TOGETHER or is_once
        together.setdefault(key if folds else id(finding), []).append(finding)
    yield from together.values()


def _kind(finding: Finding) -> str:
    """Return the words for what several revisions of a project may have as its habit; empty for other findings."""
    if finding.rule == rows.BEHIND.id:
        return finding.measured
    if finding.rule == schema.DRIFT.id:
        return _ONLY_MIGRATED if finding.measured.startswith(_ONLY_MIGRATED) and _PLAIN in finding.measured else ""
    if finding.message == transactions.NOT_AGAIN.message:
        return next((words for words in _DONE_BEFORE if words in finding.measured), "")
    return finding.message if finding.message == transactions.MIXED.message else ""


def _folded(group: Sequence[Finding]) -> Finding:
    """Return one finding for all of a group."""
    first, *others = group
    revisions = dict.fromkeys(each.revision for each in others if each.revision)
    also = tuple(revision for revision in revisions if revision != first.revision)
    return replace(first, measured=_measured(first, others, also), also=also) if others else first


def _measured(first: Finding, others: Sequence[Finding], also: Sequence[str]) -> str:
    """Return the measured facts of all findings, or that of the first with the places of the others."""
    if first.rule in _JOINED:
        number = f"{len(others) + 1}: " if first.rule in _DRIFT else ""
        return number + "; ".join(each.measured for each in (first, *others))
    if first.rule in _LISTED:
        places = f", in {few((first.revision, *also))}" if also else ""
        return few([each.measured for each in (first, *others)]) + places
    lines = dict.fromkeys(str(each.line) for each in others if each.line != first.line)
    place = f"in {few(also)}" if also else f"on line {', '.join(lines)}" if lines else "on this line"
    return f"{first.measured}; and {len(others)} more {place}"


def _with_parts(finding: Finding, parts: Sequence[tuple[Finding, _Answer]]) -> Finding:
    """Return the finding with the words of those that its remedy answers, too, at the worst level among them."""
    if not parts:
        return finding
    folded = [_folded(group) for group in _groups([part for part, _ in parts])]
    of_project = any(answer.where is _Where.PROJECT for _, answer in parts)
    message = finding.message if of_project else " ".join(dict.fromkeys(each.message for each in (finding, *folded)))
    facts = {finding.rule: finding.measured}
    for part in folded:
        rule = rule_named(part.rule)
        name = f"{part.rule} ({rule.name})" if of_project and rule else part.rule
        facts[name] = "; ".join(filter(None, (facts.get(name), part.measured)))
    # Reports cut a long statement, so it comes last; the finding's own fact comes first if it leaves room for others.
    ordered = sorted(facts.items(), key=lambda each: len(each[1]) > (2 * _LONG if each[0] == finding.rule else _LONG))
    measured = ". ".join(f"{name}: {fact}" for name, fact in ordered)
    measured = measured.removeprefix(f"{finding.rule}: ")
    also = dict.fromkeys(filter(None, (answer.also(part) for part, answer in parts)))
    remedy = finding.remedy
    for each in also:
        remedy = f"# {each}\n{remedy}" if finding.remedy_is_code else f"{remedy} {each}"
    level = min((finding.level, *(part.level for part in folded)), key=_LEVELS.index)
    revisions = dict.fromkeys((*finding.revisions, *(each for part in folded for each in part.revisions)))
    others = tuple(each for each in revisions if each != finding.revision)
    return replace(finding, level=level, message=message, measured=measured, remedy=remedy, also=others)
