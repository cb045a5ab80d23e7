"""R: can every revision be undone, and done again? Told by what the steps did to the catalog."""

from collections.abc import Iterator, Sequence

from slipway.gate.history import Node
from slipway.gate.layers.stairway import Failure, StairwayResult, Steps
from slipway.gate.measure.lines import Change
from slipway.gate.names import few
from slipway.gate.rules import transactions
from slipway.gate.rules.rule import Rule
from slipway.gate.steps import AGAIN, DOWN, UP
from slipway.records.proof import Finding, Level

FAILS = Rule(
    id="U01",
    name="upgrade fails",
    level=Level.ERROR,
    effect="The upgrade fails on an empty database; nothing after it was proven.",
    remedy="Mend the statement at this line.",
)
UNREACHED = Rule(
    id="U02",
    name="not reached",
    level=Level.ERROR,
    effect="The revision was not executed, for what comes before it does not run again from the beginning; nothing from here on was proven.",
    remedy="See what an earlier revision commits by itself (COMMIT, connection.commit()), or how it depends on what was there before.",
)
EMPTY = Rule(
    id="R01",
    name="empty downgrade",
    level=Level.WARNING,
    effect="The downgrade does nothing, though the upgrade changes the schema.",
    remedy="Write the downgrade, or raise NotImplementedError to say that there is none.",
)
RAISES = Rule(
    id="R02",
    name="downgrade fails",
    level=Level.ERROR,
    effect="The downgrade fails; this revision cannot be rolled back.",
    remedy="Mend the downgrade, or raise NotImplementedError to say that there is none.",
)
TRACE = Rule(
    id="R03",
    name="downgrade leaves a trace",
    level=Level.ERROR,
    effect="The downgrade leaves a trace; the schema is not what it was before.",
    remedy="Undo in downgrade() what the lines name.",
)
NAMELESS = Rule(
    id="R05",
    name="constraint without a name",
    level=Level.ERROR,
    effect="The downgrade drops a constraint without a name, which Postgres gave one; the statement cannot be written.",
    remedy="""\
# on the models' metadata, so that autogenerate writes the name:
metadata = sa.MetaData(naming_convention={"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s"})
# in this revision, the name that Postgres gave:
op.drop_constraint("…_fkey", …)""",
)
DIFFERS = Rule(
    id="R04",
    name="up after down differs",
    level=Level.ERROR,
    effect="The upgrade cannot be run again after the downgrade, or ends in another schema.",
    remedy="Let downgrade() undo all of upgrade().",
)
ROLL_FORWARD = Rule(
    id="R06",
    name="roll-forward only",
    level=Level.NOTE,
    effect="The revision declares that it can only be rolled forward.",
    remedy="Nothing to do; a rollback of the image over this revision will be refused.",
)

_NO_NAME = "it has no name"  # how SQLAlchemy ends the refusal to drop a constraint without one
_ENUM_REMEDY = """\
def downgrade() -> None:
    …  # drop what uses the type
    sa.Enum(name="{name}").drop(op.get_bind(), checkfirst=True)"""


def check(node: Node, steps: Steps) -> Iterator[Finding]:
    """Findings on one revision's steps."""
    if UP in steps.failures:
        failure = steps.failures[UP]
        yield _failed(transactions.of_failure(failure) or FAILS, node, failure, node.upgrade_line)
    elif DOWN in steps.failures:
        failure = steps.failures[DOWN]
        yield _failed(_of_downgrade(failure), node, failure, node.downgrade_line)
    elif node.keeps_on_downgrade:
        if change := steps.changes.get(UP):
            yield EMPTY.finding(node, f"the upgrade leaves: {few(change.added or change.removed)}", node.downgrade_line)
    elif DOWN in steps.changes:
        yield from _check_return(node, steps)


def _of_downgrade(failure: Failure) -> Rule:
    if failure.declared:
        return ROLL_FORWARD
    return NAMELESS if _NO_NAME in failure.said else RAISES


def check_reached(nodes: Sequence[Node], climb: StairwayResult) -> Iterator[Finding]:
    """A finding when new revisions were not reached and no failing upgrade says why."""
    failed = any(UP in steps.failures for steps in climb.steps.values())
    first = next((node for node in nodes if node.new and node.id in climb.skipped), None)
    if first and not failed:
        why = f": {climb.why_skipped}" if climb.why_skipped else ""
        yield UNREACHED.finding(first, f"{len(climb.skipped)} revisions were not reached{why}")


def _check_return(node: Node, steps: Steps) -> Iterator[Finding]:
    trace = steps.changes[UP].then(steps.changes[DOWN])
    if trace:
        yield TRACE.finding(node, _difference(trace), node.downgrade_line, _remedy(trace))
    if AGAIN in steps.failures:
        yield _failed(DIFFERS, node, steps.failures[AGAIN], node.upgrade_line)
    elif AGAIN in steps.changes and (other := steps.changes[DOWN].then(steps.changes[AGAIN])) and not trace:
        yield DIFFERS.finding(node, _difference(other), node.downgrade_line)


def _failed(rule: Rule, node: Node, failure: Failure, otherwise: int) -> Finding:
    return rule.finding(node, failure.said, failure.line_in(node, otherwise))


def _remedy(trace: Change) -> str | None:
    enum = next((line.name.rpartition(".")[2] for line in trace.added if line.kind == "enum"), None)
    return _ENUM_REMEDY.format(name=enum.strip('"')) if enum else None


def _difference(change: Change) -> str:
    parts = [
        f"left behind: {few(change.added)}" if change.added else "",
        f"missing: {few(change.removed)}" if change.removed else "",
    ]
    return "; ".join(part for part in parts if part)
