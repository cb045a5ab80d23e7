"""All revisions in one run of env.py from the beginning, as `alembic upgrade heads` runs them on an empty database.

A released database runs the old revisions and the new ones in different runs. CI, a new developer and a preview
environment run both in one, where the new revisions meet what the old ones have left in the transaction, the session
and the process. The gate notes it when both run, and caches it, because it depends on the old revisions only. So a
later run of the gate repeats this only for new revisions that it may concern.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy.engine import URL, Connection

from slipway.gate.history import History
from slipway.gate.layers.stairway import Failure, Steps
from slipway.gate.layers.together import Run, Stop, Upgrade
from slipway.gate.measure.catalog import Catalog, Change, Line
from slipway.gate.measure.session import begin_beside, driver_of, is_autocommit, is_begun, literal, query, session_state
from slipway.gate.measure.statements import Execution, may_write, watching
from slipway.gate.names import few
from slipway.gate.steps import Baseline, upgrade
from slipway.migration.database import with_connection

_FEW = 50  # so few old revisions run in about 0.2 s
_STATE: Final = """SELECT pg_current_xact_id_if_assigned() IS NOT NULL,
(SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) > 0 FROM pg_stat_xact_user_tables),
EXISTS (SELECT FROM pg_trigger WHERE tgdeferrable),
EXISTS (SELECT FROM pg_prepared_statements WHERE statement ~* '^\\s*(SELECT|WITH|TABLE)\\M'),
(SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v', 'S')),
(SELECT string_agg(name, ', ' ORDER BY name) FROM pg_cursors WHERE name <> ''),
EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database()
    AND pid <> pg_backend_pid() AND locktype = 'virtualxid')"""
_SEARCH_PATH: Final = "SELECT current_setting('search_path')"
_LABEL: Final = re.compile(r"\bADD\s+VALUE\s+(?:IF\s+NOT\s+EXISTS\s+)?'((?:[^']|'')*)'", re.IGNORECASE)
_CUSTOM: Final = re.compile(r"\b(?:SET|SESSION|LOCAL)\s+(\w+\.\w+)|\bset_config\s*\(\s*'(\w+\.\w+)'", re.IGNORECASE)
_HARMLESS: Final = re.compile(r".*_timeout|log_.*|.*work_mem|client_min_messages|application_name|max_parallel_.*")
_NAMED: Final = re.compile(r'"([^"]+)"')
_SELECTS: Final = re.compile(r"\s*(SELECT|WITH|TABLE)\b", re.IGNORECASE)
# A revision with one of these may depend on the process, or use a session of its own.
_BEYOND_ALEMBIC: Final = re.compile(
    rb"^[ \t]*(?:from|import)\s+(?!(?:alembic|sqlalchemy|collections|datetime|enum|json|re|textwrap|typing|uuid|__future__)\b)"
    rb"|\b(?:create_engine|engine|Session|sessionmaker|connect|environ|attributes|opts|get_x_argument|globals|__import__|import_module)\b",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Effects of the old revisions that the new ones meet in one run of env.py.

    - state: changes of the session and of the process, in words.
    - resets: statements that undo those of the session.
    - open: whether their changes are not committed yet, `rows` whether rows are among them.
    - events: whether such rows may have deferred triggers.
    - labels: labels of enums that they add in this transaction.
    - types: the enums that alembic notes as created.
    - reads: whether the session has prepared queries.
    - mixed: whether an old revision follows a new one.
    - failure: the error of an old revision; the others are then unknown.
    """

    state: tuple[str, ...] = ()
    resets: tuple[str, ...] = ()
    open: bool = False
    rows: bool = False
    events: bool = False
    labels: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    reads: bool = False
    mixed: bool = False
    failure: str = ""

    def may_concern(self, history: History, steps: Mapping[str, Steps]) -> bool:
        """Return whether a new revision may meet what was left. A run from empty would answer it."""
        if self.failure:
            return False
        if self.state or self.events or self.mixed or len(history.before_new) <= _FEW:
            return True
        new = [node for node in history.nodes if node.new]
        statements = [each for node in new for each in steps[node.id].statements]
        lines = [line for node in new for each in [steps[node.id].upgraded] for line in (*each.added, *each.removed)]
        return (
            any(_BEYOND_ALEMBIC.search(node.source) for node in new)
            or (self.open and not all(each.transaction for each in statements))
            or (self.rows and any(may_write(each.sql) for each in statements))
            or any(label in each.sql or may_write(each.sql) for each in statements for label in self.labels)
            or (bool(self.types) and any(line.kind == "enum" for line in lines))
            or (self.reads and any(_SELECTS.match(each.sql) for each in statements))
        )


@dataclass(frozen=True, kw_only=True)
class FromEmpty:
    """One run of all revisions.

    - order: all revisions in the order of the run.
    - culprit: the old revision that seems to have left what matters; empty when it is unknown.
    - lines: the catalog at the end; empty after an error.
    - stopped_in_old: whether the run ended in an old revision before any new one.
    """

    run: Run
    left: Leftovers
    order: tuple[str, ...]
    culprit: str = ""
    lines: tuple[Line, ...] = ()
    stopped_in_old: bool = False


@dataclass(frozen=True, kw_only=True)
class Break:
    """A failure of a run from empty that the released head does not have.

    - what: the failure in words. revision: the new one that fails, or the last. failure: its error, if it is one.
    - transactions: those of env.py in words.
    - culprit: the old revision that leaves the state, empty when it is unknown. left: that state in words.
    - too_late: the old revision that runs after the new one.
    - own_transactions: whether transactions of their own cure it.
    - resets: statements at the beginning of the new revision that cure it.
    """

    what: str
    revision: str
    failure: Failure | None
    transactions: str
    culprit: str = ""
    left: str = ""
    too_late: str = ""
    own_transactions: bool = False
    resets: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _Observer:
    """Notes what the old revisions of a run leave at the first new one; `resets` are executed there."""

    new: frozenset[str]
    resets: Sequence[str] = ()
    begun: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    custom: set[str] = field(default_factory=set)
    search_path: str = ""
    revision: str = ""  # the one that runs
    executed: list[tuple[str, str]] = field(default_factory=list)  # old revisions with their statements
    changed_by: dict[str, str] = field(default_factory=dict)  # the old revision after which a state was first seen
    names: tuple[str, ...] = ()  # of the settings and relations that are left
    left: Leftovers | None = None

    def note(self, execution: Execution) -> None:
        """Note a statement, and the labels and the settings of the project's own that it names."""
        if self.left is None and self.revision:
            self.executed.append((self.revision, execution.sql))
        self.labels += _LABEL.findall(execution.sql) if self.left is None else ()
        self.custom.update(name for pair in _CUSTOM.findall(execution.sql) for name in pair if name)

    def before(self, context: MigrationContext, revision: str) -> None:
        """Look at the session before a step."""
        connection = context.connection
        if self.begun and not self.left:
            self._attribute(context)
        self.revision = revision
        if connection is None or connection.closed or self.left or (self.begun and revision not in self.new):
            return
        raw = connection.connection
        with suppress(Exception), _unbegun(raw):  # the driver's own error: in a failed transaction the step fails, too
            if not self.begun:
                self.begun, self.environ = session_state(raw), _of_process()
                self.search_path = query(raw, _SEARCH_PATH)[0][0]
            if revision in self.new:
                self.left = self._left(context, raw)
        for reset in self.resets if revision in self.new else ():
            connection.exec_driver_sql(reset)

    def _attribute(self, context: MigrationContext) -> None:
        """Note the step that has just run as the one that ended the transaction or changed the process."""
        for words in filter(None, (_ended(context), *self._changed())):
            self.changed_by.setdefault(words, self.revision)

    def _changed(self) -> list[str]:
        now = _of_process()
        changed = {name for name, value in now.items() if self.environ.get(name) != value} | (self.environ.keys() - now)
        return [f"{name} changed in the process" for name in sorted(changed)]

    def culprit(self, stop: Stop | None) -> str:
        """Return the last old revision that changed the state that is left, or that used what an error names; empty if unknown."""
        assert self.left is not None
        if known := [self.changed_by[words] for words in self.left.state if words in self.changed_by]:
            return known[-1]
        names = [*self.names, *self.left.types, *(_NAMED.findall(stop.failure.message) if stop else ())]
        named = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b", re.IGNORECASE) if names else None
        using = [each for each in self.executed if named and named.search(each[1])]
        writing = [each for each in using if may_write(each[1])]
        return ([*using, *writing][-1:] or [("", "")])[0][0]

    def _left(self, context: MigrationContext, raw: Any) -> Leftovers:
        is_open, rows, deferrable, reads, temporary, cursors, others = query(raw, _STATE)[0]
        now = session_state(raw, self.custom)
        changed = {name: value for name, value in now.items() if self.begun.get(name, "") != value}
        changed = {name: value for name, value in changed.items() if not _HARMLESS.fullmatch(name)}
        words = {
            "the connection in autocommit mode": is_autocommit(raw),
            f"the temporary {temporary}": temporary,
            f"the open cursor {cursors}": cursors,
            "another session with an open transaction": others,
        }
        self.names = (*changed, *filter(None, (temporary or "").split(", ")))
        memo: Mapping[Any, Any] = getattr(context.impl, "memo", {})
        return Leftovers(
            state=(
                *(f"{name} = {value!r}" for name, value in changed.items()),
                *filter(None, (_ended(context), *self._changed())),
                *(each for each, so in words.items() if so),
            ),
            resets=(*(_reset(name, self.begun.get(name, "")) for name in changed), *(_dropped(temporary or ""))),
            open=is_open,
            rows=is_open and rows,
            events=is_open and rows and deferrable,
            labels=tuple(self.labels) if is_open else (),
            types=tuple(sorted(str(name) for key, names in memo.items() if key == "pg_enum" for *_, name in names)),
            reads=reads,
        )


def _ended(context: MigrationContext) -> str:
    transaction = context._transaction  # noqa: SLF001 -- alembic decides by it, too
    return "alembic's transaction ended" if transaction is not None and not transaction.is_active else ""


def _of_process() -> dict[str, str]:
    return {**os.environ, "the working directory": str(Path.cwd())}


def _reset(name: str, value: str) -> str:
    if name == "role":
        return "SET LOCAL ROLE NONE" if value == "none" else f"SET LOCAL ROLE {value}"
    return f"SELECT set_config({literal(name)}, {literal(value)}, true)"


def _dropped(temporary: str) -> Iterable[str]:
    return (f'DROP TABLE IF EXISTS pg_temp."{name}"' for name in filter(None, temporary.split(", ")))


@contextmanager
def _unbegun(raw: Any) -> Iterator[None]:
    """End the transaction that our own query begins in the block, because alembic does not know of it."""
    begins = not is_autocommit(raw) and not is_begun(driver_of(raw))
    try:
        yield
    finally:
        if begins:
            raw.rollback()


def run_from_empty(empty: Baseline, *, resets: Sequence[str] = (), **options: object) -> FromEmpty:
    """Run all revisions on an empty database, or on the baseline; with other `options` than env.py's, or after `resets`."""
    with empty.database() as database:
        return _run(empty, database, resets, options)


def _run_from_released(baseline: Baseline) -> FromEmpty:
    """Run the new revisions on the database of the old ones."""
    with baseline.database() as database:
        upgrade(baseline.environment, database, baseline.history.before_new[baseline.old :])
        return _run(baseline, database)


def _run(
    baseline: Baseline, database: URL, resets: Sequence[str] = (), options: Mapping[str, object] = MappingProxyType({})
) -> FromEmpty:
    new = frozenset(node.id for node in baseline.history.nodes if node.new)
    observer = _Observer(new=new, resets=resets)
    upgraded = Upgrade(baseline=baseline, database=database, before=observer.before, options=options)
    with watching(before=observer.note):
        run = upgraded.run()
    lines = () if run.stop else with_connection(database, partial(_lines, observer.search_path))
    order = upgraded.order
    reached = order[: order.index(run.stop.revision) + 1] if run.stop and run.stop.revision in order else order
    stopped_in_old = run.stop is not None and new.isdisjoint(reached)
    first = next((number for number, each in enumerate(order) if each in new), len(order))
    left = Leftovers(failure=_words(run)) if stopped_in_old else observer.left or Leftovers(state=("an unknown state",))
    return FromEmpty(
        run=run,
        left=replace(left, mixed=not new.issuperset(order[first:])),
        order=order,
        culprit=observer.culprit(run.stop) if observer.left else "",
        lines=lines,
        stopped_in_old=stopped_in_old,
    )


def _lines(search_path: str, connection: Connection) -> tuple[Line, ...]:
    begin_beside(connection.connection, search_path)
    return tuple(Catalog(connection.connection).lines)


def _words(run: Run) -> str:
    """Return why a run ended, with its transactions."""
    if run.stop is None:
        return ""
    failure = run.stop.failure
    return f"{run.stop.revision} ({failure.file}:{failure.line}): {failure.message}; env.py runs all revisions in {run.transactions}"


def find_break(baseline: Baseline, empty: Baseline, result: FromEmpty, steps: Mapping[str, Steps]) -> Break | None:
    """Return how the run from empty fails, and why, if a run from the released head does not. Every step succeeds by itself."""
    history = empty.history
    wrong = partial(_wrong, history=history, steps=steps)
    if result.stopped_in_old or not (what := wrong(result)) or wrong(_run_from_released(baseline)):
        return None
    stop = result.run.stop
    new = [node.id for node in history.nodes if node.new]
    revision = stop.revision if stop and stop.revision in new else new[0 if stop else -1]
    failure = stop.failure if stop and stop.revision == revision else None
    found = Break(what=what, revision=revision, failure=failure, transactions=result.run.transactions)
    if result.left.mixed:
        later = result.order[result.order.index(revision) :]
        return replace(found, too_late=next((each for each in later if each not in new), ""))
    left = result.left
    found = replace(found, culprit=result.culprit, left="; ".join(left.state))
    if not wrong(run_from_empty(empty, transaction_per_migration=True)):
        return replace(found, own_transactions=True, left=found.left or "changes that are not committed yet")
    if left.resets and not wrong(run_from_empty(empty, resets=left.resets)):
        return replace(found, resets=left.resets)
    noted = f"alembic's note that the run has created the enum {few(left.types)}" if left.types else ""
    return replace(found, left=found.left or noted)


def _wrong(result: FromEmpty, history: History, steps: Mapping[str, Steps]) -> str:
    """Return how a run differs from the steps by themselves; empty when it does not."""
    run = result.run
    if run.stop:
        return run.stop.failure.message
    if set(run.seen) != set(history.heads):
        return f"a new connection then reads {', '.join(run.seen) or 'nothing'} in alembic's table, not {', '.join(history.heads)}"
    change = Change()
    for node in history.nodes:
        change = change.then(steps[node.id].upgraded) if node.new else change
    there = set(result.lines)
    missing = [line for line in change.added if line not in there]
    surplus = [line for line in change.removed if line in there]
    sides = (f"it lacks {few(missing)}" if missing else "", f"it still has {few(surplus)}" if surplus else "")
    return "; ".join(filter(None, sides))
