"""Question -> Proof: what was executed, and what follows from it, as a record."""

import platform
from collections.abc import Iterator

import alembic
import sqlalchemy

import slipway
from slipway.gate.evidence import Evidence, gather
from slipway.gate.history import Node
from slipway.gate.judge import judge
from slipway.gate.layers.fire_drill import Drill
from slipway.gate.layers.stairway import Climb
from slipway.gate.question import Question
from slipway.records.proof import Coverage, Proof, Revision, Verdict, Versions


def prove(question: Question) -> Proof:
    """Execute the history; raises BadInputError when there is nothing that can be executed."""
    evidence = gather(question)
    findings = judge(evidence, question.today, question.levels)
    revisions = tuple(_revisions(evidence))
    return Proof(
        gate=Versions(
            gate=slipway.__version__,
            python=platform.python_version(),
            sqlalchemy=sqlalchemy.__version__,
            alembic=alembic.__version__,
            driver=question.server.get_driver_name(),
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
    if evidence.climb:
        for node in evidence.history.nodes:
            yield _revision(evidence, evidence.climb, node)


def _revision(evidence: Evidence, climb: Climb, node: Node) -> Revision:
    steps = climb.steps[node.id]
    rows = evidence.lived.rows.get(node.id)
    drill = evidence.drilled.revisions.get(node.id, Drill())
    return Revision(
        id=node.id,
        down=node.down,
        file=node.file,
        new=node.new,
        statements=steps.statements,
        fingerprints=steps.fingerprints,
        rows=rows.held if rows else {},
        interruptions=len(evidence.interrupted.revisions.get(node.id, ())),
        encounters=len(drill.encounters),
        queue=drill.queue,
        growth=drill.growth,
    )


def _coverage(question: Question, evidence: Evidence, revisions: tuple[Revision, ...]) -> Coverage:
    return Coverage(
        revisions=sum(not _is_skipped(evidence, revision.id) for revision in revisions),
        new=sum(node.new for node in evidence.history.nodes),
        statements=sum(len(revision.statements) for revision in revisions),
        tables=evidence.lived.tables,
        filled=evidence.lived.filled,
        previous=question.previous.name if question.previous else "",
        phrases=len(evidence.replayed.phrases),
        said=evidence.replayed.digest,
        gaps=tuple(_gaps(evidence, revisions)),
    )


def _is_skipped(evidence: Evidence, revision: str) -> bool:
    return evidence.climb is None or revision in evidence.climb.skipped


def _gaps(evidence: Evidence, revisions: tuple[Revision, ...]) -> Iterator[str]:
    """What was not looked at, in sentences."""
    if isinstance(evidence.compared, str):
        yield evidence.compared
    yield from (*evidence.lived.gaps, *evidence.interrupted.gaps, *evidence.replayed.gaps, *evidence.drilled.gaps)
    skipped = [node.id for node in evidence.history.nodes if _is_skipped(evidence, node.id)]
    if skipped:
        yield f"{len(skipped)} revisions were not reached, the first is {skipped[0]}"
    unmeasured = sum(not statement.measured for revision in revisions for statement in revision.statements)
    if unmeasured:
        yield f"locks were not measured where a statement refuses to run in a transaction: {unmeasured}"
