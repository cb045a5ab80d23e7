"""The previous release on the new schema (N-1): while a release is rolled out, the old one still talks to the database that the new one has migrated.

What it says is taken from its own tests where they were recorded, or else derived from its models. What works on the schema that it was made for must
work after each new revision; what fails for the first time after one is that one's doing.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.gate.base import walk
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.layers import seeds
from slipway.gate.measure.dbapi import literal
from slipway.gate.names import few, is_table
from slipway.gate.steps import UP, step_of
from slipway.migration.database import elsewhere, sqlstate
from slipway.migration.environment import Environment, sentence
from slipway.records.previous import Model, Previous

_FULL_ROW, _BARE_ROW = seeds.ROWS + 1, seeds.ROWS + 2
_NAMES_ROWS = re.compile("23...")  # it speaks of rows that only its own tests had


@dataclass(frozen=True)
class Phrase:
    """Something that the previous release says: the statement, and where it comes from in words."""

    sql: str
    origin: str


@dataclass(frozen=True)
class Refused:
    """A phrase that worked before a revision and does not after it. `code` is Postgres' name for the error (SQLSTATE)."""

    phrase: Phrase
    said: str
    code: str


@dataclass
class Replay:
    """The previous release on the new schema: what was refused, by revision; what was said, and the sha256 of it; what was not, as sentences."""

    refused: dict[str, list[Refused]] = field(default_factory=dict)
    phrases: tuple[Phrase, ...] = ()
    digest: str = ""
    gaps: list[str] = field(default_factory=list)


def replay(history: History, environment: Environment, previous: Previous, ground: Ground) -> Replay:
    """Upgrade revision by revision, and let the previous release speak after each that is new."""
    why_not = [f"the models of {previous.name} could not be had: {previous.refusal}"] if previous.refusal else []
    if not (previous.models or previous.recorded):
        return Replay(gaps=why_not)
    told, error = _replay(history, environment, previous, ground, on_rows=True)
    if error:
        told, error = _replay(history, environment, previous, ground, on_rows=False)
        told.gaps.append(f"{previous.name} was replayed on empty tables only, for the upgrade fails on rows")
    if error:
        told.gaps.append(f"{previous.name} was not replayed to the end: {error}")
    told.gaps += why_not
    return told


def _replay(
    history: History,
    environment: Environment,
    previous: Previous,
    ground: Ground,
    *,
    on_rows: bool,
) -> tuple[Replay, str | None]:
    """One way through the history; answers why it ended before its end, too."""
    told = Replay()
    with ground.database() as database:
        speaker = _Speaker(database, previous, told, on_rows=on_rows)

        def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterator[RevisionStep]:
            begun = False
            for node in history.nodes[ground.old :]:
                if node.new and not begun:
                    begun = True
                    speaker.begin(context.version_table)
                yield step_of(environment, node, UP)
                if node.new:
                    speaker.speak(node)

        return told, walk(environment, database, steps)


class _Speaker:
    """The previous release, on a connection of its own."""

    def __init__(self, database: URL, previous: Previous, told: Replay, *, on_rows: bool) -> None:
        self._on_rows = on_rows
        self._database = database
        self._previous = previous
        self._told = told
        self._phrases: list[Phrase] = []

    def begin(self, version_table: str) -> None:
        """Fill the schema that the release was made for, and learn what works there."""
        self._phrases = elsewhere(self._database, lambda connection: self._that_work(connection, version_table))
        self._told.phrases = tuple(self._phrases)
        said = "\n".join(sorted(phrase.sql for phrase in self._phrases))
        self._told.digest = hashlib.sha256(said.encode()).hexdigest() if said else ""

    def speak(self, node: Node) -> None:
        refused = elsewhere(self._database, self._say)
        self._told.refused[node.id] = refused
        gone = {each.phrase for each in refused}
        self._phrases = [phrase for phrase in self._phrases if phrase not in gone]

    def _say(self, connection: Connection) -> list[Refused]:
        answers = ((phrase, _refusal(connection, phrase.sql)) for phrase in self._phrases)
        return [Refused(phrase, sentence(error), sqlstate(error) or "") for phrase, error in answers if error]

    def _that_work(self, connection: Connection, version_table: str) -> list[Phrase]:
        there = connection.connection
        tables = [table for table in seeds.tables(there, 0) if not is_table(table.name, version_table)]
        for table in seeds.parents_first(tables) if self._on_rows else ():
            seeds.fill(there, table)
        working = [*self._from_models(connection, tables), *self._from_tests(connection)]
        return list(dict.fromkeys(working))

    def _from_models(self, connection: Connection, tables: Sequence[seeds.Table]) -> Iterator[Phrase]:
        silent = []
        for model in self._previous.models:
            name = f"{model.schema}.{model.table}" if model.schema else model.table
            table = next((each for each in tables if is_table(each.name, name)), None)
            found = [*_phrases(connection, model, table)] if table else []
            if not found:
                silent.append(name)
            yield from found
        if silent:
            self._told.gaps.append(
                f"what {self._previous.name} says to {few(silent)} works on none of its schemas here"
            )

    def _from_tests(self, connection: Connection) -> Iterator[Phrase]:
        lost = 0
        for recorded in self._previous.recorded:
            said = Phrase(recorded.sql, f"recorded at {recorded.where}")
            error = _refusal(connection, said.sql)
            if error and _NAMES_ROWS.fullmatch(sqlstate(error) or ""):
                said = Phrase(f"PREPARE slipway_phrase AS {recorded.sql}", said.origin)
                error = _refusal(connection, said.sql)
            if error:
                lost += 1
            else:
                yield said
        if lost:
            self._told.gaps.append(
                f"{lost} of {len(self._previous.recorded)} recorded statements do not run on filled tables"
            )


def _phrases(connection: Connection, model: Model, table: seeds.Table) -> Iterator[Phrase]:
    """What a model comes to say to its table, as far as it works: all columns read, a full row and a bare one written, all columns written back."""
    quoted = {column["raw"]: column["name"] for column in table.columns}
    named = [quoted.get(column.name, f'"{column.name}"') for column in model.columns]
    written = {column.name for column in model.columns if column.written}
    free = [column["name"] for column in table.columns if column["raw"] in written and not column["made"]]
    ways = [
        ("SELECT", [f"SELECT {', '.join(named)} FROM {table.name}"]),
        ("INSERT of a full row", seeds.inserts(table, _FULL_ROW, bare=False, columns=written)),
        ("INSERT of a bare row", seeds.inserts(table, _BARE_ROW, bare=True, columns=written)),
        ("UPDATE", [f"UPDATE {table.name} SET {', '.join(f'{name} = {name}' for name in free)}"] if free else []),
        *(
            (f"SELECT by {label}", [f"SELECT count(*) FROM {table.name} WHERE {column['name']} = {literal(label)}"])
            for column in table.columns
            for label in column["labels"] or ()
            if column["raw"] in written
        ),
    ]
    for kind, sqls in ways:
        works = next((sql for sql in sqls if _refusal(connection, sql) is None), None)
        if works:
            yield Phrase(works, f"{kind}, derived from the model of {table.name}")


def _refusal(connection: Connection, sql: str) -> DBAPIError | None:
    """Why Postgres refuses a statement; what it did is taken back."""
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql(sql)
    except DBAPIError as error:
        return error
    finally:
        connection.exec_driver_sql("ROLLBACK")
    return None
