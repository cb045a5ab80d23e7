"""Findings from evidence: all families of rules are checked, then the comments in revisions and the project's levels are applied."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from slipway.errors import BadInputError
from slipway.gate import rulebook
from slipway.gate.evidence import Evidence
from slipway.gate.findings import (
    advice,
    allowances,
    answers,
    blocking,
    compatibility,
    data,
    drift,
    graph,
    schema,
    transactions,
    waiting,
)
from slipway.gate.history import Node
from slipway.gate.layers.concurrency import Contention
from slipway.gate.layers.queries import UNIQUE
from slipway.gate.layers.rows import Rows
from slipway.gate.layers.stairway import StairwayResult, Steps
from slipway.gate.rulebook import ALLOWABLE, OPTIONAL, UNPROVEN, all_rules, ids
from slipway.gate.rulebook.graph import APART, EDITED, GONE, NOT_ON_TOP
from slipway.gate.rulebook.locks import UNEXPLAINED
from slipway.gate.rulebook.rows import (
    FAILS,
)
from slipway.gate.rulebook.rule import Rule
from slipway.gate.rulebook.schema import DECLARED
from slipway.gate.rulebook.transactions import OUT_OF_TEMPLATE
from slipway.gate.rulebook.waiting import EVERY_TIMEOUT, LOCK_TIMEOUT, NO_TIMEOUT, UNLIMITED, EnvFile
from slipway.gate.steps import UP
from slipway.records.proof import OFF, Finding, Layer, Level
from slipway.structure import nearest

Levels = Mapping[str, Level | None]  # by rule; None for a rule that is off

_ORDER: Final = (Level.ERROR, Level.WARNING, Level.NOTE)
SETTING: Final = "[tool.slipway.migrations] levels"
_LEVELS: Final = {level.value: level for level in Level} | {OFF: None}


def judge(evidence: Evidence, today: date, own: Levels) -> tuple[Finding, ...]:
    """Return all findings, the worst first and suppressed ones last. `own` has the project's levels by rule."""
    findings = list(graph.check(evidence.history))
    if stairway := evidence.stairway:
        findings += _of_history(evidence, stairway)
        mapped = data.mapped_modules(evidence.environment.is_own)
        for node in evidence.history.nodes:
            of_node = _of_revision(evidence, stairway, node, own, mapped)
            findings += (transactions.in_own_revision(each, stairway.steps[node.id].statements) for each in of_node)
        findings = [_undeclared(finding, own) for finding in _plainly(findings) if _is_on(finding.rule, own)]
        findings = list(_after_comments(evidence, stairway, findings, today, own))
    findings = [_at_own_level(finding, own) for finding in findings]
    if stairway:
        findings += schema.check_reached(evidence.history.nodes, stairway, findings, evidence.baseline)
    return in_order(answers.joined(findings, OUT_OF_TEMPLATE.format(template=_template(evidence))))


def _plainly(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Remove findings on unexplained work of a statement that fails on rows, because it ended early."""
    failing = {(finding.revision, finding.line) for finding in findings if finding.rule == FAILS.id}
    for finding in findings:
        if finding.rule != UNEXPLAINED.id or (finding.revision, finding.line) not in failing:
            yield finding


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: the worst first, suppressed ones last."""
    return tuple(sorted(findings, key=lambda finding: (finding.suppressed is not None, _ORDER.index(finding.level))))


def _of_history(evidence: Evidence, stairway: StairwayResult) -> Iterator[Finding]:
    """Yield the findings that concern several revisions together."""
    new = [node for node in evidence.history.nodes if node.new]
    locking = [node for node in new if any(statement.blocks for statement in stairway.steps[node.id].statements)]
    env = _env_file(evidence)
    if stairway.together:
        yield from transactions.check_together(new, locking, env)
    on_rows_alone = {revision for revision, rows in evidence.rows.revisions.items() if UP in rows.failures}
    yield from transactions.check_run(evidence.history, evidence.together, on_rows_alone, stairway.version_table)
    yield from transactions.check_from_empty(evidence.history, evidence.from_empty, evidence.left)
    statements = {node.id: stairway.steps[node.id].statements for node in new}
    queues = {revision: contention.queue for revision, contention in evidence.concurrency.revisions.items()}
    unlimited = list(waiting.check_unlimited(new, {node.id: statements[node.id] for node in locking}, env))
    yield from waiting.check_timeouts(new, statements, queues, env, EVERY_TIMEOUT if unlimited else LOCK_TIMEOUT)
    yield from unlimited
    if evidence.previous:
        yield from compatibility.check_start(evidence.history.nodes, evidence.previous)
    if evidence.previous_required:
        yield from compatibility.check_replayed(evidence.history.nodes, _why_not_replayed(evidence))
    if Layer.PREVIOUS in evidence.layers:
        models = evidence.previous.models if evidence.previous else ()
        yield from compatibility.check_defaults(evidence.history.nodes, stairway.steps, models)
    yield from compatibility.check_own(evidence.history.nodes, statements, evidence.replay.broken)
    yield from drift.check(evidence.history, stairway.steps, evidence.models, evidence.previous, evidence.baseline)


def _why_not_replayed(evidence: Evidence) -> str:
    if evidence.previous is None:
        return evidence.why_not_asked if evidence.environment.place else "no previous release was named"
    if evidence.replay.missing or evidence.replay.queries:
        return evidence.replay.missing
    return f"{evidence.previous.name} has no statement that works before the first new revision"


def _env_file(evidence: Evidence) -> EnvFile:
    file = Path(evidence.environment.script.env_py_location)
    return EnvFile(
        file=evidence.environment.relative(str(file)),
        source=file.read_text(encoding="utf-8"),
        driver=evidence.environment.driver.removesuffix("_async"),
    )


def _template(evidence: Evidence) -> str:
    """Return the template of revisions if it puts an autocommit block around each, as that of advanced-alchemy does; empty otherwise."""
    file = Path(evidence.environment.script.dir, "script.py.mako")
    has_block = file.is_file() and b"autocommit_block(" in file.read_bytes()
    return evidence.environment.relative(str(file)) if has_block else ""


def _of_revision(
    evidence: Evidence, stairway: StairwayResult, node: Node, own: Levels, mapped: Collection[str]
) -> Iterator[Finding]:
    steps, rows = stairway.steps[node.id], evidence.rows.revisions.get(node.id, Rows())
    contention = evidence.concurrency.revisions.get(node.id, Contention())
    yield from schema.check(node, steps, evidence.baseline)
    yield from blocking.check(node, steps.statements, contention.growth, stairway.partitioned, steps.upgraded)
    yield from waiting.check(node, steps.statements, contention.queue, stairway.partitioned)
    yield from transactions.check(node, steps.statements)
    if interruptions := evidence.interruptions.revisions.get(node.id):
        yield from transactions.check_again(node, interruptions, steps.statements, _template(evidence))
    yield from transactions.check_encounters(node, contention.encounters)
    yield from data.check_statements(node, steps.statements, contention.growth, stairway.lines)
    if node.new:
        yield from data.check_references(node, steps)
        yield from data.check_unchecked(node, steps, stairway.lines)
        yield from data.check_switched_off(node, steps.statements)
        yield from data.check_sequences(node, steps)
        yield from data.check_zones(node, steps, _env_file(evidence).source)
        yield from advice.check(node, steps, stairway.lines) if own.keys() & OPTIONAL else ()
        yield from data.check_imports(node, mapped)
        yield from data.check_partitions(node, steps, stairway.partitioned)
        columns = stairway.migrated.schema.columns if stairway.migrated else {}
        yield from data.check_numbered(node, steps, columns, rows)
    failure = rows.failures.get(UP, contention.failure)
    if failure:
        yield data.check_failure(node, failure, steps.statements)
    yield from data.check(node, rows, steps.statements, stairway.lines)
    refused = evidence.replay.refused.get(node.id, ())
    if failure and failure.code == UNIQUE:  # D01 names the equal values
        refused = [each for each in refused if not (each.query.only_if and each.code == UNIQUE)]
    yield from compatibility.check(node, refused, steps.statements, steps.upgraded)


def _after_comments(
    evidence: Evidence, stairway: StairwayResult, findings: Sequence[Finding], today: date, own: Levels
) -> Iterator[Finding]:
    """Yield the findings, suppressed where a comment allows, and findings about the comments."""
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in findings:
        by_revision.setdefault(finding.revision, []).append(finding)
    yield from by_revision.get(None, ())
    seen = frozenset(rule for rule in _looked_for(evidence) if _is_on(rule, own))
    for node in evidence.history.nodes:
        comments = allowances.read(node.source, ALLOWABLE)
        looked_for = seen if _has_run(stairway.steps[node.id]) else frozenset[str]()
        yield from allowances.check(node, by_revision.get(node.id, ()), comments, looked_for, today)


def _has_run(steps: Steps) -> bool:
    """Return whether a revision ran completely."""
    return UP in steps.changes and all(failure.declared for failure in steps.failures.values())


def _looked_for(evidence: Evidence) -> frozenset[str]:
    """Return the rules that were checked in every revision that ran completely."""
    without_models = rulebook.DRIFT.rules if evidence.models.gap or evidence.models.unbuilt else ()
    without_rows = rulebook.ROWS.rules if evidence.rows.gaps or Layer.ROWS not in evidence.layers else ()
    without_replay = () if evidence.replay.queries else rulebook.COMPATIBILITY.rules
    without_reference = () if evidence.history.released else (EDITED, GONE, NOT_ON_TOP, APART)
    first_only = (NO_TIMEOUT, UNLIMITED)  # reported only at the first of several revisions
    unseen = (
        *first_only,
        *without_models,
        *without_rows,
        *without_replay,
        *without_reference,
        *_of_omitted_layers(evidence),
    )
    return ALLOWABLE - rulebook.ids(unseen)


def _of_omitted_layers(evidence: Evidence) -> tuple[Rule, ...]:
    """Return the rules of layers that were not executed."""
    if Layer.TRACE not in evidence.layers:
        seen = (rulebook.GRAPH, rulebook.REVERSIBILITY, rulebook.DRIFT)
        return tuple(rule for family in rulebook.FAMILIES if family not in seen for rule in family.rules)
    complete = {Layer.TOGETHER, Layer.INTERRUPTION, Layer.CONCURRENCY}.issubset(evidence.layers)
    return () if complete else (*rulebook.WAITING.rules, *rulebook.TRANSACTIONS.rules)


def read_levels(settings: Mapping[str, str]) -> dict[str, Level | None]:
    """Return the levels by rule, with None for off.

    Raise BadInputError for an unknown rule or level in the settings.
    """
    rules, levels = ids(all_rules()), {}
    for rule, level in settings.items():
        if rule not in rules:
            near = nearest(rule, sorted(rules))
            step = f"did you mean {near!r}" if near else "`slipway explain` lists the rules"
            raise BadInputError(f"{SETTING}: there is no rule {rule!r}", step)
        if level not in _LEVELS:
            raise BadInputError(f"{SETTING}: {rule} cannot be {level!r}", f"use one of {', '.join(_LEVELS)}")
        if rule in UNPROVEN and _LEVELS[level] is not Level.ERROR:
            raise BadInputError(f"{SETTING}: {rule} cannot be {level!r}", "what was not executed is always an error")
        levels[rule] = _LEVELS[level]
    return levels


def _is_on(rule: str, levels: Levels) -> bool:
    """Return whether a rule is on in this project. An optional rule is on when the settings give it a level."""
    return rule not in OPTIONAL or levels.get(rule) is not None


def _undeclared(finding: Finding, levels: Levels) -> Finding:
    """Return a finding that the revision's declaration suppresses as one that counts, if the project gives it a level."""
    return replace(finding, suppressed=None) if finding.suppressed == DECLARED and finding.rule in levels else finding


def _at_own_level(finding: Finding, levels: Levels) -> Finding:
    """Return the finding with the project's level. A finding of a rule that is off is suppressed."""
    level = levels.get(finding.rule, finding.level)
    if level is None:
        return replace(finding, suppressed=finding.suppressed or f"{finding.rule} is off in {SETTING}")
    return replace(finding, level=level)
