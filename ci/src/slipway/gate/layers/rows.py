"""New revisions on rows: tables are filled as soon as they exist, and the rows stay for the following revisions, as in production.

This finds revisions that pass only on empty tables, downgrades that lose or change values that the upgrade had kept, and upgrades that drop
values. A revision that touches no rows is only upgraded.

The stairway says which tables the statements of a revision lock. Foreign keys, triggers, other connections and other processes may write to more:
the rows of all tables are compared around a revision that writes, and after the last one. When they differ there, the run is repeated, and compares
all tables around each revision.
"""

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from alembic.runtime.migration import MigrationContext, RevisionStep

from slipway.errors import RefusedError
from slipway.gate.connections import every_connection_led_to
from slipway.gate.history import Node
from slipway.gate.layers import row_effects, seeds
from slipway.gate.layers.row_effects import Again, Back, Behind, Hidden, Loop, Loss, Recast, Snapshot
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.measure.session import as_superuser, literal, query
from slipway.gate.names import few, is_table
from slipway.gate.steps import AGAIN, DOWN, UP, Baseline, report, run, step_of, version_table_of
from slipway.migration.database import sqlstate
from slipway.migration.environment import sentence
from slipway.migration.reasons import detail
from slipway.records.proof import Layer
from slipway.records.words import counted

# Errors that our invented values cause, unlike the application's: a cast that cannot read our text, a check or a reference that our row violates,
# a refusal of an extension (39000), as pgcrypto's of values that it has not encrypted, an error of Python on JSON of another shape. A violation by
# NULL or by equal rows, where these were allowed, is the revision's own.
_NOT_FIT = re.compile("22...|23503|23514|39...|P000[14]")
# A check of the application's own, in Python or by RAISE, judges values that only its code writes.
_WRITES = re.compile(r"\s*(WITH\b.*\b)?(INSERT INTO|UPDATE|MERGE|COPY)\b", re.IGNORECASE)
_COUNTS = re.compile(r"\b(SEQUENCE|IDENTITY|(SMALL|BIG)?SERIAL|setval)\b", re.IGNORECASE)
_NO_LABEL = re.compile(r'invalid input value for enum [^:]+: "(?P<label>.*)"')
_MOVES = re.compile(r"\b(RESTART|setval)\b", re.IGNORECASE)


@dataclass(kw_only=True)
class Rows:
    """The effects of one revision's steps on rows."""

    held: dict[str, int] = field(default_factory=dict)  # the number of rows of each table before
    failures: dict[str, Failure] = field(default_factory=dict)  # by step, where it succeeds on empty tables
    dropped: tuple[Loss, ...] = ()  # columns and tables that the upgrade removed with values
    deleted: tuple[Loss, ...] = ()  # rows that the upgrade deleted, and values that it set to NULL
    recast: tuple[Recast, ...] = ()  # values that the upgrade changed by a new type
    changed: tuple[Loss, ...] = ()  # values that the upgrade kept and the downgrade lost or changed
    hidden: list[Hidden] = field(default_factory=list)  # rows that row-level security kept from statements
    behind: tuple[Behind, ...] = ()  # sequences behind the values of their columns
    again: tuple[Again, ...] = ()  # backfills that write rows again in a second run
    loops: list[Loop] = field(default_factory=list)  # statements that write all rows of a table one by one

    def compare(self, before: Snapshot, after: Snapshot, back: Back) -> None:
        """Compare the rows before the revision with those after its upgrade and those that its downgrade brought `back`."""
        changed = {loss.name: loss for loss in row_effects.changed(before, after, back)}
        if back:  # a downgrade that restores the old values shows that none is lost
            self.recast = tuple(loss for loss in self.recast if loss.by_cast and loss.name in changed)
        recast = {loss.name for loss in self.recast}
        nulled = [loss for loss in row_effects.nulled(before, after, back) if loss.name not in recast]
        self.dropped = tuple(row_effects.dropped(before, after, back))
        self.deleted = (*row_effects.deleted(before, after, back), *nulled)
        told = {*recast, *(loss.name for loss in nulled)}
        self.changed = tuple(loss for name, loss in changed.items() if name not in told)


@dataclass(frozen=True)
class RowsResult:
    """The history on rows: `filled` of `tables` accepted rows; `gaps` are sentences."""

    revisions: Mapping[str, Rows] = field(default_factory=dict)
    tables: int = 0
    filled: int = 0
    empty: Mapping[str, str] = field(default_factory=dict)  # why a table holds no row, by its name
    gaps: tuple[str, ...] = ()


def run_on_rows(baseline: Baseline, steps: Mapping[str, Steps]) -> RowsResult:
    """Run the new revisions on rows; `steps` are the results of the stairway."""
    first = _Run(baseline, steps)
    result = first.run()
    return _Run(baseline, steps, looks_everywhere=True).run() if first.is_unexplained else result


class _Run:
    """A run of a history's new revisions on rows."""

    def __init__(self, baseline: Baseline, steps: Mapping[str, Steps], *, looks_everywhere: bool = False) -> None:
        self._baseline = baseline
        self._environment = baseline.environment
        self._steps = steps
        self._nodes = tuple(itertools.takewhile(lambda node: _is_upgraded(steps[node.id]), baseline.history.nodes))
        self._pending = deque(itertools.dropwhile(lambda node: not node.new, self._nodes))
        self._new = len(self._pending)
        self._rows: dict[str, Rows] = {}
        self._filled: dict[str, int] = {}  # the number of rows by the oid of each table that was to be filled
        self._reasons: dict[str, str] = {}  # why a table holds no row, by its oid
        self._names: dict[str, str] = {}
        self._looks_everywhere = looks_everywhere
        self.is_unexplained = False  # rows were written, or a sequence moved, and no revision was seen to do that
        self._marks: dict[str, str] = {}
        self._explained: set[str] = set()  # tables that revisions were seen to write
        self._unfit: list[str] = []
        self._out_of_sight: list[str] = []  # tables whose rows not even the gate sees
        self._unreached = ""
        self._current: tuple[Node, str] | None = None
        self._before: Snapshot | None = None  # the upgrade of the current revision
        # The error of the upgrade on rows with NULLs and repeated values; it runs once more without them.
        self._failed: BaseException | None = None

    def run(self) -> RowsResult:
        """Run every step and collect the failures."""
        with self._baseline.replica() as source:
            while self._pending:
                self._filled, self._names, self._marks, self._explained = {}, {}, {}, set()
                try:
                    with source.before(self._pending[0]) as database, every_connection_led_to(database):
                        self._run_env()
                except RefusedError as error:
                    self._unreached = str(error)
                    break
        filled = sum(count > 0 for count in self._filled.values())
        return RowsResult(self._rows, len(self._filled), filled, self._empty(), tuple(self._gaps()))

    def _empty(self) -> dict[str, str]:
        empty = (oid for oid, count in self._filled.items() if not count)
        return {self._names[oid]: self._reasons.get(oid, "") for oid in sorted(empty, key=self._names.__getitem__)}

    def _gaps(self) -> Iterator[str]:
        if self._pending:
            yield f"{counted(len(self._pending), 'revision')} not run on rows, the first is {self._pending[0].id} ({self._unreached})"
        if self._unfit:
            yield f"{counted(len(self._unfit), 'revision')} not tested on rows, because a statement fails there, perhaps only on the generated values; the first is {self._unfit[0]}"
        if hidden := list(dict.fromkeys(self._out_of_sight)):
            yield f"row-level security hides rows of {few(hidden)} from the gate, because the server's role is no superuser"
        if empty := self._empty():
            yield (
                f"{len(empty)} of {counted(len(self._filled), 'table')} could not be filled with rows: {few(list(empty))};"
                f" {next(iter(empty.values()))}; name values in [tool.slipway.migrations.samples]"
            )

    def _run_env(self) -> None:
        """Run env.py once, to the end or to a failing step."""
        self._begin()
        try:
            run(self._environment, self._walk, transaction_per_migration=True)
        except (Exception, SystemExit) as error:  # any error of a revision is a finding
            if self._current is None:
                raise RefusedError("no revision was at fault", sentence(error)) from error
            self._fails(*self._current, error)

    def _begin(self) -> None:
        self._current = self._before = None

    def _fails(self, node: Node, step: str, error: BaseException) -> None:
        """Record a failure; a new upgrade runs once more on plain rows, to see what it does to them."""
        ours = is_caused_by_our_values(error) and not self._drops_label(node, error)
        if step == UP and node.new and self._failed is None:
            self._failed = error
            if not (ours or _is_met_by_equal_keys(error)):
                self._of(node).failures[UP] = Failure.of(error, self._environment)
            return
        if step == UP and self._failed and self._before:
            error = self._failed
            self._of(node).dropped = tuple(row_effects.dropped_by(self._steps[node.id].upgraded, self._before))
        self._failed = None
        if is_caused_by_our_values(error) and not self._drops_label(node, error):
            self._unfit.append(f"{node.id} ({sentence(error)})")
        else:
            self._of(node).failures.setdefault(step, Failure.of(error, self._environment))
        with suppress(IndexError):
            self._pending.popleft()

    def _drops_label(self, node: Node, error: BaseException) -> bool:
        """Whether a revision meets a row with a label that its own enum no longer has: a value of the application's, not ours."""
        match = _NO_LABEL.search(str(error))
        removed = self._steps[node.id].upgraded.removed
        return match is not None and any(literal(match["label"]) in line.labels for line in removed)

    def _of(self, node: Node) -> Rows:
        return self._rows.setdefault(node.id, Rows())

    def _walk(self, _heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
        assert context.connection is not None
        connection = context.connection.connection
        own = version_table_of(context)
        while self._pending:
            node = self._pending[0]
            if not self._filled and (self._baseline.initial or node is not self._nodes[0]):
                self._fill(connection, own)
            if node.new and not self._failed:
                self._repeat(node, connection)
            yield from self._upgraded(node, connection)
            self._pending.popleft()
            if self._failed:  # the next revision meets all rows again
                self._failed = None
                break
            if self._makes_tables(node):
                self._fill(connection, own)
        self._look_for_more(connection)

    def _look_for_more(self, connection: Any) -> None:
        """Note whether more was written than the revisions were seen to write."""
        if self._looks_everywhere or self.is_unexplained:
            return
        present = query(connection, row_effects.NAMES)
        names = {oid: name for oid, name in present if oid in self._marks and oid not in self._explained}
        with as_superuser(connection):
            marks = seeds.marks(connection, names)
        behind = row_effects.sequences_behind(connection, list(self._filled), max(map(int, self._filled), default=0))
        known = {(each.table, each.column) for rows in self._rows.values() for each in rows.behind}
        self.is_unexplained = any(self._marks[oid] != mark for oid, mark in marks.items()) or bool(
            behind.keys() - known
        )

    def _upgraded(self, node: Node, connection: Any) -> Iterator[RevisionStep]:
        locked = self._locked(node)
        writes = self._looks_everywhere or self._writes(node)
        touched = [oid for oid, count in self._filled.items() if count] if writes else locked
        self._before = before = row_effects.snapshot(connection, touched)
        self._current = (node, UP)
        if not node.new:
            self._explained.update(self._filled)
            yield self._step(node, UP, connection)
            return
        report(Layer.ROWS, node.id, self._new)
        newest = max(map(int, self._filled), default=0)
        moves = self._looks_everywhere or self._moves_sequences(node)
        watched = moves or self._may_leave_sequences_behind(node)
        counted = list(self._filled) if moves else touched
        behind = row_effects.sequences_behind(connection, counted, newest) if watched and counted else {}
        rows = self._of(node)
        filled = {name: self._filled[oid] for oid, name in self._names.items()}
        with (
            row_effects.noted(node) as backfills,
            row_effects.noting_hidden(node, rows.hidden),
            row_effects.looping(node, filled, rows.loops),
        ):
            yield self._step(node, UP, connection)
        if watched:
            now = row_effects.sequences_behind(connection, counted, newest)
            self._of(node).behind = tuple(each for column, each in now.items() if column not in behind)
        if backfills:  # the tables that they lock are not known when they run outside a transaction
            self._of(node).again = tuple(row_effects.written_again(connection, backfills))
        if any(before.counts.values()):
            yield from self._judged(node, before, locked, connection)

    def _step(self, node: Node, step: str, connection: Any) -> RevisionStep:
        """Return a step that finds our rows committed, as production's are, and no lock of ours in its way."""
        connection.commit()
        self._current = (node, step)
        return step_of(self._environment, node, step)

    def _judged(self, node: Node, before: Snapshot, locked: Collection[str], connection: Any) -> Iterator[RevisionStep]:
        """Compare the rows after the upgrade and after the downgrade with those before."""
        rows = self._of(node)
        after = row_effects.snapshot(connection, list(before.names))
        differing = row_effects.differing(before, after)
        concerned = {*locked, *differing}
        self._explained.update(concerned if self._writes(node) else differing)
        before, after = row_effects.among(concerned, before), row_effects.among(concerned, after)
        if not concerned:
            return
        rows.held = {before.names[oid]: count for oid, count in before.counts.items()}
        rows.recast = tuple(row_effects.recast(connection, before, after))
        rows.compare(before, after, {})  # a downgrade that fails brings nothing back
        if not node.keeps_on_downgrade and not self._steps[node.id].failures:
            yield self._step(node, DOWN, connection)
            rows.compare(before, after, row_effects.rows_of(connection, before))
            yield self._step(node, AGAIN, connection)

    def _locked(self, node: Node) -> list[str]:
        """Return the filled tables that the revision's upgrade locks."""
        locked = {name for statement in self._steps[node.id].statements for name in statement.locks}
        return [oid for oid, name in self._names.items() if name in locked and self._filled[oid]]

    def _writes(self, node: Node) -> bool:
        """Whether a statement of the revision's upgrade may write to rows, of other tables too; the rows that it reads may decide what follows."""
        statements = self._steps[node.id].statements
        return any(
            each.rewrites or ((each.locks or each.scans or not each.transaction) and row_effects.may_write(each.sql))
            for each in statements
        )

    def _moves_sequences(self, node: Node) -> bool:
        return any(_MOVES.search(each.sql) for each in self._steps[node.id].statements)

    def _may_leave_sequences_behind(self, node: Node) -> bool:
        """Whether it writes rows, or adds or replaces a sequence of existing rows; reading all sequences is slow."""
        steps = self._steps[node.id]
        replaces = any(_WRITES.match(each.sql) or _COUNTS.search(each.sql) for each in steps.statements)
        return replaces or any(line.kind == "sequence" for line in steps.upgraded.added)

    def _repeat(self, node: Node, connection: Any) -> None:
        """Give two rows equal values where only the revision forbids them, and one a label that only the revision removes."""
        oids = {name: oid for oid, name in self._names.items() if self._filled[oid]}
        for name, columns, condition in row_effects.uniques(self._steps[node.id].upgraded):
            if name in oids:
                self._explained.add(oids[name])
                with as_superuser(connection):
                    row_effects.repeat(connection, oids[name], name, columns, condition)
        for enum, label in row_effects.removed_labels(self._steps[node.id].upgraded):
            with as_superuser(connection):
                self._explained.update(row_effects.give(connection, self._names, enum, label))

    def _makes_tables(self, node: Node) -> bool:
        change = self._steps[node.id].upgraded
        return any("table" in line.kind for line in (*change.added, *change.removed))

    def _fill(self, connection: Any, own: str) -> None:
        """Fill the new tables, except alembic's own."""
        self._current = None
        after = max(map(int, self._filled), default=0)
        new = [
            table for table in seeds.tables(connection, after, self._baseline.samples) if not is_table(table.name, own)
        ]
        with as_superuser(connection):
            self._out_of_sight += row_effects.tables_with_hidden_rows(connection)
            filled = seeds.fill(connection, [replace(table, plain=self._failed is not None) for table in new])
        self._filled |= filled.counts
        self._marks |= filled.marks
        self._reasons |= filled.reasons
        self._names = {oid: name for oid, name in query(connection, row_effects.NAMES) if oid in self._filled}
        self._filled = {oid: self._filled[oid] for oid in self._names}


def is_caused_by_our_values(error: BaseException) -> bool:
    """Whether a revision fails because our invented values do not fit it."""
    code = sqlstate(error)
    if code is None:
        return "NoneType" not in str(error)
    return _NOT_FIT.fullmatch(code) is not None


def _is_met_by_equal_keys(error: BaseException) -> bool:
    """Whether two tables held the same UUID, which only ours do."""
    message = f"{error} {detail(error)}"
    return sqlstate(error) == "23505" and seeds.UUID in message and "already exists" in message


def _is_upgraded(steps: Steps) -> bool:
    return UP in steps.fingerprints and UP not in steps.failures
