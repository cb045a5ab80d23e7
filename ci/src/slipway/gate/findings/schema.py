"""Rules R and U: schemas, compared by their catalogs after each step."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

from slipway.gate.findings import transactions
from slipway.gate.findings.advice import unnamed
from slipway.gate.history import Node
from slipway.gate.layers.stairway import Failure, StairwayResult, Steps
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.names import few, parts
from slipway.gate.rulebook import schema as rules
from slipway.gate.rulebook.rule import Rule
from slipway.gate.steps import AGAIN, DOWN, UP
from slipway.migration.reasons import not_created, not_installed
from slipway.records.proof import Finding

_NO_TABLE: Final = "42P01"
_MISSING: Final = frozenset({_NO_TABLE, "3F000", "42704"})  # codes for a missing relation, schema or type
_MISSING_FUNCTION: Final = re.compile(r"\bfunction .* does not exist")
# codes for an existing relation, schema, column or other object
_EXISTS: Final = frozenset({"42P07", "42P06", "42701", "42710"})
_NOT_BUILT_IN: Final = "is not supported in this build"
_UNKNOWN_DROP: Final = 'op.drop_constraint("…", "…")'
_CONTEXT: Final = 60  # characters shown before a difference
_NO_NAME: Final = "it has no name"  # the end of SQLAlchemy's error about a constraint without a name


def check(node: Node, steps: Steps, baseline: str) -> Iterator[Finding]:
    """Yield the findings on one revision's steps.

    `baseline` is the schema on which the history began; empty without one.
    """
    if UP in steps.failures:
        failure = steps.failures[UP]
        about = _about(baseline, failure)
        about = rules.NOT_MADE if about is rules.BEGIN_ON_SCHEMA and node.down else about
        rule = transactions.of_failure(failure) or rules.FAILS
        yield _not_allowed(node, failure) or _failed(rule, node, failure, node.upgrade_line, about)
    elif DOWN in steps.failures:
        failure = steps.failures[DOWN]
        before_history = rules.BEGIN_ON_SCHEMA if failure.code == _NO_TABLE and not baseline else None
        rule = _of_downgrade(failure)
        remedy = _drops(steps) if rule is rules.NAMELESS else before_history
        finding = _failed(rule, node, failure, node.downgrade_line, remedy)
        yield replace(finding, suppressed=finding.suppressed or rules.DECLARED) if failure.declared else finding
    elif node.lacks_downgrade:
        yield rules.ROLL_FORWARD.finding(node, "it has no downgrade(), without which alembic's downgrade ends")
    elif node.keeps_on_downgrade:
        if change := _to_undo(steps.upgraded):
            yield rules.EMPTY.finding(node, f"not undone: {few(change.added or change.removed)}", node.downgrade_line)
    elif DOWN in steps.changes:
        yield from _check_return(node, steps)


def check_reached(
    nodes: Sequence[Node], stairway: StairwayResult, found: Iterable[Finding], baseline: str
) -> Iterator[Finding]:
    """Yield a finding on the first new revision that was not executed, unless another finding gives the reason."""
    failed = {node.id for node in nodes if UP in stairway.steps[node.id].failures}
    first = next((node for node in nodes if node.new and node.id in stairway.skipped), None)
    if first and not any(finding.fails and finding.revision in failed for finding in found):
        _, failure = _first_skipped(nodes, stairway)
        remedy = _about(baseline, failure) if failure else None
        yield rules.UNREACHED.finding(first, not_executed(nodes, stairway), remedy=remedy)


def not_executed(nodes: Sequence[Node], stairway: StairwayResult) -> str:
    """Return how many revisions were not executed, and why."""
    first, failure = _first_skipped(nodes, stairway)
    why = f"{failure.file}:{failure.line}: {failure.message}" if failure else stairway.why_skipped
    number = len(stairway.skipped)
    verb = "were not executed, the first is" if number > 1 else "was not executed:"
    skipped = f"{number} of {len(nodes)} revision{'s' if len(nodes) > 1 else ''} {verb} {first.id}"
    return f"{skipped} ({why})" if why else skipped


def without_baseline(nodes: Sequence[Node], stairway: StairwayResult, baseline: str) -> str:
    """Return the advice for a history that fails because its initial schema is missing, or because this Postgres lacks a feature."""
    _, failure = _first_skipped(nodes, stairway)
    about = _about(baseline, failure) if failure else None
    return {rules.BEGIN_ON_SCHEMA: f"; {rules.SET_BASELINE}", rules.NOT_BUILT_IN: f"; {about}"}.get(about or "", "")


def _first_skipped(nodes: Sequence[Node], stairway: StairwayResult) -> tuple[Node, Failure | None]:
    """Return the first revision that was not executed to its end, and the failure of its upgrade if it had begun."""
    first = next(node for node in nodes if node.id in stairway.skipped)
    return first, stairway.steps[first.id].failures.get(UP)


def _not_allowed(node: Node, failure: Failure) -> Finding | None:
    """Return the finding on an upgrade without a needed privilege, with the alternative on RDS; None for another failure."""
    if not failure.lacks_privileges:
        return None
    advice = next((advice for words, advice in rules.ON_RDS if re.search(words, failure.message, re.IGNORECASE)), None)
    return rules.NOT_ALLOWED.finding(node, failure.message, failure.line_in(node, node.upgrade_line), advice)


def _of_downgrade(failure: Failure) -> Rule:
    if failure.declared:
        return rules.ROLL_FORWARD
    return rules.NAMELESS if _NO_NAME in failure.message else rules.RAISES


def _drops(steps: Steps) -> str:
    """Return the remedy for a downgrade that names no constraint, with the names that Postgres chose."""
    drops = []
    for schema, table, name in (parts(line.name) for line in unnamed(steps)):
        there = "" if schema == "public" else f', schema="{schema}"'
        drops.append(f'op.drop_constraint("{name}", "{table}"{there})')
    return rules.NAMELESS.remedy.replace("{drops}", "\n".join(drops) or _UNKNOWN_DROP)


def _check_return(node: Node, steps: Steps) -> Iterator[Finding]:
    trace = steps.changes[UP].then(steps.changes[DOWN])
    if _to_undo(trace):
        yield from _trace(node, trace)
    if AGAIN in steps.failures:
        yield _failed(rules.DIFFERS, node, steps.failures[AGAIN], node.upgrade_line)
    elif AGAIN in steps.changes and (other := steps.changes[DOWN].then(steps.changes[AGAIN])) and not trace:
        yield rules.DIFFERS.finding(node, _difference(other), node.downgrade_line)


def _about(baseline: str, failure: Failure) -> str | None:
    """Return the remedy for an upgrade that fails because of an extension or of the initial schema; None for another failure."""
    if of_extension := _extension_first(failure.message):
        return of_extension
    if _NOT_BUILT_IN in failure.message:
        return rules.NOT_BUILT_IN
    if baseline:
        return rules.IN_BASELINE if failure.code in _EXISTS else None
    lacks = failure.code in _MISSING or failure.message.startswith("NoSuchTable")
    return rules.BEGIN_ON_SCHEMA if lacks or _MISSING_FUNCTION.search(failure.message) else None


def _failed(rule: Rule, node: Node, failure: Failure, otherwise: int, remedy: str | None = None) -> Finding:
    line = failure.line_in(node, otherwise)
    return rule.finding(node, failure.message, line, remedy or transactions.remedy_of(rule, node, line))


def _extension_first(said: str) -> str | None:
    """Return the next step for an error about a missing extension; None for another error."""
    if extension := not_installed(said):
        return rules.NOT_INSTALLED.format(extension=extension)
    extension = not_created(said)
    return rules.NOT_CREATED.format(extension=extension) if extension else None


def _trace(node: Node, trace: Change) -> Iterator[Finding]:
    finding = rules.TRACE.finding(node, _difference(_to_undo(trace)), node.downgrade_line)
    there_before = set(map(_key, trace.removed))
    enum = next((line for line in trace.added if line.kind == "enum" and _key(line) not in there_before), None)
    if enum:
        code = rules.ENUM_TRACE.format(name=parts(enum.name)[-1])
        finding = replace(finding, remedy=code, remedy_is_code=True)
    yield finding


def _to_undo(change: Change) -> Change:
    """Return the change without parts that need no downgrade: validations of constraints, enum labels, which Postgres cannot remove, and extensions, which others may use."""
    after, before = ({_key(line): line for line in lines} for lines in (change.added, change.removed))
    validated = {
        key for key in after.keys() & before.keys() if before[key].definition == f"{after[key].definition} NOT VALID"
    }
    return Change(
        tuple(
            line
            for line in change.added
            if _key(line) not in validated and line.kind != "extension" and not _is_relabelled(line, before)
        ),
        tuple(part for line in change.removed if _key(line) not in validated for part in _apart(line, after)),
    )


def _is_relabelled(line: Line, others: Mapping[tuple[str, str], Line]) -> bool:
    other = others.get(_key(line))
    return other is not None and set(line.labels) != set(other.labels)


def _apart(line: Line, others: Mapping[tuple[str, str], Line]) -> Iterator[Line]:
    if not _is_relabelled(line, others):
        yield line
    elif labels := [label for label in line.labels if label not in others[_key(line)].labels]:
        yield replace(line, definition=", ".join(labels))


def _key(line: Line) -> tuple[str, str]:
    return line.kind, line.name


def _difference(change: Change) -> str:
    added, removed = (
        _from_the_difference(change.added, change.removed),
        _from_the_difference(change.removed, change.added),
    )
    sides = [f"left behind: {few(added)}" if added else "", f"missing: {few(removed)}" if removed else ""]
    return "; ".join(part for part in sides if part)


def _from_the_difference(lines: Iterable[Line], others: Iterable[Line]) -> list[Line]:
    """Return the lines with long definitions, such as queries of views, shown from shortly before where they differ from the other side's."""
    known = {_key(line): line.definition for line in others}
    return [
        replace(line, definition=_without_equal_beginning(line.definition, known.get(_key(line), ""))) for line in lines
    ]


def _without_equal_beginning(definition: str, other: str) -> str:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(definition, other, strict=False)))
    equal = definition[: max(0, same - _CONTEXT)].rpartition(" ")[0]
    return f"… {definition[len(equal) + 1 :]}" if len(equal) > _CONTEXT else definition
