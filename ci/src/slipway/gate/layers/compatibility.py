"""The previous release on the new schema (N-1): during a rollout, the old release uses the database that the new one has migrated.

The previous release's statements were recorded in its own tests, or are derived from its models. A statement that works
on its own schema must work after each new revision; the first revision after which it fails is reported. The same is
true for statements that its sessions prepared before the revision. The new release's own statements must work after the
last revision: a trigger may still use an object that a revision dropped, and a column that only the models dropped may
be NOT NULL. All statements run as the role of the revisions.
When no previous release is known, the gate derives statements from the tables as they were before each new revision.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property, partial
from typing import Any, Final

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL, Connection

from slipway.gate.history import Node
from slipway.gate.kept_session import session_beside
from slipway.gate.layers import effects_of_writes, queries, read_types, seeds
from slipway.gate.layers.effects_of_writes import Effect
from slipway.gate.layers.planted_rows import added_keys
from slipway.gate.layers.queries import LEFT_NULL, Query, Refused, refusal
from slipway.gate.layers.stairway import Steps
from slipway.gate.measure.catalog import Change
from slipway.gate.measure.session import as_superuser, literal, query
from slipway.gate.names import few, is_table, parts
from slipway.gate.steps import UP, Baseline, report, step_of, walk
from slipway.migration.database import elsewhere
from slipway.records.gate import Model, Previous
from slipway.records.proof import Layer

# violated constraints: the statement refers to rows that existed only in its own tests
_NAMES_ROWS = re.compile("23...")
_BROKEN = re.compile("42(?!501)...|428C9")  # errors that no other values could avoid
_IGNORE_FOREIGN_KEYS: Final = """
DO $$ DECLARE of_key record; BEGIN
    FOR of_key IN SELECT tgrelid::regclass AS relation, tgname AS name FROM pg_trigger JOIN pg_constraint c ON c.oid = tgconstraint
        WHERE tgisinternal AND c.contype = 'f' AND tgenabled <> 'D'
    LOOP EXECUTE 'ALTER TABLE ONLY ' || of_key.relation || ' DISABLE TRIGGER ' || quote_ident(of_key.name); END LOOP;
END $$"""
# Columns that revisions have added to the previous release's tables and filled in existing rows. The bare row may have
# NULL there.
_ADDED: Final = """
SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), a.attname
FROM json_each_text({released}) AS released(oid, number) JOIN pg_class c ON c.oid = released.oid::oid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > released.number::int AND NOT a.attisdropped AND NOT a.attnotnull"""
_LEAVES_NULL: Final = """
WITH written AS ({insert} RETURNING {name}) SELECT {message}, {code} FROM written
WHERE {name} IS NULL AND EXISTS (SELECT FROM {table} HAVING count({name}) > 0 AND count(*) - count({name}) <= 1)"""
_WITH_TRIGGERS: Final = """
SELECT DISTINCT format('%I.%I', n.nspname, c.relname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT tgisinternal"""
# The locks of such a statement are unknown when it runs outside of a transaction.
_WRITES: Final = re.compile(r'\b(?:UPDATE|DELETE FROM|INSERT INTO) (?:ONLY )?(?P<table>[\w."]+)', re.IGNORECASE)
_ACTING: Final = ("function", "trigger", "rule", "policy")  # kinds of objects that act within statements
_KEY_OF_PARENT: Final = re.compile(r"\(SELECT [^()]+ LIMIT 1\)")
_PREPARING: Final = ("psycopg", "asyncpg")  # drivers that prepare statements automatically


@dataclass(kw_only=True)
class Replay:
    """The result of replaying the previous release's statements, and at the end the new release's."""

    refused: dict[str, list[Refused]] = field(default_factory=dict)  # by revision
    broken: list[Refused] = field(default_factory=list)  # failing statements of the new release
    queries: tuple[Query, ...] = ()  # the statements that worked on the previous release's own schema
    digest: str = ""  # sha256 of `queries`
    assumed: bool = False  # whether statements derived from the schema replaced those of the previous release
    missing: str = ""  # why the previous release was not replayed, or not to the end
    gaps: list[str] = field(default_factory=list)


class _Rows(Enum):
    """The rows in the tables. When an upgrade fails with one kind of rows, it is tried with the next."""

    ALL = "NULLs, and UUIDs that several tables share"
    PLAIN = "neither of these"
    NONE = "nothing"


def replay(baseline: Baseline, previous: Previous, own: Sequence[Model], steps: Mapping[str, Steps]) -> Replay:
    """Upgrade revision by revision, and execute the previous release's statements after each new one.

    - own: the models of the new release.
    - steps: the results of the stairway.
    - previous: the previous release; without a name, none was given.
    """
    caveat = f"the models of {previous.name} were read in today's environment, not its own: {previous.caveat}"
    without_models = f"the models of {previous.name} are not known: {previous.refusal}" if previous.refusal else ""
    nodes = baseline.history.nodes
    released = baseline.initial is not None or any(node.old for node in nodes)
    changes = [steps[node.id].upgraded for node in nodes if node.added]
    breaking = any(map(_may_break, changes))
    if not breaking:
        own = _changed(own, previous) if released else ()
    assumed = released and not (previous.models or previous.recorded)
    changing = steps if assumed and any(_changes_tables(steps[node.id]) for node in nodes if node.added) else {}
    if not (previous.models or previous.recorded or own or changing):
        return Replay(missing=without_models, gaps=[without_models] if without_models else [])
    releases = partial(
        _Releases, previous=previous, own=own, breaking=breaking, samples=baseline.samples, changes=changes
    )
    replay_on = partial(_replay, baseline, releases, changing)
    result, error = replay_on(_Rows.ALL)
    if error:
        result, error = replay_on(_Rows.PLAIN)
    name = previous.name or "the schema before each revision"
    if on_rows := error:
        result, error = replay_on(_Rows.NONE)
    if on_rows and not error:
        result.gaps.append(f"{name} was replayed on empty tables only, because the upgrade fails on rows ({on_rows})")
    if error:
        result.missing = f"{name} was not replayed to the end: {error}"
        result.queries, result.digest = (), ""  # no statement was tried after every revision
        result.gaps.append(result.missing)
    result.assumed = bool(changing)
    result.missing = without_models or result.missing
    result.gaps += [gap for gap in (without_models, caveat if previous.caveat else "") if gap]
    return result


def execute_own(baseline: Baseline, previous: Previous, own: Sequence[Model]) -> Replay:
    """Execute the new release's statements on a schema that no new revision changes."""
    changed = _changed(own, previous)
    if not changed:
        return Replay()
    releases = partial(_Releases, previous=previous, own=changed, breaking=False, samples=baseline.samples)
    result, error = _replay(baseline, releases, {}, _Rows.ALL)
    if error:
        result.gaps.append(f"the statements of the new release were not executed: {error}")
    return result


def _changed(own: Sequence[Model], previous: Previous) -> Sequence[Model]:
    """Return the models that the previous release lacks or has in another form."""
    return [model for model in own if model not in previous.models]


def _changes_tables(steps: Steps) -> bool:
    """Return whether a revision changes existing objects, in addition to creating new ones."""
    return any(statement.locks for statement in steps.statements) or any(
        line.kind == "enum" for line in steps.upgraded.removed
    )


def _may_break(change: Change) -> bool:
    """Return whether a revision may break statements that name existing columns."""
    return bool(change.removed) or any(line.kind in _ACTING for line in change.added)


def _writes_otherwise(change: Change) -> Iterator[str]:
    """Yield the names of functions, triggers, rules and policies that a revision adds, and of columns that it changes: they may change what a write does."""
    removed = {line.name for line in change.removed}
    for line in change.added:
        if line.kind in _ACTING or (line.kind == "column" and line.name in removed):
            yield line.name


def _replay(
    baseline: Baseline, made: Callable[..., "_Releases"], changing: Mapping[str, Steps], rows: _Rows
) -> tuple[Replay, str | None]:
    """Go through the history once. Return the result and the error that ended it early, if any."""
    result, nodes = Replay(), baseline.history.nodes
    added = [node for node in nodes if node.added]
    kept = {} if rows is _Rows.NONE or nodes[baseline.old :][:1] != tuple(added[:1]) else baseline.filled
    filled = kept.get(rows is _Rows.PLAIN)
    with baseline.database(filled) as database, ExitStack() as sessions:
        releases = made(database=database, result=result, sessions=sessions, rows=rows, kept=filled is not None)

        def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            for node in nodes[baseline.old :]:
                if added and node is added[0]:
                    releases.begin(context.version_table)
                if node.added and changing:
                    releases.assume(node, changing[node.id])
                yield step_of(baseline.environment, node, UP)
                if node.added:
                    report(Layer.PREVIOUS, node.id, len(added))
                    releases.execute(node)
            if not added:
                releases.compare_with(context.version_table)
            releases.end()

        return result, walk(baseline.environment, database, steps)


@dataclass(kw_only=True)
class _Releases:
    """The statements of the previous release, and after the last revision those of the new one, on separate connections."""

    database: URL
    previous: Previous
    own: Sequence[Model]
    result: Replay
    sessions: ExitStack
    samples: seeds.Samples
    rows: _Rows
    kept: bool  # whether the database begins with rows
    breaking: bool  # whether a revision may break statements that name existing columns
    changes: Sequence[Change] = ()  # the changes by the new revisions
    _version_table: str = ""
    _queries: list[Query] = field(default_factory=list)
    _prepared: dict[Query, str] = field(default_factory=dict)  # the EXECUTE command of each prepared statement
    # the effects of writes to tables that the revisions may change
    _effects: dict[Query, Effect] = field(default_factory=dict)
    _kinds: dict[Query, Mapping[str, str]] = field(default_factory=dict)  # of the values that each reads there
    _filled: set[str] = field(default_factory=set)
    # the tables as read after the last revision; reading them takes long
    _read: list[seeds.Table] = field(default_factory=list)
    _released: dict[str, set[str]] = field(default_factory=dict)  # the released columns, by the oid of their table
    _newest: dict[str, int] = field(default_factory=dict)  # the number of the last column, by the oid of its table
    _known: set[tuple[str, str]] = field(default_factory=set)

    def compare_with(self, version_table: str) -> None:
        """Note failures that are no findings, because the previous release has them, too.

        When the previous models are unknown, these are the new release's failures before its revisions. A failure about
        a required column that the new models lack does not count, because they may have dropped the column without a
        revision.
        """
        self._version_table = version_table
        names = {model.name for model in self.own}
        before = [model for model in self.previous.models if model.name in names]
        if self.own:
            broken = elsewhere(self.database, lambda connection: self._broken(connection, before or self.own))
            self._known = {_key(each) for each in broken if before or not _names_no_column(self.own, each)}

    def begin(self, version_table: str) -> None:
        """Fill the previous release's schema with rows, and find the statements that work there."""
        self.compare_with(version_table)
        self._queries = elsewhere(self.database, self._working)
        self.result.queries = tuple(self._queries)
        statements = "\n".join(sorted(query.sql for query in self._queries))
        self.result.digest = hashlib.sha256(statements.encode()).hexdigest() if statements else ""
        if self._queries and any(importlib.util.find_spec(driver) for driver in _PREPARING):
            self._in_session = self.sessions.enter_context(session_beside(self.database))
            self._prepared = self._in_session(lambda connection: queries.prepared(connection, self._queries))

    def assume(self, node: Node, steps: Steps) -> None:
        """Derive the statements of a release that uses all released columns of the tables that a revision changes."""
        locked = {name for statement in steps.statements for name in statement.locks}
        written = [match["table"] for statement in steps.statements if (match := _WRITES.search(statement.sql))]
        enum = any(line.kind == "enum" for line in steps.upgraded.removed)
        keys = list(added_keys(steps.upgraded))

        def derive(connection: Connection) -> list[Query]:
            concerned = (
                table
                for table in self._tables(connection)
                if table.name in locked
                or any(is_table(table.name, name) for name in written)
                or (enum and any(column["read"] for column in table.columns))
            )
            derived = [
                query
                for table in concerned
                if (columns := self._released.get(table.oid))
                for query in queries.assumed(
                    connection, table, columns, node.id, [key.columns for key in keys if key.table == table.name]
                )
            ]
            self._measure(connection, self._tables(connection), derived)
            return derived

        self._queries = elsewhere(self.database, derive) if locked or written or enum else []

    def execute(self, node: Node) -> None:
        self._read = []
        refused = elsewhere(self.database, self._refused)
        gone = {each.query for each in refused if each.code != read_types.READ}
        self._prepared = {query: sql for query, sql in self._prepared.items() if query not in gone}
        stale = self._in_session(self._stale) if self._prepared else []
        for each in stale:
            del self._prepared[each.query]
        self.result.refused[node.id] = refused + stale
        self._queries = [query for query in self._queries if query not in gone]

    def end(self) -> None:
        """Find the statements of the new release that fail on its own schema."""
        if self.own:
            broken = elsewhere(self.database, lambda connection: self._broken(connection, self.own))
            known = self._known | {_key(each) for refused in self.result.refused.values() for each in refused}
            self.result.broken = [each for each in broken if _key(each) not in known]

    def _refused(self, connection: Connection) -> list[Refused]:
        self._ignore_foreign_keys(connection)
        outcomes = (refusal(connection, query) or self._difference(connection, query) for query in self._queries)
        refused = [each for each in outcomes if each and not self._lacks_parent(connection, each)]
        left_null = [each for each in self._left_null(connection) if _key(each) not in self._known]
        self._known.update(map(_key, left_null))
        gone = {each.query for each in refused}
        return refused + left_null + list(self._read_otherwise(connection, gone))

    def _read_otherwise(self, connection: Connection, gone: Collection[Query]) -> Iterator[Refused]:
        """Yield the values that the previous release reads as another type than before the revision."""
        for each in [each for each in self._queries if each in self._kinds and each not in gone]:
            now = read_types.kinds(connection, each, self._altered)
            yield from read_types.differences(each, self._kinds[each], now)
            self._kinds[each] = {**self._kinds[each], **now}

    @cached_property
    def _altered(self) -> set[str]:
        """The names of the columns whose definitions the revisions change."""
        removed = {line.name for change in self.changes for line in change.removed if line.kind == "column"}
        added = {line.name for change in self.changes for line in change.added if line.kind == "column"}
        return {parts(name)[-1] for name in added & removed}

    def _lacks_parent(self, connection: Connection, refused: Refused) -> bool:
        """Return whether a derived INSERT finds no parent key, because the revisions have deleted the parent's rows."""
        keys = _KEY_OF_PARENT.findall(refused.query.sql) if refused.null and refused.query.table else ()
        return any(queries.executed(connection, f"SELECT {key} IS NULL").scalar() for key in keys)

    def _difference(self, connection: Connection, query: Query) -> Refused | None:
        effect = self._effects.get(query)
        return effects_of_writes.difference(connection, query, effect) if effect else None

    def _left_null(self, connection: Connection) -> Iterator[Refused]:
        """Yield new columns that have values in existing rows, but NULL in a row that the previous release writes."""
        released = literal(json.dumps(self._newest))
        for table, name, raw in query(connection.connection, _ADDED.format(released=released)):
            insert = next((each for each in self._queries if each.sql.startswith(f"INSERT INTO {table} ")), None)
            if insert:
                message = (
                    f'column "{raw}" of {table} is NULL in the rows of the previous release, and filled in those before'
                )
                sql = _LEAVES_NULL.format(
                    insert=insert.sql, table=table, name=name, message=literal(message), code=literal(LEFT_NULL)
                )
                left = refusal(connection, replace(insert, sql=sql, reports=True))
                if left and left.code == LEFT_NULL:
                    yield left
                # the INSERT fails, which is a finding of its own; when another one works later, the revision did not
                # fill the column
                elif left:
                    self._known.add(_key(replace(left, message=message, code=LEFT_NULL)))

    def _stale(self, connection: Connection) -> list[Refused]:
        outcomes = ((query, refusal(connection, Query(sql=sql, origin=""))) for query, sql in self._prepared.items())
        return [Refused(query, refused.message, refused.code) for query, refused in outcomes if refused]

    def _working(self, connection: Connection) -> list[Query]:
        tables = self._tables(connection)
        self._released = {table.oid: {column["raw"] for column in table.columns} for table in tables}
        self._newest = {table.oid: max((each["number"] for each in table.columns), default=0) for table in tables}
        working = [*self._from_models(connection, tables), *self._from_tests(connection)]
        self._measure(connection, tables, working)
        return list(dict.fromkeys(working))

    def _measure(self, connection: Connection, tables: Iterable[seeds.Table], working: Sequence[Query]) -> None:
        """Record the effects of the writes, and the types of read values, that the revisions may change without an error."""
        names = [name for change in self.changes for name in _writes_otherwise(change)]
        if not names:
            return
        # the revisions may change the triggers' functions
        called = {name for (name,) in query(connection.connection, _WITH_TRIGGERS)}
        concerned = {
            table.name: table
            for table in tables
            if table.name in called or any(name.startswith(f"{table.name}.") for name in names)
        }
        reads = [
            each for each in working if each.sql.startswith("SELECT") and (not each.table or each.table in concerned)
        ]
        self._kinds = {each: read_types.kinds(connection, each, self._altered) for each in reads if self._altered}
        writes = ((each, concerned[each.table]) for each in working if each.table in concerned)
        effects = ((each, effects_of_writes.measured(connection, each, table)) for each, table in writes)
        self._effects = {each: effect for each, effect in effects if effect}

    def _tables(self, connection: Connection) -> list[seeds.Table]:
        """Return the service's tables. Fill new ones with rows."""
        self._ignore_foreign_keys(connection)
        self._read = self._read or self._read_and_filled(connection.connection)
        return self._read

    def _read_and_filled(self, raw: Any) -> list[seeds.Table]:
        every = seeds.tables(raw, 0, self.samples)
        tables = [table for table in every if not is_table(table.name, self._version_table)]
        if self.rows is _Rows.NONE:
            return [replace(table, parents=()) for table in tables]
        unfilled = [table for table in tables if table.oid not in self._filled]
        new = [replace(table, plain=self.rows is _Rows.PLAIN) for table in unfilled]
        seeds.fill(raw, new, kept=self.kept and not self._filled)
        self._filled.update(table.oid for table in tables)
        return tables

    def _ignore_foreign_keys(self, connection: Connection) -> None:
        """Let empty tables accept rows without parents, so that their other constraints are tested, too."""
        if self.rows is _Rows.NONE:
            with as_superuser(connection.connection):
                connection.exec_driver_sql(_IGNORE_FOREIGN_KEYS)

    def _from_models(self, connection: Connection, tables: Sequence[seeds.Table]) -> Iterator[Query]:
        unusable, unwritten = [], []
        keys = [key for change in self.changes for key in added_keys(change)]
        for model in self.previous.models:
            table = _table_of(model, tables)
            working = [*queries.derived(connection, model, table)] if table else []
            inserts = [query for query in working if query.sql.startswith("INSERT")]
            if not working:
                unusable.append(model.name)
            elif not inserts:
                unwritten.append(model.name)
            yield from working
            for key in keys:
                if table and key.table == table.name:
                    yield from queries.repeated(connection, model, table, key.columns, inserts)
        for what, names in (("statement", unusable), ("INSERT", unwritten)):
            if names:
                where = f"on {few(names)} works before the first new revision"
                self.result.gaps.append(f"no {what} of {self.previous.name} {where}")

    def _from_tests(self, connection: Connection) -> Iterator[Query]:
        lost = 0
        for recorded in self.previous.recorded:
            query = Query(sql=recorded.sql, origin=f"recorded at {recorded.where}")
            refused = refusal(connection, query)
            if refused and _NAMES_ROWS.fullmatch(refused.code):
                query = Query(sql=f"PREPARE slipway_query AS {recorded.sql}", origin=query.origin)
                refused = refusal(connection, query)
            if refused:
                lost += 1
            else:
                yield query
        if lost:
            self.result.gaps.append(
                f"{lost} of {len(self.previous.recorded)} recorded statements do not run on filled tables"
            )

    def _broken(self, connection: Connection, models: Iterable[Model]) -> list[Refused]:
        """Return the failing statements of a release on the tables that it can read.

        Drift is another layer's subject.
        """
        tables = self._tables(connection)
        pairs = ((model, table) for model in models if (table := _table_of(model, tables)))
        return [
            each
            for model, table in pairs
            if self.breaking or _lacks_required(model, table)
            for each in queries.failing(connection, model, table)
            if _BROKEN.fullmatch(each.code) or _leaves_out(model, each)
        ]


def _lacks_required(model: Model, table: seeds.Table) -> bool:
    """Return whether a model does not write a column that needs a value."""
    return not _given(model).issuperset(table.required)


def _leaves_out(model: Model, refused: Refused) -> bool:
    """Return whether a statement fails because its model does not write a column that needs a value."""
    null = refused.null
    return null is not None and null["table"] == model.table and null["column"] not in _given(model)


def _names_no_column(models: Iterable[Model], refused: Refused) -> bool:
    """Return whether a statement fails because its model lacks a required column."""
    if not (null := refused.null):
        return False
    return all(
        (model.table, each.name) != (null["table"], null["column"]) for model in models for each in model.columns
    )


def _given(model: Model) -> set[str]:
    return {column.name for column in model.columns if not column.defaulted}


def _key(refused: Refused) -> tuple[str, str]:
    """Return the facts that make two failures the same."""
    return refused.code, refused.reason


def _table_of(model: Model, tables: Sequence[seeds.Table]) -> seeds.Table | None:
    return next((each for each in tables if is_table(each.name, model.name)), None)
