"""Answers that need no execution of the history: its revisions, and the models of this release."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import Column as ModelColumn
from sqlalchemy import Table
from sqlalchemy.engine import URL

from slipway.errors import BadInputError
from slipway.gate import history
from slipway.gate.databases import fresh, server_version
from slipway.gate.layers.drift import metadata_of
from slipway.gate.steps import run
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, sentence
from slipway.records.gate import Column, GateQuestion, Listed, Listing, Model, Previous


def listing(question: GateQuestion, server: URL) -> Listing:
    """List the revisions as alembic reads them; raises BadInputError."""
    if question.check_server:
        server_version(server)
    past = history.read(_environment(question, server), question.start_after, question.since)
    listed = tuple(Listed(node.id, node.file, node.upgrade_line, node.new) for node in past.nodes)
    return Listing(listed, past.digest)


def models_of(question: GateQuestion, server: URL) -> Previous:
    """Run env.py on an empty database and return the models that it names; raises BadInputError when there are none."""
    server_version(server)
    environment = _environment(question, server)
    with fresh(server, question.extensions) as database, every_connection_to(database):
        try:
            options = run(environment, lambda _heads, _context: ())
        except (Exception, SystemExit) as error:
            raise BadInputError(f"{environment.spoken_place_of(error)} fails", sentence(error)) from error
    tables = [table for metadata in metadata_of(options) for table in metadata.tables.values()]
    if not tables:
        raise BadInputError("env.py sets no target_metadata with tables", "set it to the metadata of the models")
    known = tuple(script.revision for script in environment.script.walk_revisions())
    return Previous(name=question.release, models=tuple(as_models(tables)), revisions=known)


def _environment(question: GateQuestion, server: URL) -> Environment:
    return Environment(Path(question.config), server, question.patience)


def as_models(tables: Iterable[Table]) -> Iterator[Model]:
    """Yield the tables as records for another process."""
    for table in tables:
        yield Model(table.schema, table.name, tuple(Column(each.name, _is_written(each)) for each in table.columns))


def _is_written(column: "ModelColumn[object]") -> bool:
    """Whether the ORM's INSERT names it; the database fills autoincrement keys, server defaults and computed columns."""
    autoincrements = column.table is not None and column is column.table.autoincrement_column
    return not (autoincrements or column.server_default is not None or column.computed is not None)
