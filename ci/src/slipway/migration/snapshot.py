"""The schema of a service's models as a baseline's SQL file, at the head of the history."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, create_mock_engine
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.engine import URL

from slipway.errors import BadInputError
from slipway.migration.database import every_connection_to
from slipway.migration.environment import Environment
from slipway.migration.models import metadata_of, with_tables
from slipway.records.migration import Baseline

# Without parameters, so that the text has single percent signs.
_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]


def snapshot(environment: Environment, url: URL) -> Baseline:
    """Run env.py without a revision, and return the schema of the models that it names.

    Raise BadInputError when there are none.
    """
    contexts: list[MigrationContext] = []

    def steps(_heads: tuple[str, ...], context: MigrationContext) -> Iterable[Any]:
        contexts.append(context)
        return ()

    try:
        with every_connection_to(url):
            options = environment.run(steps, dont_mutate=True)
        metadata = metadata_of(options)
        created = [statement for each in metadata for statement in _created(each)]
    except (Exception, SystemExit) as error:
        raise BadInputError(f"{environment.place_in_words(error)} fails", environment.needs(error)) from error
    if not contexts or not any(each.tables for each in metadata):
        raise BadInputError(
            "env.py sets no target_metadata with tables",
            f"set it to {with_tables(environment.is_own) or 'the metadata of the models'}",
        )
    parts = (*created, *_versions(contexts[0], environment))
    return Baseline(sql="".join(f"{part.strip()};\n\n" for part in parts).replace(", \n", ",\n"))


def _created(metadata: MetaData) -> Iterator[str]:
    """Yield the statements of create_all."""
    quote = _DIALECT.identifier_preparer.quote
    for schema in sorted({table.schema for table in metadata.tables.values() if table.schema}):
        yield f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"
    statements: list[str] = []

    def remember(element: Any, *_arguments: Any, **_options: Any) -> None:
        # a statement may already end with a semicolon
        statements.append(str(element.compile(dialect=_DIALECT)).strip().rstrip(";"))

    metadata.create_all(create_mock_engine("postgresql+psycopg2://", remember), checkfirst=False)
    yield from statements


def _versions(context: MigrationContext, environment: Environment) -> Iterator[str]:
    """Yield the statements for alembic's own table, in which all revisions count as run."""
    quote = _DIALECT.identifier_preparer.quote
    table = ".".join(quote(name) for name in (context.version_table_schema, context.version_table) if name)
    yield f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    for head in environment.script.get_heads():
        yield f"INSERT INTO {table} (version_num) VALUES ('{head}')"  # noqa: S608 -- alembic's own names, for a file
