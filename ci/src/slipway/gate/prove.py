"""History -> Proof: the layers in order, cheapest first."""

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path

import alembic
import sqlalchemy
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

import slipway
from slipway.gate import allowances, drift, history
from slipway.gate.climbers import climb_all
from slipway.gate.databases import server_version
from slipway.gate.history import History, Node
from slipway.gate.interruption import Interrupted, interrupt
from slipway.gate.rows import Life, Lived
from slipway.gate.rules import allowances as allowance_rules
from slipway.gate.rules import blocking, data, graph, reversibility, transactions, waiting
from slipway.gate.rules import drift as drift_rules
from slipway.gate.rules.every import ALLOWABLE, of
from slipway.gate.stairway import UP, Climb
from slipway.migration.environment import Environment, sentence
from slipway.records.proof import UNCOMPARED, Coverage, Finding, Level, Proof, Revision, Verdict, Versions
from slipway.records.since import Since

_WEIGHT = (Level.ERROR, Level.WARNING, Level.NOTE)


def utc_today() -> date:
    return datetime.now(tz=timezone.utc).date()


@dataclass(frozen=True)
class Question:
    """What is to be proven: alembic's settings file, a server to do it on, what must be there before, what is no news.

    - since: what was given in the place of start_after.
    - today: the day on which what is allowed until a day is judged.
    """

    config: Path
    server: URL
    extensions: tuple[str, ...] = ()
    start_after: str | None = None
    today: date = field(default_factory=utc_today)
    since: Since | None = None


@dataclass
class _Notes:
    """What comes to light on the way."""

    findings: list[Finding] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - started, 3)


def prove(question: Question) -> Proof:
    """Execute the history; raises BadInputError when there is nothing that can be executed."""
    notes = _Notes()
    with notes.layer("load"):
        version = server_version(question.server)
        environment = Environment(question.config, question.server)
        past = history.read(environment, question.start_after, question.since)
    notes.findings += graph.check(past)
    climb = None
    if past.nodes and not past.broken:
        with notes.layer("stairway and drift"):
            climb, differences = climb_all(
                past, environment, question.server, question.extensions, lambda end: _drift(end, question, notes)
            )
        notes.findings += _of_steps(past, climb)
        notes.findings += _of_new(past, climb, environment)
        notes.findings += drift_rules.check(past, climb.steps, differences)
    lived = None
    if climb and any(node.new for node in past.nodes):
        with notes.layer("rows"):
            lived = Life(past, environment, climb.steps).live(question.server, question.extensions)
        notes.findings += _of_rows(past, lived)
        notes.gaps += lived.gaps
    interrupted = None
    if climb:
        with notes.layer("interruptions"):
            interrupted = interrupt(past, environment, climb, question.server, question.extensions)
        notes.findings += _of_interruptions(past, interrupted)
        notes.gaps += interrupted.gaps
        notes.findings = list(_as_allowed(past, climb, lived, notes, question.today))
    return _proof(question, version, past, climb, lived, interrupted, notes)


def _of_rows(past: History, lived: Lived) -> Iterator[Finding]:
    for node in past.nodes:
        if node.id in lived.rows:
            yield from data.check(node, lived.rows[node.id])


def _of_interruptions(past: History, interrupted: Interrupted) -> Iterator[Finding]:
    for node in past.nodes:
        yield from transactions.check_again(node, interrupted.revisions.get(node.id, ()))


def _of_steps(past: History, climb: Climb) -> Iterator[Finding]:
    for node in past.nodes:
        steps = climb.steps[node.id]
        yield from reversibility.check(node, steps)
        yield from blocking.check(node, steps.statements)
        yield from waiting.check(node, steps.statements)
        yield from transactions.check(node, steps.statements)
        yield from data.check_statements(node, steps.statements)


def _of_new(past: History, climb: Climb, environment: Environment) -> Iterator[Finding]:
    """What concerns the new revisions together, or their files."""
    new = [node for node in past.nodes if node.new]
    locking = [node for node in new if any(statement.blocks for statement in climb.steps[node.id].statements)]
    per_migration = bool(climb.options.get("transaction_per_migration"))
    yield from transactions.check_together(new, locking, per_migration=per_migration)
    for node in new:
        yield from data.check_imports(node, environment.is_own)


def _as_allowed(past: History, climb: Climb, lived: Lived | None, notes: _Notes, today: date) -> Iterator[Finding]:
    """The findings as the comments in the revisions leave them."""
    by_revision: dict[str | None, list[Finding]] = {}
    for finding in notes.findings:
        by_revision.setdefault(finding.revision, []).append(finding)
    yield from by_revision.get(None, ())
    for node in past.nodes:
        comments = allowances.read(node.source, ALLOWABLE)
        looked_for = _looked_for(past, node, climb, lived, notes)
        yield from allowance_rules.check(node, by_revision.get(node.id, ()), comments, looked_for, today)


def _looked_for(past: History, node: Node, climb: Climb, lived: Lived | None, notes: _Notes) -> frozenset[str]:
    """The rules that would have been found in a revision: none when it did not run as it should."""
    steps = climb.steps[node.id]
    if UP not in steps.changes or not all(failure.declared for failure in steps.failures.values()):
        return frozenset()
    unmodelled = of(drift_rules) if any(gap.startswith(UNCOMPARED) for gap in notes.gaps) else []
    unlived = of(data) if lived is None or lived.gaps else []
    uncompared = [] if past.released else [graph.EDITED]
    return ALLOWABLE.difference(rule.id for rule in (*unmodelled, *unlived, *uncompared))


def _drift(end: Climb, question: Question, notes: _Notes) -> tuple[drift.Difference, ...]:
    models = drift.metadata_of(end.options)
    if end.lines is None:
        notes.gaps.append(f"{UNCOMPARED}: the history does not reach its head")
        return ()
    if not models:
        notes.gaps.append(f"{UNCOMPARED}: env.py gives no target_metadata")
        return ()
    try:
        modelled = drift.build_models(question.server, models, end.lines, question.extensions)
    except SQLAlchemyError as error:
        notes.gaps.append(f"{UNCOMPARED}: they do not build ({sentence(error)})")
        return ()
    return drift.compare(end.lines, modelled, drift.unmodelled(end.options, end.lines, modelled, end.version_table))


def _proof(  # noqa: PLR0913, PLR0917 -- what each layer showed
    question: Question,
    version: str,
    past: History,
    climb: Climb | None,
    lived: Lived | None,
    interrupted: Interrupted | None,
    notes: _Notes,
) -> Proof:
    rows = {key: seen.held for key, seen in lived.rows.items()} if lived else {}
    revisions = tuple(
        Revision(
            node.id,
            node.down,
            node.file,
            node.new,
            climb.steps[node.id].statements,
            climb.steps[node.id].fingerprints,
            rows.get(node.id, {}),
            len(interrupted.revisions.get(node.id, ())) if interrupted else 0,
        )
        for node in past.nodes
        if climb
    )
    skipped = climb.skipped if climb else tuple(node.id for node in past.nodes)
    unmeasured = sum(not statement.measured for revision in revisions for statement in revision.statements)
    ranked = tuple(
        sorted(notes.findings, key=lambda finding: (finding.suppressed is not None, _WEIGHT.index(finding.level)))
    )
    return Proof(
        gate=Versions(
            slipway.__version__,
            platform.python_version(),
            sqlalchemy.__version__,
            alembic.__version__,
            question.server.get_driver_name(),
        ),
        postgres=version,
        history=past.digest,
        heads=past.heads,
        revisions=revisions,
        findings=ranked,
        coverage=Coverage(
            revisions=len(past.nodes) - len(skipped),
            new=sum(node.new for node in past.nodes),
            statements=sum(len(revision.statements) for revision in revisions),
            tables=lived.tables if lived else 0,
            filled=lived.filled if lived else 0,
            gaps=(
                *notes.gaps,
                *([f"{len(skipped)} revisions were not reached, the first is {skipped[0]}"] if skipped else []),
                *(
                    [
                        f"the locks of {unmeasured} statements could not be measured, for they refuse to run in a transaction"
                    ]
                    if unmeasured
                    else []
                ),
            ),
        ),
        verdict=Verdict.FAIL if any(finding.fails for finding in ranked) else Verdict.PASS,
        seconds=notes.seconds,
    )
