"""The schema on which a history begins: the statements of an SQL file, or the tables of a metadata."""

import hashlib
import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import MetaData, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from slipway.errors import BadInputError
from slipway.migration.database import sqlstate
from slipway.migration.dump import SqlStatement, statements
from slipway.migration.environment import sentence
from slipway.migration.reasons import of_pg8000

_SETTING: Final = "baseline in [tool.slipway.migrations]"
_UNDEFINED: Final = "42704"  # a role, or a parameter of another major version
_EXISTS: Final = frozenset({"42P06", "42710"})  # a schema or an extension
_MAY_LACK_ROLES: Final = ("GRANT", "REVOKE", "ALTER DEFAULT PRIVILEGES")
_NOT_ALLOWED: Final = "42501"
_MAY_FAIL: Final = re.compile(r"(?i:SET|GRANT|REVOKE|ALTER\s+DEFAULT|CREATE\s+(?:SCHEMA|EXTENSION))\b")
_INTO: Final = re.compile(r"INSERT\s+INTO\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The settings for an empty database: extensions are created first, then the baseline."""

    baseline: str = ""
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InitialSchema:
    """A baseline as it was read. `statements` are those of a file; `metadata` has the tables of a module."""

    name: str
    statements: tuple[SqlStatement, ...] = ()
    metadata: MetaData | None = None

    @property
    def digest(self) -> str:
        """The sha256 of the schema, which does not depend on the file's layout."""
        parts = [part.sql for part in self.statements] if self.metadata is None else list(_spelled(self.metadata))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @property
    def has_rows(self) -> bool:
        return any(part.sql[:6].upper() == "INSERT" for part in self.statements)

    def begun_at(self, version_table: str) -> tuple[str, ...]:
        """Return the revisions that the file's rows count as run."""
        rows = (part.sql for part in self.statements if _INTO.match(part.sql) and version_table in part.sql)
        return tuple(id_ for sql in rows for id_ in re.findall(r"'(\w+)'", sql))

    def build(self, connection: Connection, owner: str = "") -> tuple[str, ...]:
        """Build the schema in an empty database of the gate, as the database's owner.

        Return sentences about parts that were left out. Raise BadInputError.
        """
        as_owner = f"SET ROLE {owner}" if owner else "RESET ROLE"
        _execute(connection, as_owner)
        try:
            return self._build(connection, as_owner)
        finally:
            _execute(connection, "RESET ROLE")

    def build_in_transaction(self, connection: Connection) -> tuple[str, ...]:
        """Build the schema in another empty database, which stays empty after an error.

        Return the parts that were left out. Raise BadInputError.
        """
        _execute(connection, "BEGIN")
        left_out = self._build(connection, "")
        _execute(connection, "COMMIT")
        return left_out

    def _build(self, connection: Connection, as_owner: str) -> tuple[str, ...]:
        if self.metadata is not None:
            _create_all(self.name, self.metadata, connection)
            return ()
        skipped = [part.line for part in self.statements if not self._runs(connection, part, as_owner)]
        lines = ", ".join(map(str, skipped))
        return (f"{self.name} grants privileges to roles that this server lacks (line {lines})",) if skipped else ()

    def _runs(self, connection: Connection, part: SqlStatement, as_owner: str) -> bool:
        """Execute a statement; if the owner may not, execute it as the session's user.

        Return False for a statement about missing roles.
        Without `as_owner`, the session is in a transaction.
        """
        may_fail = not as_owner and _MAY_FAIL.match(part.sql)
        if may_fail:
            _execute(connection, "SAVEPOINT slipway")
        try:
            _execute(connection, part.sql)
        except DBAPIError as error:
            if may_fail:
                _execute(connection, "ROLLBACK TO SAVEPOINT slipway")
            if sqlstate(error) == _NOT_ALLOWED and as_owner.startswith("SET"):
                _execute(connection, "RESET ROLE")
                try:
                    return self._runs(connection, part, "RESET ROLE")
                finally:
                    _execute(connection, as_owner)
            if _is_met(part.sql, sqlstate(error)):
                return True
            if part.sql.upper().startswith(_MAY_LACK_ROLES) and sqlstate(error) == _UNDEFINED:
                return False
            raise BadInputError(
                f"{self.name} line {part.line + _lines_before(error, part.sql)} fails", sentence(error)
            ) from error
        return True


def _execute(connection: Connection, sql: str) -> None:
    connection.execution_options(no_parameters=True).exec_driver_sql(sql)


def _is_met(sql: str, code: str | None) -> bool:
    """Return whether an error can be ignored: this major version lacks the parameter, or the schema or extension exists."""
    words = sql.upper().split(None, 2)[:2]
    return words[:1] == ["SET"] or (code in _EXISTS and words in (["CREATE", "SCHEMA"], ["CREATE", "EXTENSION"]))


def _lines_before(error: DBAPIError, sql: str) -> int:
    """Return the number of lines in a statement before the error's position; 0 when Postgres reports no position."""
    original: Any = error.orig
    named = (
        getattr(getattr(original, "diag", None), "statement_position", None)  # psycopg, psycopg2
        or getattr(getattr(original, "__cause__", None), "position", None)  # asyncpg
        or of_pg8000(original).get("P")
    )
    return sql.count("\n", 0, int(named)) if named else 0


def _create_all(name: str, metadata: MetaData, connection: Connection) -> None:
    try:
        for schema in sorted({table.schema for table in metadata.tables.values() if table.schema}):
            _execute(connection, f"CREATE SCHEMA IF NOT EXISTS {connection.dialect.identifier_preparer.quote(schema)}")
        metadata.create_all(connection)
    except Exception as error:
        raise BadInputError(f"create_all of {name} fails", sentence(error)) from error


def _spelled(metadata: MetaData) -> Iterator[str]:
    """Yield the tables and indexes of a metadata as SQL, and the labels of its enums."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        yield from sorted(str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes)
        yield from (f"{column.name} {getattr(column.type, 'enums', '')}" for column in table.columns)


def create_extensions(names: Sequence[str], connection: Connection) -> None:
    """Create the extensions that a history expects. Raise BadInputError when one cannot be created."""
    for name in names:
        quoted = connection.dialect.identifier_preparer.quote(name)
        try:
            connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {quoted} CASCADE"))
        except DBAPIError as error:
            raise BadInputError(f"the extension {name} cannot be created on this server", sentence(error)) from error


def read(baseline: str, folder: Path) -> InitialSchema:
    """Read `migrations/baseline.sql` in the service's folder, or import `package.module:metadata`.

    Raise BadInputError when this fails.
    """
    if not baseline.endswith(".sql"):
        return InitialSchema(name=baseline, metadata=_metadata(baseline))
    try:
        sql = (folder / baseline).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInputError(
            f"{baseline} cannot be read: {error.strerror or error}", f"correct {_SETTING}, and commit the file"
        ) from error
    except UnicodeDecodeError as error:
        raise BadInputError(
            f"{baseline} is not UTF-8", "write it with `pg_dump --format=plain --encoding=UTF8`"
        ) from error
    parts = statements(sql, baseline)
    if not parts:
        raise BadInputError(f"{baseline} has no statement", f"correct {_SETTING}, or remove it")
    return InitialSchema(name=baseline, statements=parts)


def _metadata(baseline: str) -> MetaData:
    """Import a metadata, or an object with a metadata, such as a declarative base."""
    module, _, path = baseline.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (Exception, SystemExit) as error:
        raise BadInputError(f"{baseline} cannot be imported: {sentence(error)}", f"correct {_SETTING}") from error
    metadata = getattr(found, "metadata", found)
    if not isinstance(metadata, MetaData) or not metadata.tables:
        raise BadInputError(
            f"{baseline} is no metadata with tables", f"name a MetaData, or a declarative base, as {_SETTING}"
        )
    return metadata
