"""The previous release on the new schema (N-1): during a rollout the old release uses the database that the new one has migrated.

Its statements were recorded in its own tests, or are derived from its models. A statement that works on its own schema must work after each new
revision; the first revision after which it fails is reported.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.history import Node
from slipway.gate.layers import seeds
from slipway.gate.measure.session import literal
from slipway.gate.names import few, is_table
from slipway.gate.steps import UP, Baseline, report, step_of, walk
from slipway.migration.database import elsewhere, sqlstate
from slipway.migration.environment import sentence
from slipway.records.gate import Model, Previous
from slipway.records.proof import Layer

_FULL_ROW, _BARE_ROW = seeds.ROWS + 1, seeds.ROWS + 2
_NAMES_ROWS = re.compile("23...")  # a violated constraint: it refers to rows that only its own tests had


@dataclass(frozen=True)
class Phrase:
    """A statement of the previous release, and its origin in words."""

    sql: str
    origin: str


@dataclass(frozen=True)
class Refused:
    """A statement that worked before a revision and fails after it; `code` is the SQLSTATE."""

    phrase: Phrase
    said: str
    code: str


@dataclass
class Replay:
    """The result of replaying the previous release."""

    refused: dict[str, list[Refused]] = field(default_factory=dict)  # by revision
    phrases: tuple[Phrase, ...] = ()  # the statements that worked on its own schema
    digest: str = ""  # sha256 of them
    gaps: list[str] = field(default_factory=list)


def replay(baseline: Baseline, previous: Previous) -> Replay:
    """Upgrade revision by revision, and execute the statements of the previous release after each new one."""
    without_models = [f"the models of {previous.name} are not known: {previous.refusal}"] if previous.refusal else []
    if not (previous.models or previous.recorded):
        return Replay(gaps=without_models)
    result, error = _replay(baseline, previous, on_rows=True)
    if error:
        result, error = _replay(baseline, previous, on_rows=False)
        result.gaps.append(f"{previous.name} was replayed on empty tables only, because the upgrade fails on rows")
    if error:
        result.gaps.append(f"{previous.name} was not replayed to the end: {error}")
    result.gaps += without_models
    return result


def _replay(baseline: Baseline, previous: Previous, *, on_rows: bool) -> tuple[Replay, str | None]:
    """Pass through the history once; also return the error that ended it early."""
    result, nodes = Replay(), baseline.history.nodes
    new = sum(node.new for node in nodes)
    with baseline.database() as database:
        release = _PreviousRelease(database, previous, result, baseline.samples if on_rows else None)

        def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            begun = False
            for node in nodes[baseline.old :]:
                if node.new and not begun:
                    begun = True
                    release.begin(context.version_table)
                yield step_of(baseline.environment, node, UP)
                if node.new:
                    report(Layer.PREVIOUS, node.id, new)
                    release.execute(node)

        return result, walk(baseline.environment, database, steps)


class _PreviousRelease:
    """The statements of the previous release, on separate connections."""

    def __init__(self, database: URL, previous: Previous, result: Replay, samples: seeds.Samples | None) -> None:
        self._samples = samples  # None: the tables stay empty
        self._database = database
        self._previous = previous
        self._result = result
        self._phrases: list[Phrase] = []

    def begin(self, version_table: str) -> None:
        """Fill the schema of the release with rows, and find the statements that work there."""
        self._phrases = elsewhere(self._database, lambda connection: self._working(connection, version_table))
        self._result.phrases = tuple(self._phrases)
        statements = "\n".join(sorted(phrase.sql for phrase in self._phrases))
        self._result.digest = hashlib.sha256(statements.encode()).hexdigest() if statements else ""

    def execute(self, node: Node) -> None:
        refused = elsewhere(self._database, self._refused)
        self._result.refused[node.id] = refused
        gone = {each.phrase for each in refused}
        self._phrases = [phrase for phrase in self._phrases if phrase not in gone]

    def _refused(self, connection: Connection) -> list[Refused]:
        outcomes = ((phrase, _error_of(connection, phrase.sql)) for phrase in self._phrases)
        return [Refused(phrase, sentence(error), sqlstate(error) or "") for phrase, error in outcomes if error]

    def _working(self, connection: Connection, version_table: str) -> list[Phrase]:
        there = connection.connection
        every = seeds.tables(there, 0, self._samples or {})
        tables = [table for table in every if not is_table(table.name, version_table)]
        if self._samples is not None:
            seeds.fill(there, tables)
        working = [*self._from_models(connection, tables), *self._from_tests(connection)]
        return list(dict.fromkeys(working))

    def _from_models(self, connection: Connection, tables: Sequence[seeds.Table]) -> Iterator[Phrase]:
        unusable = []
        for model in self._previous.models:
            name = f"{model.schema}.{model.table}" if model.schema else model.table
            table = next((each for each in tables if is_table(each.name, name)), None)
            phrases = [*_phrases(connection, model, table)] if table else []
            if not phrases:
                unusable.append(name)
            yield from phrases
        if unusable:
            self._result.gaps.append(
                f"no statement of {self._previous.name} on {few(unusable)} works before the first new revision"
            )

    def _from_tests(self, connection: Connection) -> Iterator[Phrase]:
        lost = 0
        for recorded in self._previous.recorded:
            phrase = Phrase(recorded.sql, f"recorded at {recorded.where}")
            error = _error_of(connection, phrase.sql)
            if error and _NAMES_ROWS.fullmatch(sqlstate(error) or ""):
                phrase = Phrase(f"PREPARE slipway_phrase AS {recorded.sql}", phrase.origin)
                error = _error_of(connection, phrase.sql)
            if error:
                lost += 1
            else:
                yield phrase
        if lost:
            self._result.gaps.append(
                f"{lost} of {len(self._previous.recorded)} recorded statements do not run on filled tables"
            )


def _phrases(connection: Connection, model: Model, table: seeds.Table) -> Iterator[Phrase]:
    """Derive a model's working statements: read all columns, insert a full and a bare row, update all columns."""
    there = connection.connection
    quoted = {column["raw"]: column["name"] for column in table.columns}
    named = [quoted.get(column.name, f'"{column.name}"') for column in model.columns]
    written = {column.name for column in model.columns if column.written}
    free = [column["name"] for column in table.columns if column["raw"] in written and not column["made"]]
    ways = [
        ("SELECT", [f"SELECT {', '.join(named)} FROM {table.name}"]),
        ("INSERT of a full row", seeds.accepted(there, table, _FULL_ROW, bare=False, columns=written)),
        ("INSERT of a bare row", seeds.accepted(there, table, _BARE_ROW, bare=True, columns=written)),
        ("UPDATE", [f"UPDATE {table.name} SET {', '.join(f'{name} = {name}' for name in free)}"] if free else []),
        *(
            (f"SELECT by {label}", [f"SELECT count(*) FROM {table.name} WHERE {column['name']} = {literal(label)}"])
            for column in table.columns
            for label in column["labels"] or ()
            if column["raw"] in written
        ),
    ]
    for kind, sqls in ways:
        works = next((sql for sql in sqls if _error_of(connection, sql) is None), None)
        if works:
            yield Phrase(works, f"{kind}, derived from the model of {table.name}")


def _error_of(connection: Connection, sql: str) -> DBAPIError | None:
    """Execute a statement, roll it back and return Postgres' error, or None."""
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql(sql)
    except DBAPIError as error:
        return error
    finally:
        connection.exec_driver_sql("ROLLBACK")
    return None
