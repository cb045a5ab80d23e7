"""The answer to a question: a Proof from evidence and findings, or a Listing or models, which need no execution."""

import platform
import re
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timezone
from functools import partial
from typing import Final

import alembic
import sqlalchemy
from sqlalchemy.engine import URL

import slipway
from slipway.errors import BadInputError
from slipway.gate import history, joining
from slipway.gate.connections import every_connection_led_to
from slipway.gate.databases import fresh, owner_of, server_version
from slipway.gate.evidence import Evidence, environment_of, gather, initial_of
from slipway.gate.findings.schema import not_executed, without_baseline
from slipway.gate.history import History, Node
from slipway.gate.judge import in_order, judge, read_levels
from slipway.gate.layers.concurrency import Contention
from slipway.gate.layers.queries import as_models
from slipway.gate.layers.spelled import all_spelled
from slipway.gate.measure.catalog import Change, Line
from slipway.gate.names import few
from slipway.gate.steps import UP, run
from slipway.migration import alembic_config
from slipway.migration.database import keeping_connections, with_connection
from slipway.migration.environment import sentence
from slipway.migration.models import metadata_of, with_tables
from slipway.records.gate import GateQuestion, Listed, Listing, Previous
from slipway.records.proof import UNCOMPARED, Coverage, Layer, Proof, Revision, Verdict, Versions
from slipway.records.words import counted

# The locks of such a statement are known. They block neither readers nor writers.
_CONCURRENTLY: Final = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
_GRANTED: Final = re.compile(r"[{,]([^=,]*)=([\w*]+)/")


def prove(question: GateQuestion, server: URL) -> Proof:
    """Execute the history on a server. Raise BadInputError when it cannot be executed."""
    own_levels = read_levels(question.levels)
    today = date.fromisoformat(question.today) if question.today else datetime.now(tz=timezone.utc).date()
    with keeping_connections(server):
        evidence, *_ = databases = list(_of_each_database(question, server))
    findings = in_order(joining.findings_of([(each.database, judge(each, today, own_levels)) for each in databases]))
    revisions = joining.revisions_of(_revisions(each) for each in databases)
    coverage = joining.coverage_of([(each.database, _coverage(each)) for each in databases])
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
        begun=evidence.history.begun,
        revisions=revisions,
        findings=findings,
        coverage=replace(
            coverage,
            calls=question.calls,
            called_by=question.called_by,
            gaps=(*coverage.gaps, *_other_sections(evidence), *_requests(question)),
        ),
        verdict=Verdict.FAIL if any(finding.fails for finding in findings) else Verdict.PASS,
        seconds={name: sum(each.seconds.get(name, 0) for each in databases) for name in evidence.seconds},
        folder=question.folder,
    )


def _of_each_database(question: GateQuestion, server: URL) -> Iterator[Evidence]:
    """Yield the evidence of each database that env.py migrates. The others are known only after the first."""
    first = gather(question, server)
    if question.baseline and len(first.environment.databases) > 1:
        raise BadInputError(
            f"env.py migrates several databases ({', '.join(first.environment.databases)}), and a baseline is the schema of one",
            "remove baseline from [tool.slipway.migrations], and create the tables that the revisions need in a first revision",
        )
    yield first
    for place in range(1, len(first.environment.databases)):
        # The previous release is replayed in the first database only.
        yield gather(replace(question, previous=None, previous_required=False, keep=False), server, place)


def _other_sections(evidence: Evidence) -> Iterator[str]:
    config = evidence.environment.config
    if others := alembic_config.other_environments(config):
        yield f"only the section {config.config_ini_section} of the settings file was tested: --section names {few(others)}"


def _revisions(evidence: Evidence) -> Iterator[Revision]:
    recorded = evidence.stairway.steps if evidence.stairway else {}
    for node in evidence.history.nodes if recorded else ():
        steps = recorded[node.id]
        rows = evidence.rows.revisions.get(node.id)
        contention = evidence.concurrency.revisions.get(node.id, Contention())
        yield Revision(
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


def _coverage(evidence: Evidence) -> Coverage:
    revisions = tuple(_revisions(evidence))
    return Coverage(
        revisions=sum(not _is_skipped(evidence, revision.id) for revision in revisions),
        new=sum(node.new for node in evidence.history.nodes),
        statements=sum(len(revision.statements) for revision in revisions),
        tables=evidence.rows.tables,
        filled=evidence.rows.filled,
        empty=evidence.rows.empty,
        previous=evidence.previous.name if evidence.previous else "",
        previous_statements=len(evidence.replay.queries),
        previous_digest=evidence.replay.digest,
        transactions=evidence.together.last.transactions if evidence.together.last else "",
        layers=evidence.layers,
        gaps=tuple(_gaps(evidence, revisions)),
        unproven=tuple(_unproven(evidence)),
        chosen=_chosen(evidence.history, evidence.stairway.skipped if evidence.stairway else ()),
        baseline=_begun_on(evidence.baseline, evidence.history),
    )


def _chosen(past: History, skipped: Collection[str]) -> str:
    """Return which revisions are tested, when the gate chose them or none is new; otherwise an empty text."""
    new = sum(node.new for node in past.nodes)
    old = len(past.nodes) - new
    run = sum(not node.new and node.id not in skipped for node in past.nodes)
    if old and not new:
        ran = "all" if run == old else run
        return f"none of {counted(old, 'revision')} ({past.nodes[-1].old}), {ran} run without tests (--all-revisions tests them)"
    if not past.chosen or not old:
        return ""
    older = f"{run} of {old} older were" if run < old else f"{old} older {'were' if old > 1 else 'was'}"
    return (
        f"{new} of {len(past.nodes)} revisions, {past.chosen}; {older} run without tests (--all-revisions tests them)"
    )


def _begun_on(baseline: str, past: History) -> str:
    """Return words on the schema on which the history began; empty for an empty database."""
    at = f", a schema at {few(past.begun)}; the revisions up to it were not executed" if past.begun else ""
    return f"{baseline}{at}"


def _is_skipped(evidence: Evidence, revision: str) -> bool:
    return evidence.stairway is None or revision in evidence.stairway.skipped


def _gaps(evidence: Evidence, revisions: tuple[Revision, ...]) -> Iterator[str]:
    """Yield a sentence for each part of the history that was not examined, the largest part first."""
    nodes, stairway = evidence.history.nodes, evidence.stairway
    if evidence.history.is_empty:
        yield f"{UNCOMPARED}: no revision was executed, because {evidence.environment.relative(evidence.environment.script.dir)} has none"
        return
    if stairway and stairway.skipped:
        yield f"{not_executed(nodes, stairway)}{without_baseline(nodes, stairway, evidence.baseline)}"
    yield from evidence.left_out
    if evidence.superuser_for:
        yield f"all revisions ran as a superuser, without row-level security, because an old one needs that: {evidence.superuser_for}"
    if evidence.models.gap:
        yield f"{UNCOMPARED}: {evidence.models.gap}"
    if unbuilt := evidence.models.unbuilt:
        yield f"{UNCOMPARED}: those of {few(list(unbuilt))}, which cannot be created ({next(iter(unbuilt.values()))})"
    if evidence.together.gap:
        yield evidence.together.gap
    if evidence.previous is None and Layer.PREVIOUS in evidence.layers and any(node.new for node in nodes):
        yield evidence.why_not_asked
    yield from (*evidence.rows.gaps, *evidence.interruptions.gaps, *evidence.replay.gaps, *evidence.concurrency.gaps)
    if guarded := _guarded(evidence):
        yield f"these revisions executed no statement, although their upgrade() has code: {few(guarded)}"
    yield from _of_other_roles(evidence)
    statements = (statement for revision in revisions for statement in revision.statements)
    if unmeasured := sum(not (each.measured or _CONCURRENTLY.search(each.sql)) for each in statements):
        yield f"the locks of {counted(unmeasured, 'statement')} that Postgres runs only outside a transaction"


def _unproven(evidence: Evidence) -> Iterator[str]:
    """Yield the subjects that the layers could not test, in words for the end of a verdict."""
    if evidence.stairway is None or not evidence.stairway.is_complete:
        return  # the verdict already says so
    if evidence.models.gap:
        yield "models"
    if evidence.models.unbuilt:
        yield f"models of {few(list(evidence.models.unbuilt))}"
    if guarded := _guarded(evidence):
        yield f"statements of {few(guarded)}"
    if untested := evidence.rows.untested:
        yield f"rows in {few(untested)}"
    for revision, rows in evidence.rows.revisions.items():
        if lines := sorted({each.line for each in rows.unmatched if not each.impossible}):
            place = f"lines {few(lines)} look" if len(lines) > 1 else f"line {lines[0]} looks"
            yield f"what {revision} does with the rows that {place} for"
    steps = [evidence.stairway.steps[node.id] for node in evidence.history.nodes if node.new]
    locked = {table for each in steps for statement in each.statements for table in statement.locks}
    if empty := sorted(locked.intersection(evidence.rows.empty)):
        yield f"rows of {few(empty)}"
    stopped = {
        Layer.TOGETHER: evidence.together.gap,
        Layer.INTERRUPTION: evidence.interruptions.unreached,
        Layer.PREVIOUS: evidence.replay.missing,
        Layer.CONCURRENCY: evidence.concurrency.unreached,
    }
    yield from (layer.subject for layer, why in stopped.items() if why)


def _guarded(evidence: Evidence) -> list[str]:
    """Return the new revisions that did nothing. With several databases, such a revision may belong to another one."""
    several = len(evidence.environment.databases) > 1
    return [] if several else [node.id for node in evidence.history.nodes if node.new and _did_nothing(evidence, node)]


def _requests(question: GateQuestion) -> Iterator[str]:
    """Yield sentences about requests between services, which the replay of statements does not test."""
    if question.calls:
        yield f"requests of the previous and of the new release to {', '.join(question.calls)}: only statements are replayed, none goes to another service"
    if question.called_by:
        yield f"requests of the live {', '.join(question.called_by)} to the new release: prove in its tests that it answers both"


def _did_nothing(evidence: Evidence, node: Node) -> bool:
    """Return whether a revision ran and did nothing, because a condition in its code was not met here."""
    if node.keeps_on_upgrade or evidence.stairway is None or Layer.TRACE not in evidence.layers:
        return False
    steps = evidence.stairway.steps[node.id]
    rows = evidence.rows.revisions.get(node.id)
    return UP in steps.changes and not (steps.statements or steps.upgraded or (rows and rows.held))


def _of_other_roles(evidence: Evidence) -> Iterator[str]:
    """Yield the revisions after which other roles have fewer rights.

    The gate executes all statements as the tables' owner, so it does not notice this.
    """
    steps = evidence.stairway.steps if evidence.stairway else {}
    new = [node.id for node in evidence.history.nodes if node.new and node.id in steps]
    if changed := [revision for revision in new if _takes_access(steps[revision].upgraded)]:
        yield f"statements of other roles than the owner of the tables, who ran all of them: permissions are taken away or row-level security is put in force in {few(changed)}"


def _takes_access(change: Change) -> bool:
    """Return whether a revision takes a permission from a role, or enables row-level security."""
    before = {(line.kind, line.name): _access(line) for line in change.removed}
    return any(before.get((line.kind, line.name), set()) - _access(line) for line in change.added)


def _access(line: Line) -> set[tuple[str, str]]:
    """Return pairs of a role and a permission on an object, as in pg_class.relacl.

    Without row-level security, every role has the permission for all rows.
    """
    words, _, granted = line.definition.partition("| owner ")
    pairs = {(role, each) for role, letters in _GRANTED.findall(granted) for each in letters.replace("*", "")}
    return pairs if "row security" in words else pairs | {("", "all rows")}


def listing(question: GateQuestion, server: URL) -> Listing:
    """List the revisions as alembic reads them. Raise BadInputError when it cannot."""
    if question.check_server:
        server_version(server)
    environment = environment_of(question, server)
    initial = initial_of(question, environment)
    past = history.read(environment, question.start_after, question.since, initial)
    listed = tuple(Listed(node.id, node.file, node.upgrade_line, node.new) for node in past.nodes)
    return Listing(listed, past.digest)


def models_of(question: GateQuestion, server: URL) -> Previous:
    """Run env.py on a database with the baseline only, and return the models that it names. Raise BadInputError when there are none.

    A release from before the baseline does without it.
    """
    with keeping_connections(server):
        server_version(server)
        environment = environment_of(question, server)
        initial = None
        with suppress(BadInputError):
            initial = initial_of(question, environment)
        with fresh(server, question.extensions) as database, every_connection_led_to(database, session=()):
            if initial:
                with_connection(database, partial(initial.build, owner=owner_of(database)))
            try:
                options = run(environment, lambda _heads, _context: ())
            except (Exception, SystemExit) as error:
                raise BadInputError(f"{environment.place_in_words(error)} fails", sentence(error)) from error
    if question.apart_from:
        _check_apart(question.apart_from)
    tables = [table for metadata in metadata_of(options) for table in metadata.tables.values()]
    if not tables:
        raise BadInputError(
            "env.py sets no target_metadata with tables",
            f"set it to {with_tables(environment.is_own) or 'the metadata of the models'}",
        )
    known = tuple(script.revision for script in environment.script.walk_revisions())
    return Previous(
        name=question.release,
        models=tuple(as_models(tables)),
        revisions=known,
        spelled=tuple(sorted(set(all_spelled(tables)))),
    )


def _check_apart(folder: str) -> None:
    """Raise BadInputError if this process has imported a file from a folder, unless the file is in a virtual environment there."""
    files = (getattr(module, "__file__", None) or "" for module in list(sys.modules.values()))
    if strange := [file for file in files if file.startswith(f"{folder}/") and not file.startswith(f"{sys.prefix}/")]:
        raise BadInputError(f"{strange[0]} is of another release", "install the service, but not as an editable one")
