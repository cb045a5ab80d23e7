"""New revisions on rows.

Tables are filled as soon as they exist, and the rows stay for the following revisions, as in production.
This finds revisions that pass only on empty tables, downgrades that lose or change values that the upgrade kept, and
upgrades that drop values. A revision that uses no rows is only upgraded.
A long history is run in parts, in several processes. Each process first runs the revisions before its part, to get
their rows, and does not judge them.
The stairway shows which tables a revision's statements lock. Foreign keys, triggers, other connections and other
processes may write to further tables. So the rows of all tables are compared around a revision that writes, and after
the last one. When they differ after the last one, the run is repeated and compares all tables around each revision.
Between the steps, which are committed, the server's user fills and reads the tables in a session of its own, because
row-level security would hide rows from the role of the revisions. This user is a superuser, or lifts forced row-level
security from its own tables meanwhile.
"""

import itertools
import re
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import Connection

from slipway.errors import RefusedError
from slipway.gate.connections import every_connection_led_to
from slipway.gate.deadline import within
from slipway.gate.history import Node
from slipway.gate.kept_session import session_beside
from slipway.gate.layers import seeds
from slipway.gate.layers.backfills import Loop, RepeatedWrite, recording_backfills, recording_loops, repeated_writes
from slipway.gate.layers.conditions import Sought
from slipway.gate.layers.hidden_rows import HiddenRows, recording_hidden_rows
from slipway.gate.layers.in_parts import in_parts
from slipway.gate.layers.losses import (
    Loss,
    LossyConversion,
    deleted_rows,
    dropped_by_failing_upgrade,
    dropped_with_values,
    lossy_conversions,
    lost_by_downgrade,
    nulled_values,
    replaced_tables,
)
from slipway.gate.layers.planted_rows import (
    added_columns,
    keys_by_revision,
    plant_duplicate,
    plant_label,
    plant_sought,
    removed_labels,
)
from slipway.gate.layers.sequences import SequenceBehind, sequences_behind
from slipway.gate.layers.snapshots import (
    Back,
    Snapshot,
    differing_tables,
    names_of,
    part_of,
    partitions,
    rows_in_earlier_types,
    snapshot,
)
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.layers.unmatched import Unmatched, Unmatching
from slipway.gate.measure.session import begin_beside, literal, query, tables_with_hidden_rows, without_forced_security
from slipway.gate.measure.statements import may_write
from slipway.gate.names import few, is_table
from slipway.gate.steps import (
    AGAIN,
    DOWN,
    UP,
    Baseline,
    bare_step_of,
    commit_beneath,
    report,
    run,
    step_of,
    version_table_of,
)
from slipway.migration.database import sqlstate
from slipway.migration.environment import sentence
from slipway.migration.reasons import detail
from slipway.records.proof import Layer
from slipway.records.words import counted

T = TypeVar("T")

# Errors that our invented values cause, in contrast to the application's: a cast that cannot read our text, a check or
# a reference that our row violates, a refusal of an extension (39000) such as pgcrypto's for values that it has not
# encrypted, an error of Python about JSON of another form. A violation through NULL or equal rows, where these were
# allowed, is the revision's own error.
_NOT_FIT = re.compile("22...|23503|23514|39...|P000[14]")
_ALLOWED_BEFORE = ("21000", "23502", "23505", "23P01")
# The application's own checks, in Python or by RAISE, judge values that only its code writes.
_WRITES = re.compile(r"\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|MERGE|COPY)\b", re.IGNORECASE)
_COUNTS = re.compile(r"\b(SEQUENCE|IDENTITY|(SMALL|BIG)?SERIAL|setval)\b", re.IGNORECASE)
_NO_LABEL = re.compile(r'invalid input value for enum [^:]+: "(?P<label>.*)"')
_MOVES = re.compile(r"\b(RESTART|setval)\b", re.IGNORECASE)


@dataclass(kw_only=True)
class Rows:
    """The effects of one revision's steps on rows."""

    held: dict[str, int] = field(default_factory=dict)  # the number of rows in each table before the revision
    # failures of steps that succeed on empty tables, by step
    failures: dict[str, Failure] = field(default_factory=dict)
    dropped: tuple[Loss, ...] = ()  # columns and tables that the upgrade removed with values
    deleted: tuple[Loss, ...] = ()  # rows that the upgrade deleted, and values that it replaced by NULL
    replaced: tuple[Loss, ...] = ()  # tables that were renamed, with another one without their rows under their name
    conversions: tuple[LossyConversion, ...] = ()  # values that the upgrade changed through a new type
    changed: tuple[Loss, ...] = ()  # values that the upgrade kept and the downgrade lost or changed
    hidden: list[HiddenRows] = field(default_factory=list)  # rows that row-level security hid from statements
    behind: tuple[SequenceBehind, ...] = ()  # sequences whose next value is already in their column
    repeated_writes: tuple[RepeatedWrite, ...] = ()  # backfills that write rows again in a second run
    loops: list[Loop] = field(default_factory=list)  # statements that write all rows of a table one by one
    unmatched: tuple[Unmatched, ...] = ()  # statements that found no row
    found: frozenset[int] = frozenset()  # the lines of statements that found rows

    def compare(self, before: Snapshot, after: Snapshot, back: Back) -> None:
        """Compare the rows before the revision with those after its upgrade and with those after its downgrade, `back`."""
        changed = {loss.name: loss for loss in lost_by_downgrade(before, after, back)}
        if back:  # a downgrade that restores the old values shows that the upgrade lost none
            self.conversions = tuple(loss for loss in self.conversions if loss.by_cast and loss.name in changed)
        converted = {loss.name for loss in self.conversions}
        nulled = [loss for loss in nulled_values(before, after, back) if loss.name not in converted]
        self.dropped = tuple(dropped_with_values(before, after, back))
        self.deleted = (*deleted_rows(before, after, back), *nulled)
        named = {*converted, *(loss.name for loss in nulled)}
        self.changed = tuple(loss for name, loss in changed.items() if name not in named)

    def joined(self, other: "Rows") -> "Rows":
        """Join this run with `other`, in which the gate planted some of the rows: return that run's effects, with those that only this run shows."""
        left = () if UP in other.failures else (*other.unmatched, *self.unmatched)
        unmatched = {each.line: each for each in left if each.line not in other.found}
        return replace(
            other,
            failures=other.failures | self.failures,
            behind=other.behind or self.behind,
            unmatched=tuple(unmatched.values()),
        )

    def failing(self, error: str) -> "Rows":
        """Return the same effects with an error on planted rows, which other values of these rows may have caused."""
        return replace(self, unmatched=tuple(replace(each, failed=error) for each in self.unmatched))


@dataclass(frozen=True, kw_only=True)
class RowsResult:
    """The history on rows.

    - filled: how many of `tables` accepted rows.
    - gaps: sentences.
    - untested: the revisions that did not run on rows.
    """

    revisions: Mapping[str, Rows] = field(default_factory=dict)
    tables: int = 0
    filled: int = 0
    empty: Mapping[str, str] = field(default_factory=dict)  # why a table has no row, by the table's name
    gaps: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()


def run_on_rows(baseline: Baseline, steps: Mapping[str, Steps]) -> RowsResult:
    """Run the new revisions on rows. `steps` are the results of the stairway."""
    upgraded = itertools.takewhile(lambda node: _is_upgraded(steps[node.id]), baseline.history.nodes)
    nodes = tuple(itertools.dropwhile(lambda node: not node.new, upgraded))

    def run_part(first: int, last: int) -> _Part:
        run = _Run(baseline, steps, (nodes[:first], nodes[first:last]))
        result = run.run()
        if run.is_unexplained:
            run = run.again(looks_everywhere=True)
            result = run.run()
        unmatched = ((key, [each.sought for each in rows.unmatched]) for key, rows in result.revisions.items())
        sought = {key: several for key, several in unmatched if any(each.is_known for each in several)}
        return result.joined(run.again(sought=sought).run(), sought) if sought else result

    with in_parts(len(nodes), run_part, "a part of the history on rows") as (last, earlier):
        end = run_part(*last)
        return _joined([*earlier(), end])


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of the history on rows. The tables are those at its end."""

    revisions: Mapping[str, Rows]
    tables: int
    filled: int
    empty: Mapping[str, str]  # why a table has no row
    left: tuple[str, ...]  # revisions that were not reached
    why_left: str
    unfit: Mapping[str, str]  # errors of revisions that may fail only on the generated values
    out_of_sight: tuple[str, ...]  # tables whose rows not even the gate sees

    def joined(self, other: "_Part", revisions: Collection[str]) -> "_Part":
        """Return the part with the effects on planted rows, which another run of some revisions has shown."""
        joined = {
            key: rows.failing(other.unfit[key]) if key in other.unfit else rows.joined(other.revisions.get(key, rows))
            for key, rows in self.revisions.items()
            if key in revisions
        }
        return replace(self, revisions={**self.revisions, **joined})


def _joined(parts: Sequence[_Part]) -> RowsResult:
    end = parts[-1]
    revisions = {key: rows for part in parts for key, rows in part.revisions.items()}
    return RowsResult(
        revisions=revisions,
        tables=end.tables,
        filled=end.filled,
        empty=end.empty,
        gaps=tuple(_gaps(parts)),
        untested=tuple(revision for part in parts for revision in (*part.left, *part.unfit)),
    )


def _gaps(parts: Sequence[_Part]) -> Iterator[str]:
    end = parts[-1]
    left = [revision for part in parts for revision in part.left]
    unfit = [f"{revision} ({error})" for part in parts for revision, error in part.unfit.items()]
    if left:
        why = next(part.why_left for part in parts if part.left)
        yield f"{counted(len(left), 'revision')} not run on rows, the first is {left[0]} ({why})"
    if unfit:
        yield f"{counted(len(unfit), 'revision')} not tested on rows, because a statement fails there, perhaps only on the generated values; the first is {unfit[0]}"
    unmatched = [
        f"{each} before {revision}"
        for part in parts
        for revision, rows in part.revisions.items()
        for each in rows.unmatched
        if not each.impossible
    ]
    if unmatched:
        yield f"the effect of {counted(len(unmatched), 'statement')}, for lack of a row that meets its condition: {few(unmatched)}"
    if hidden := list(dict.fromkeys(table for part in parts for table in part.out_of_sight)):
        yield f"row-level security hides rows of {few(hidden)} from the gate, because the server's role is no superuser"
    if end.empty:
        yield (
            f"{len(end.empty)} of {counted(end.tables, 'table')} could not be filled with rows: {few(list(end.empty))};"
            f" {next(iter(end.empty.values()))}; name values in [tool.slipway.migrations.samples]"
        )


class _Run:
    """A run of some new revisions on rows.

    `begins` are the earlier new revisions, which run first and bring their rows.
    """

    def __init__(
        self,
        baseline: Baseline,
        steps: Mapping[str, Steps],
        begins: tuple[Sequence[Node], Sequence[Node]],
        *,
        looks_everywhere: bool = False,
        sought: Mapping[str, Sequence[Sought]] = MappingProxyType({}),
    ) -> None:
        self._baseline = baseline
        self._environment = baseline.environment
        self._steps = steps
        self._new_steps = {each.id: steps[each.id] for each in baseline.history.nodes if each.new and each.id in steps}
        self._keys = keys_by_revision(self._new_steps)
        self._begins = earlier, nodes = begins
        self._earlier = earlier
        self._pending = deque(nodes)
        self._new = sum(node.new for node in baseline.history.nodes)
        self._rows: dict[str, Rows] = {}
        self._filled: dict[str, int] = {}  # the number of rows by the oid of each table that the gate tried to fill
        self._reasons: dict[str, str] = {}  # why a table has no row, by its oid
        self._names: dict[str, str] = {}
        self._looks_everywhere = looks_everywhere
        self._sought = sought  # the rows to plant, by revision
        self.is_unexplained = False  # whether rows were written, or a sequence moved, and no revision explains it
        self._marks: dict[str, str] = {}
        # sequences whose next value earlier revisions left in their column
        self._behind: Collection[tuple[str, str]] = ()
        self._kept = False  # whether the database had rows at the beginning
        self._explained: set[str] = set()  # tables to which revisions were seen to write
        self._unfit: dict[str, str] = {}
        self._out_of_sight: list[str] = []  # tables whose rows not even the gate sees
        self._unreached = ""
        self._sees_all = True  # whether the user of the server is a superuser
        self._current: tuple[Node, str] | None = None
        self._context: MigrationContext
        self._connection: Any  # the connection of the revisions
        self._do: Callable[[Callable[[Connection], Any]], Any]
        self._before: Snapshot | None = None  # the rows before the upgrade of the current revision
        # The error of the upgrade on rows with NULLs and repeated values. The upgrade runs once more without these.
        self._failed: BaseException | None = None

    def again(
        self, *, looks_everywhere: bool = False, sought: Mapping[str, Sequence[Sought]] = MappingProxyType({})
    ) -> "_Run":
        """Return a run that compares the rows of all tables around each revision, or plants the rows that revisions search."""
        looks_everywhere = looks_everywhere or self._looks_everywhere
        return _Run(self._baseline, self._steps, self._begins, looks_everywhere=looks_everywhere, sought=sought)

    def run(self) -> _Part:
        """Run every step and collect the failures."""
        with self._baseline.replica() as source:
            while self._pending:
                self._filled, self._names, self._marks, self._explained = {}, {}, {}, set()
                first = [*self._earlier, *self._pending][0]
                filled = source.filled(first, plain=self._failed is not None)
                self._kept = filled is not None
                try:
                    with (
                        source.before(first, filled) as database,
                        session_beside(database, exempt=True) as self._do,
                        every_connection_led_to(database),
                    ):
                        self._run_env()
                    self._earlier = ()  # after a failure the tables are filled at once
                except RefusedError as error:
                    self._unreached = str(error)
                    break
        return _Part(
            revisions=self._rows,
            tables=len(self._filled),
            filled=sum(count > 0 for count in self._filled.values()),
            empty=self._empty(),
            left=tuple(node.id for node in self._pending),
            why_left=self._unreached,
            unfit=self._unfit,
            out_of_sight=tuple(self._out_of_sight),
        )

    def _empty(self) -> dict[str, str]:
        empty = (oid for oid, count in self._filled.items() if not count)
        return {self._names[oid]: self._reasons.get(oid, "") for oid in sorted(empty, key=self._names.__getitem__)}

    def _run_env(self) -> None:
        """Run env.py once, to the end or to a failing step."""
        self._begin()
        try:
            run(self._environment, self._walk, transaction_per_migration=True)
        except (Exception, SystemExit) as error:  # any error of a revision becomes a finding
            if self._current is None:
                raise RefusedError("no revision was at fault", sentence(error)) from error
            self._fails(*self._current, error)

    def _begin(self) -> None:
        self._current = self._before = None

    def _fails(self, node: Node, step: str, error: BaseException) -> None:
        """Record a failure.

        When the upgrade of a new revision fails, run it once more on rows without NULLs and long texts, to see its
        effects on these.
        """
        if node in self._earlier:  # the revision's own part reports the failure
            return
        ours = is_caused_by_our_values(error) and not self._drops_label(node, error)
        if step == UP and node.new and self._failed is None:
            self._failed = error
            if ours and node.id in self._sought:
                self._unfit[node.id] = sentence(error)
            if not (ours or _is_met_by_equal_keys(error)):
                self._of(node).failures[UP] = Failure.of(error, self._environment)
            return
        if step == UP and self._failed and self._before:
            error = self._failed
            self._of(node).dropped = tuple(dropped_by_failing_upgrade(self._steps[node.id].upgraded, self._before))
        self._failed = None
        if is_caused_by_our_values(error) and not self._drops_label(node, error):
            self._unfit[node.id] = sentence(error)
        else:
            self._of(node).failures.setdefault(step, Failure.of(error, self._environment))
        with suppress(IndexError):
            self._pending.popleft()

    def _drops_label(self, node: Node, error: BaseException) -> bool:
        """Return whether a revision fails on a label that its own enum no longer has: that is a value of the application, not an invented one."""
        match = _NO_LABEL.search(str(error))
        removed = self._steps[node.id].upgraded.removed
        return match is not None and any(literal(match["label"]) in line.labels for line in removed)

    def _of(self, node: Node) -> Rows:
        return self._rows.setdefault(node.id, Rows())

    def _walk(self, _heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        assert context.connection is not None
        self._context, self._connection = context, context.connection.connection
        commit_beneath(context)
        own = version_table_of(context)
        ((search_path,),) = query(self._connection, "SELECT current_setting('search_path')")
        self._sees_all = self._seeing_all_rows(begin_beside, search_path)
        yield from self._brought_rows(own)
        while self._pending:
            node = self._pending[0]
            self._fill_first(node, own)
            if node.new and not self._failed:
                self._plant(node)
            self._current = (node, UP)
            step = bare_step_of(self._environment, node, UP)
            step.migration_fn = partial(self._run_steps, node)
            yield step
            self._pending.popleft()
            if self._failed:  # the next revision gets all rows again
                self._failed = None
                break
            if self._makes_tables(node):
                self._fill(own)
        self._look_for_more()

    def _seeing_all_rows(self, look: Callable[..., T], *arguments: Any) -> T:
        """Call a function with the connection that sees all rows."""

        def seeing_all(connection: Connection) -> T:
            with nullcontext() if self._sees_all else without_forced_security(connection.connection):
                return look(connection.connection, *arguments)

        result: T = self._do(seeing_all)
        return result

    def _brought_rows(self, own: str) -> Iterator[RevisionStep]:
        """Run the revisions before this part, which bring their rows."""
        for node in self._earlier:
            self._fill_first(node, own)
            self._connection.commit()
            self._current = (node, UP)
            yield step_of(self._environment, node, UP)
            commit_beneath(self._context)
            if self._makes_tables(node):
                self._fill(own)
        if self._earlier:
            self._marks = self._seeing_all_rows(seeds.marks, self._names)
            self._behind = self._seeing_all_rows(sequences_behind, list(self._filled), self._newest).keys()

    def _fill_first(self, node: Node, own: str) -> None:
        """Fill the tables that exist before the first revision of a run."""
        if not self._filled and (self._baseline.initial or node is not self._baseline.history.nodes[0]):
            self._fill(own)

    @property
    def _newest(self) -> int:
        """Return the largest oid of a table that the gate tried to fill."""
        return max(map(int, self._filled), default=0)

    def _look_for_more(self) -> None:
        """Note whether more was written than the revisions were seen to write."""
        if self._looks_everywhere or self.is_unexplained:
            return
        names = self._seeing_all_rows(names_of, self._marks.keys() - self._explained)
        marks = self._seeing_all_rows(seeds.marks, names)
        behind = self._seeing_all_rows(sequences_behind, list(self._filled), self._newest)
        known = {*self._behind, *((each.table, each.column) for rows in self._rows.values() for each in rows.behind)}
        self.is_unexplained = any(self._marks[oid] != mark for oid, mark in marks.items()) or bool(
            behind.keys() - known
        )

    def _run_steps(self, node: Node, **arguments: Any) -> None:
        """Run the upgrade of a revision, and judge its effects on rows. Downgrade and run it again when it concerns some.

        This is one step for alembic, because its own book-keeping of a downgrade grows with the history.
        """
        run = partial(self._run_step, node, arguments)
        locked = self._locked(node)
        writes = self._looks_everywhere or self._writes(node)
        touched = [oid for oid, count in self._filled.items() if count] if writes else locked
        self._before = before = self._seeing_all_rows(snapshot, touched)
        if not node.new:
            self._explained.update(self._filled)
            run(UP)
            return
        report(Layer.ROWS, node.id, self._new)
        newest = self._newest
        moves = self._looks_everywhere or self._moves_sequences(node)
        watched = moves or self._may_leave_sequences_behind(node)
        counted = list(self._filled) if moves else touched
        behind = self._seeing_all_rows(sequences_behind, counted, newest) if watched and counted else {}
        rows = self._of(node)
        filled = {name: self._filled[oid] for oid, name in self._names.items()}
        with (
            recording_backfills(node) as backfills,
            recording_hidden_rows(node, rows.hidden),
            recording_loops(node, filled, rows.loops),
            (unmatching := Unmatching()).recording(node),
        ):
            run(UP)
        if self._failed is None:  # otherwise the rows lack NULLs
            held = {before.names[oid]: count for oid, count in before.counts.items()}
            rows.unmatched, rows.found = tuple(unmatching.among(held)), unmatching.found
        if watched:
            now = self._seeing_all_rows(sequences_behind, counted, newest)
            self._of(node).behind = tuple(each for column, each in now.items() if column not in behind)
        if backfills:  # outside of a transaction, the tables that they lock are unknown
            self._of(node).repeated_writes = tuple(repeated_writes(self._connection, backfills))
        if any(before.counts.values()):
            self._judge(node, before, locked, run)

    def _run_step(self, node: Node, arguments: Mapping[str, Any], step: str) -> None:
        """Run a step with a commit before and after it, so that no session waits for a lock of another session."""
        self._connection.commit()
        self._current = (node, step)
        with within(self._environment.timeout, f"revision {node.id} ({node.file})"):
            bare_step_of(self._environment, node, step).migration_fn(**arguments)
        self._connection.commit()

    def _judge(self, node: Node, before: Snapshot, locked: Collection[str], run: Callable[[str], None]) -> None:
        """Compare the rows after the upgrade, and after the downgrade, with those before."""
        rows = self._of(node)
        after = self._seeing_all_rows(snapshot, list(before.names))
        differing = differing_tables(before, after)
        concerned = {*locked, *differing}
        self._explained.update(concerned if self._writes(node) else differing)
        before, after = part_of(concerned, before), part_of(concerned, after)
        if not concerned:
            return
        rows.held = {before.names[oid]: count for oid, count in before.counts.items()}
        rows.conversions = self._seeing_all_rows(lambda connection: tuple(lossy_conversions(connection, before, after)))
        if any(after.names.get(oid, name) != name for oid, name in before.names.items()):
            by_name = self._seeing_all_rows(rows_in_earlier_types, before)
            rows.replaced = tuple(replaced_tables(before, after, by_name))
        rows.compare(before, after, {})  # a failing downgrade restores nothing
        if not node.keeps_on_downgrade and not self._steps[node.id].failures:
            run(DOWN)
            rows.compare(before, after, self._seeing_all_rows(rows_in_earlier_types, before))
            run(AGAIN)

    def _locked(self, node: Node) -> list[str]:
        """Return the filled tables that the revision's upgrade locks."""
        locked = {name for statement in self._steps[node.id].statements for name in statement.locks}
        return [oid for oid, name in self._names.items() if name in locked and self._filled[oid]]

    def _writes(self, node: Node) -> bool:
        """Return whether a statement of the revision's upgrade may write to rows, even of other tables.

        A read counts, too, because its result may decide about writes.
        """
        statements = self._steps[node.id].statements
        return any(
            each.rewrites or ((each.locks or each.scans or not each.transaction) and may_write(each.sql))
            for each in statements
        )

    def _moves_sequences(self, node: Node) -> bool:
        return any(_MOVES.search(each.sql) for each in self._steps[node.id].statements)

    def _may_leave_sequences_behind(self, node: Node) -> bool:
        """Return whether a revision writes rows, or adds or replaces a sequence.

        Only then are all sequences read, which is slow.
        """
        steps = self._steps[node.id]
        replaces = any(_WRITES.match(each.sql) or _COUNTS.search(each.sql) for each in steps.statements)
        return replaces or any(line.kind == "sequence" for line in steps.upgraded.added)

    def _plant(self, node: Node) -> None:
        """Plant equal values that the revision forbids, a label that it removes, and values that it searches."""
        oids = {name: oid for oid, name in self._names.items() if self._filled[oid]}
        if keys := self._keys.get(node.id, ()):
            oids |= self._seeing_all_rows(partitions, oids.values())
        for key in keys:
            if key.table in oids:
                self._explained.add(oids[key.table])
                self._seeing_all_rows(plant_duplicate, key)
        for enum, label in removed_labels(self._steps[node.id].upgraded):
            self._explained.update(self._seeing_all_rows(plant_label, self._names, enum, label))
        if sought := self._sought.get(node.id):
            new = {name for each in self._new_steps.values() for name in added_columns(each.upgraded)}
            self._explained.update(self._seeing_all_rows(plant_sought, self._names, sought, new))

    def _makes_tables(self, node: Node) -> bool:
        change = self._steps[node.id].upgraded
        return any("table" in line.kind for line in (*change.added, *change.removed))

    def _fill(self, own: str) -> None:
        """Fill the new tables, except alembic's own."""
        self._current = None
        every = self._seeing_all_rows(seeds.tables, self._newest, self._baseline.samples)
        new = [replace(table, plain=self._failed is not None) for table in every if not is_table(table.name, own)]
        if not self._sees_all:
            self._out_of_sight += self._seeing_all_rows(tables_with_hidden_rows)
        filled = self._do(lambda connection: seeds.fill(connection.connection, new, kept=self._kept))
        self._kept = False
        self._filled |= filled.counts
        self._marks |= filled.marks
        self._reasons |= filled.reasons
        self._names = self._seeing_all_rows(names_of, self._filled)
        self._filled = {oid: self._filled[oid] for oid in self._names}


def is_caused_by_our_values(error: BaseException) -> bool:
    """Return whether a revision fails because our invented values do not fit it."""
    code = sqlstate(error)
    if code is None:
        return "NoneType" not in str(error)
    return _NOT_FIT.fullmatch(code) is not None


def fails_on_rows(error: BaseException) -> bool:
    """Return whether a revision fails on rows that its schema allowed, such as equal rows.

    Other layers may have made such rows.
    """
    return sqlstate(error) in _ALLOWED_BEFORE and not _is_met_by_equal_keys(error)


def _is_met_by_equal_keys(error: BaseException) -> bool:
    """Return whether a unique key fails because several tables have the same UUID, which happens only with ours."""
    message = f"{error} {detail(error)}"
    return sqlstate(error) == "23505" and seeds.UUID in message and "already exists" in message


def _is_upgraded(steps: Steps) -> bool:
    return UP in steps.fingerprints and UP not in steps.failures
