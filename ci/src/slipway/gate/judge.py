"""Evidence -> findings: every rule asked about what it knows of, then the comments in the revisions heard."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from slipway.gate import allowances
from slipway.gate.evidence import Evidence
from slipway.gate.history import Node
from slipway.gate.layers.concurrency import Contention
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.rules import (
    advice,
    blocking,
    compatibility,
    data,
    drift,
    graph,
    levels,
    reversibility,
    transactions,
    waiting,
)
from slipway.gate.rules import allowances as allowance_rules
from slipway.gate.rules.every import ALLOWABLE, FAMILIES, OPTIONAL, of
from slipway.gate.rules.rule import Rule
from slipway.gate.steps import UP
from slipway.records.proof import Finding, Layer, Level

_WEIGHT = (Level.ERROR, Level.WARNING, Level.NOTE)


def judge(evidence: Evidence, today: date, own: Mapping[str, Level | None]) -> tuple[Finding, ...]:
    """All findings, those that count first, the worst of them at the top; `own` are the project's levels."""
    found = list(graph.check(evidence.history))
    if climb := evidence.stairway:
        found += _of_history(evidence, climb)
        found += [finding for node in evidence.history.nodes for finding in _of_revision(evidence, climb, node, own)]
        found = [finding for finding in found if levels.is_asked_for(finding.rule, own)]
        found = list(_as_allowed(evidence, climb, found, today, own))
    found = [levels.weighed(finding, own) for finding in found]
    return tuple(sorted(found, key=lambda finding: (finding.suppressed is not None, _WEIGHT.index(finding.level))))


def _of_history(evidence: Evidence, climb: StairwayResult) -> Iterator[Finding]:
    """What concerns several revisions together."""
    new = [node for node in evidence.history.nodes if node.new]
    locking = [node for node in new if any(statement.blocks for statement in climb.steps[node.id].statements)]
    yield from reversibility.check_reached(evidence.history.nodes, climb)
    if climb.together:
        yield from transactions.check_together(new, locking)
    yield from waiting.check_unlimited(new, {node.id: climb.steps[node.id].statements for node in locking})
    if evidence.previous:
        yield from compatibility.check_start(evidence.history.nodes, evidence.previous)
    if not isinstance(evidence.compared, str):
        yield from drift.check(evidence.history, climb.steps, evidence.compared)


def _of_revision(
    evidence: Evidence, climb: StairwayResult, node: Node, own: Mapping[str, Level | None]
) -> Iterator[Finding]:
    steps = climb.steps[node.id]
    drill = evidence.concurrency.revisions.get(node.id, Contention())
    yield from reversibility.check(node, steps)
    yield from blocking.check(node, steps.statements, drill.growth)
    yield from waiting.check(node, steps.statements, drill.queue)
    yield from transactions.check(node, steps.statements)
    yield from transactions.check_again(node, evidence.interruptions.revisions.get(node.id, ()))
    yield from transactions.check_encounters(node, drill.encounters)
    yield from data.check_statements(node, steps.statements, drill.growth)
    if node.new:
        yield from data.check_references(node, steps)
        yield from advice.check(node, steps, climb.lines or ()) if own.keys() & OPTIONAL else ()
        yield from data.check_imports(node, evidence.environment.is_own)
    if node.id in evidence.rows.revisions:
        yield from data.check(node, evidence.rows.revisions[node.id], steps.statements)
    yield from compatibility.check(node, evidence.replay.refused.get(node.id, ()), steps.statements)


def _as_allowed(
    evidence: Evidence, climb: StairwayResult, findings: Sequence[Finding], today: date, own: Mapping[str, Level | None]
) -> Iterator[Finding]:
    """The findings as the comments in the revisions leave them."""
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in findings:
        by_revision.setdefault(finding.revision, []).append(finding)
    yield from by_revision.get(None, ())
    for node in evidence.history.nodes:
        comments = allowances.read(node.source, ALLOWABLE)
        looked_for = frozenset(rule for rule in _looked_for(evidence, climb, node) if levels.is_asked_for(rule, own))
        yield from allowance_rules.check(node, by_revision.get(node.id, ()), comments, looked_for, today)


def _looked_for(evidence: Evidence, climb: StairwayResult, node: Node) -> frozenset[str]:
    """The rules that would have been found in a revision: none when it did not run as it should."""
    steps = climb.steps[node.id]
    if UP not in steps.changes or not all(failure.declared for failure in steps.failures.values()):
        return frozenset()
    unmodelled = of(drift) if isinstance(evidence.compared, str) else []
    unlived = of(data) if evidence.rows.gaps or Layer.ROWS not in evidence.layers else []
    unspoken = [] if evidence.replay.phrases else of(compatibility)
    uncompared = [] if evidence.history.released else [graph.EDITED, graph.NOT_ON_TOP, graph.APART]
    return ALLOWABLE.difference(
        rule.id for rule in (*unmodelled, *unlived, *unspoken, *uncompared, *_unexecuted(evidence))
    )


def _unexecuted(evidence: Evidence) -> list[Rule]:
    """Return the rules of layers that were not executed."""
    if Layer.TRACE not in evidence.layers:
        return [rule for family in FAMILIES if family not in (graph, reversibility, drift) for rule in of(family)]
    complete = {Layer.INTERRUPTION, Layer.CONCURRENCY}.issubset(evidence.layers)
    return [] if complete else [*of(waiting), *of(transactions)]
