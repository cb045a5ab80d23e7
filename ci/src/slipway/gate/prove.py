"""Question -> Proof: the evidence and the findings as a record."""

import platform
from collections.abc import Iterator
from datetime import date, datetime, timezone

import alembic
import sqlalchemy
from sqlalchemy.engine import URL

import slipway
from slipway.gate.evidence import Evidence, gather
from slipway.gate.history import Node
from slipway.gate.judge import judge
from slipway.gate.layers.concurrency import Contention
from slipway.gate.layers.stairway import StairwayResult
from slipway.gate.rules import levels
from slipway.records.gate import GateQuestion
from slipway.records.proof import Coverage, Layer, Proof, Revision, Verdict, Versions


def prove(question: GateQuestion, server: URL) -> Proof:
    """Execute the history on a server; raises BadInputError when it cannot be executed."""
    own_levels = levels.read(f"{rule}={level}" for rule, level in question.levels.items())
    today = date.fromisoformat(question.today) if question.today else datetime.now(tz=timezone.utc).date()
    evidence = gather(question, server)
    findings = judge(evidence, today, own_levels)
    revisions = tuple(_revisions(evidence))
    return Proof(
        gate=Versions(
            gate=slipway.__version__,
            python=platform.python_version(),
            sqlalchemy=sqlalchemy.__version__,
            alembic=alembic.__version__,
            driver=server.get_driver_name(),
        ),
        postgres=evidence.postgres,
        history=evidence.history.digest,
        heads=evidence.history.heads,
        revisions=revisions,
        findings=findings,
        coverage=_coverage(question, evidence, revisions),
        verdict=Verdict.FAIL if any(finding.fails for finding in findings) else Verdict.PASS,
        seconds=evidence.seconds,
    )


def _revisions(evidence: Evidence) -> Iterator[Revision]:
    if evidence.stairway:
        for node in evidence.history.nodes:
            yield _revision(evidence, evidence.stairway, node)


def _revision(evidence: Evidence, stairway: StairwayResult, node: Node) -> Revision:
    steps = stairway.steps[node.id]
    rows = evidence.rows.revisions.get(node.id)
    contention = evidence.concurrency.revisions.get(node.id, Contention())
    return Revision(
        id=node.id,
        down=node.down,
        file=node.file,
        new=node.new,
        statements=steps.statements,
        fingerprints=steps.fingerprints,
        rows=rows.held if rows else {},
        interruptions=len(evidence.interruptions.revisions.get(node.id, ())),
        encounters=len(contention.encounters),
        queue=contention.queue,
        growth=contention.growth,
    )


def _coverage(question: GateQuestion, evidence: Evidence, revisions: tuple[Revision, ...]) -> Coverage:
    return Coverage(
        revisions=sum(not _is_skipped(evidence, revision.id) for revision in revisions),
        new=sum(node.new for node in evidence.history.nodes),
        statements=sum(len(revision.statements) for revision in revisions),
        tables=evidence.rows.tables,
        filled=evidence.rows.filled,
        previous=question.previous.name if question.previous else "",
        phrases=len(evidence.replay.phrases),
        said=evidence.replay.digest,
        layers=evidence.layers,
        gaps=tuple(_gaps(evidence, revisions)),
    )


def _is_skipped(evidence: Evidence, revision: str) -> bool:
    return evidence.stairway is None or revision in evidence.stairway.skipped


def _gaps(evidence: Evidence, revisions: tuple[Revision, ...]) -> Iterator[str]:
    """Yield one sentence for each part of the history that was not examined."""
    if omitted := [layer.value for layer in Layer if layer not in evidence.layers]:
        yield f"these layers were not executed: {', '.join(omitted)}"
    if isinstance(evidence.compared, str):
        yield evidence.compared
    yield from (*evidence.rows.gaps, *evidence.interruptions.gaps, *evidence.replay.gaps, *evidence.concurrency.gaps)
    skipped = [node.id for node in evidence.history.nodes if _is_skipped(evidence, node.id)]
    if skipped:
        yield f"{len(skipped)} revisions were not reached, the first is {skipped[0]}"
    unmeasured = sum(not statement.measured for revision in revisions for statement in revision.statements)
    if unmeasured:
        yield f"locks were not measured where a statement refuses to run in a transaction: {unmeasured}"
