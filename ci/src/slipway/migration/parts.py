"""The databases of one env.py, as with alembic's multidb template: the same history is run once for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alembic.runtime.migration import MigrationContext


@dataclass(frozen=True)
class Part:
    """One call of `context.run_migrations`.

    - server: host, port and database in the URL that env.py uses.
    - arguments: such as `engine_name=billing`.
    - versions: the schema or search path, and the table of versions.
    """

    server: str
    arguments: tuple[str, ...]
    versions: str

    @property
    def name(self) -> str:
        """The arguments in one line, without URLs, which may contain a password."""
        return ", ".join(argument for argument in self.arguments if "://" not in argument)

    @classmethod
    def of(cls, context: MigrationContext, arguments: Mapping[str, object]) -> "Part":
        """Describe a call before it runs."""
        assert context.connection is not None
        url = context.connection.engine.url
        plain = {name: value for name, value in arguments.items() if isinstance(value, str | int)}
        schema = context.version_table_schema or (_search_path(context.connection) if plain else "")
        return cls(
            server=f"{url.host or ''}:{url.port or ''}/{url.database or ''}",
            arguments=tuple(f"{name}={value}" for name, value in plain.items()),
            versions=f"{schema}.{context.version_table}",
        )

    def shares_database(self, other: "Part") -> bool:
        """Return whether both calls run in one database.

        Two calls that would mistake each other's revisions for their own do not.
        """
        mistaken = self.versions == other.versions and self.arguments != other.arguments
        return self.server == other.server and not mistaken


def _search_path(connection: Any) -> str:
    """Read the search path below SQLAlchemy, which would begin a transaction."""
    cursor = connection.connection.cursor()
    cursor.execute("SHOW search_path")
    (path,) = cursor.fetchone()
    cursor.close()
    return str(path)
