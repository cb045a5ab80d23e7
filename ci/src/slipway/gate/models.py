"""env.py -> Previous: what the models of this release name, told in its own environment."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import Column as ModelColumn
from sqlalchemy import Table
from sqlalchemy.engine import URL

from slipway.errors import BadInputError
from slipway.gate.databases import fresh, server_version
from slipway.gate.layers.drift import metadata_of
from slipway.gate.steps import run
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment, sentence
from slipway.records.previous import Column, Model, Previous


def models_of(config: Path, server: URL, extensions: Sequence[str], name: str) -> Previous:
    """The release in this folder; raises BadInputError when env.py gives no models."""
    server_version(server)
    environment = Environment(config, server)
    with fresh(server, extensions) as database, every_connection_to(database):
        try:
            options = run(environment, lambda _heads, _context: ())
        except (Exception, SystemExit) as error:
            raise BadInputError(f"{environment.spoken_place_of(error)} fails", sentence(error)) from error
    tables = [table for metadata in metadata_of(options) for table in metadata.tables.values()]
    if not tables:
        raise BadInputError("env.py gives no target_metadata with tables", "give it the models' metadata")
    known = tuple(script.revision for script in environment.script.walk_revisions())
    return Previous(name=name, models=tuple(told(tables)), revisions=known)


def told(tables: Iterable[Table]) -> Iterable[Model]:
    """The tables as they are told to another process."""
    for table in tables:
        yield Model(table.schema, table.name, tuple(Column(each.name, _is_written(each)) for each in table.columns))


def _is_written(column: "ModelColumn[object]") -> bool:
    """Whether the ORM's INSERT names it; a primary key that counts by itself, a default and a computed value are the database's."""
    counts = column.table is not None and column is column.table.autoincrement_column
    return not (counts or column.server_default is not None or column.computed is not None)
