"""Drift: the catalogs of two databases, one built by the migrations and one by the models, compared by meaning.

Views, functions, triggers, policies, grants and the order of columns are not compared, because models cannot express
them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.schema import AddConstraint
from sqlalchemy.sql.ddl import SchemaGenerator

from slipway.gate.databases import fresh
from slipway.gate.layers.autogenerate import Autogenerate, SchemaObject, reflect, table_of_index
from slipway.gate.layers.queries import executed
from slipway.gate.measure.catalog import Catalog, Line
from slipway.gate.measure.columns import SERIAL, Column, columns
from slipway.gate.measure.meaning import Meaning, same_type
from slipway.gate.measure.session import literal, query
from slipway.gate.names import is_table, parts
from slipway.migration.database import with_connection
from slipway.migration.environment import Options, sentence
from slipway.migration.models import metadata_of

_TABLES: Final = ("table", "partitioned table")
VIEWS: Final = ("view", "materialized view")
_TYPES: Final = ("enum", "domain")
_CONSTRAINTS: Final = ("primary key", "unique", "foreign key", "check", "exclusion")
_NAMED: Final = (*_CONSTRAINTS, "index")
_KINDS: Final = (*_TABLES, "column", *_NAMED, *_TYPES)

# Parts of a line about a table or an index that models cannot express.
_INEXPRESSIBLE: Final = re.compile(r" ?\b(row security|forced|replica identity( \w)?|clustered)\b")
_STORAGE: Final = re.compile(r"(?:^|(?<= ))\w+(\.\w+)?=\S+ ?")
_REFERENCED: Final = re.compile(r" REFERENCES (?P<table>[^(]+)\(")
_CHECK: Final = re.compile(r"CHECK \((?P<expression>.*)\)(?P<rest>[A-Z ]*)", re.DOTALL)
_EXCLUSION: Final = re.compile(r"EXCLUDE (?P<keys>.*?)(?: WHERE \((?P<expression>.*)\))?(?P<rest>[A-Z ]*)", re.DOTALL)
_KEY: Final = re.compile(r"(?P<kind>PRIMARY KEY|UNIQUE[A-Z ]*) \((?P<columns>[^()]*)\)(?P<rest>.*)", re.DOTALL)
_INDEX: Final = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX (?:\"(?:[^\"]|\"\")*\"|\S+) (?P<keys>.*?)(?: WHERE (?P<expression>.*?))?(?P<rest> INVALID)?",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An object of the schema that differs between migrations and models. The side without the object has None."""

    table: str
    migrations: Line | None
    models: Line | None
    named_apart: bool = False  # whether both sides have the object, under different names
    spelled: str = ""  # the models' object as SQL
    # for a column of which only the type differs: the migrations' type and the models' type
    types: tuple[str, str] | None = None

    @property
    def validity_alone(self) -> bool:
        """Return whether only one thing differs: the migrations leave a constraint unvalidated."""
        ours, theirs = self.migrations, self.models
        return ours is not None and ours.kind in _CONSTRAINTS and ours != theirs == _validated(ours)

    @property
    def line(self) -> Line:
        """The line of one side that has the object."""
        line = self.migrations or self.models
        assert line is not None
        return line

    def __str__(self) -> str:
        if self.migrations is None:
            return f"only the models have {self.models}"
        if self.models is None:
            return f"only the migrations have {self.migrations}"
        if self.line.kind == "enum":
            return f"enum {self.line.name} has {' and '.join(_labels_apart(self.migrations, self.models))}"
        if self.named_apart:
            return (
                f"{self.migrations.kind} is {self.migrations.name} in the migrations, {self.models.name} in the models"
            )
        return f"{self.migrations.kind} {self.migrations.name} is {self.migrations.definition!r} in the migrations, {self.models.definition!r} in the models"


def _labels_apart(migrated: Line, modelled: Line) -> Iterator[str]:
    for line, other, side in ((migrated, modelled, "migrations"), (modelled, migrated, "models")):
        if labels := [label for label in line.labels if label not in other.labels]:
            yield f"{', '.join(labels)} only in the {side}"


@dataclass(frozen=True, kw_only=True)
class ModelsResult:
    """The differences between migrations and models, or the reason why they are unknown.

    - unbuilt: the tables that the models cannot create and that are not compared, with the error, by name.
    - gap: why nothing was compared.
    - failed: whether the reason is an error instead of missing models.
    """

    differences: tuple[Difference, ...] = ()
    unbuilt: Mapping[str, str] = field(default_factory=dict)
    gap: str = ""
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Schema:
    """A schema that was built, except for some tables."""

    lines: tuple[Line, ...]
    columns: Mapping[str, Column]
    unbuilt: Mapping[str, str] = field(default_factory=dict)  # the error, by the table's name

    @classmethod
    def read(
        cls, connection: Any, lines: Iterable[Line], unbuilt: Mapping[str, str] = MappingProxyType({})
    ) -> "Schema":
        """Return the schema of these lines with the columns of the connection's database."""
        return cls(lines=tuple(lines), columns=columns(connection), unbuilt=unbuilt)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """The schema at the end of the history, as env.py's connection and options describe it."""

    schema: Schema
    context: MigrationContext
    reflected: MetaData
    search_path: str
    translated: Mapping[str | None, str | None]  # the connection's `schema_translate_map`

    @classmethod
    def read(cls, context: MigrationContext, lines: Iterable[Line]) -> "Migrated":
        """Read the rest of the facts for the comparison while the connection is open."""
        assert context.connection is not None
        raw = context.connection.connection
        schema = Schema.read(raw, lines)
        schemas = dict.fromkeys(parts(line.name)[0] for line in schema.lines if line.kind in _TABLES)
        return cls(
            schema=schema,
            context=context,
            reflected=reflect(context, context.opts, schemas),
            search_path=query(raw, "SELECT current_setting('search_path')")[0][0],
            translated=dict(context.connection.get_execution_options().get("schema_translate_map") or {}),
        )


def compare_with_models(
    server: URL, migrated: Migrated, options: Options, version_table: str, extensions: Sequence[str]
) -> ModelsResult:
    """Build the models in a database of their own, and compare. Raise SQLAlchemyError when no table can be built."""
    models = metadata_of(options)
    autogenerate = Autogenerate(migrated.context, options, models, migrated.reflected, migrated.translated)

    def compare(connection: Connection) -> ModelsResult:
        modelled = build_models(connection, models, migrated)
        comparison = Comparison(migrated.schema, modelled, Meaning(connection.connection), autogenerate)
        return ModelsResult(differences=comparison.differences(version_table), unbuilt=modelled.unbuilt)

    with fresh(server, extensions) as database:
        return with_connection(database, compare)


def build_models(connection: Connection, models: Sequence[MetaData], migrated: Migrated) -> Schema:
    """Return the schema that the models build, in the same schemas and search path as the migrations.

    Raise an error when no table can be built.
    """
    schemas = {table.schema for metadata in models for table in metadata.tables.values() if table.schema}
    schemas |= {parts(line.name)[0] for line in migrated.schema.lines if line.kind == "schema"}
    for schema in sorted(schemas):
        name = connection.dialect.identifier_preparer.quote(migrated.translated.get(schema) or schema)
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
    for line in migrated.schema.lines:
        if line.kind == "extension":
            _create_extension(connection, line)
    connection.exec_driver_sql("SET TimeZone = 'UTC'")
    query(connection.connection, f"SELECT set_config('search_path', {literal(migrated.search_path)}, false)")
    building = (
        connection.execution_options(schema_translate_map=migrated.translated) if migrated.translated else connection
    )
    unbuilt: Mapping[str, str] = {}
    try:
        _create_all(building, models, checked=False)
    except Exception:  # noqa: BLE001 -- types of the service's own are asked, too
        tables = _Tables.of(building, models, migrated)
        tables.drop()
        _lend(building, models, migrated.schema.lines)
        try:
            _create_all(building, models, checked=True)
        except Exception:
            tables.drop()
            unbuilt = tables.create_each()
            if not unbuilt or len(unbuilt) == len(tables.named):
                raise
    return Schema.read(connection.connection, Catalog(connection.connection).lines, unbuilt)


@dataclass(frozen=True)
class _Tables:
    """The models' tables by name. They are created one by one when creating them together fails."""

    connection: Connection
    models: Sequence[MetaData]
    named: Mapping[str, Table]

    @classmethod
    def of(cls, connection: Connection, models: Sequence[MetaData], migrated: Migrated) -> "_Tables":
        default = query(connection.connection, "SELECT current_schema()")[0][0]
        named = {
            f"{migrated.translated.get(table.schema, table.schema) or default}.{table.name}": table
            for metadata in models
            for table in metadata.tables.values()
        }
        return cls(connection, models, named)

    def drop(self) -> None:
        """Drop the existing tables, regardless of the references between them."""
        quote = self.connection.dialect.identifier_preparer.quote
        names = (".".join(map(quote, name.split(".", 1))) for name in self.named)
        self.connection.exec_driver_sql(f"DROP TABLE IF EXISTS {', '.join(names)} CASCADE")

    def create_each(self) -> dict[str, str]:
        """Create each table, then the references between them. Return the errors of those that fail."""
        unbuilt: dict[str, str] = {}
        names = {table: name for name, table in self.named.items()}
        for metadata in self.models:
            # A table may need an object that a listener of the service creates. Its own creation will show that.
            with suppress(Exception):
                metadata.create_all(self.connection, tables=[])
        generator: Any = SchemaGenerator(self.connection.dialect, self.connection, checkfirst=True)  # type: ignore[no-untyped-call]
        referred = {}
        for name, table in self.named.items():
            try:
                referred[name] = {key: names[key.referred_table] for key in table.foreign_key_constraints}
                generator.visit_table(table, include_foreign_key_constraints=())
            except Exception as error:  # noqa: BLE001 -- types of the service's own are asked, too
                unbuilt[name] = sentence(error)
        between = [
            (name, key)
            for name in referred.keys() - unbuilt
            for key, other in referred[name].items()
            if other not in unbuilt
        ]
        for name, key in between:
            in_table = key._create_rule  # noqa: SLF001 -- AddConstraint takes the key out of later CREATE TABLEs
            try:
                self.connection.execute(AddConstraint(key))
            except SQLAlchemyError as error:
                unbuilt[name] = sentence(error)
            finally:
                key._create_rule = in_table  # noqa: SLF001
        return unbuilt


def _create_extension(connection: Connection, line: Line) -> None:
    """Create an extension in its schema of the migrations, otherwise in its default schema."""
    creation = f"CREATE EXTENSION IF NOT EXISTS {line.name}"
    try:
        connection.exec_driver_sql(f"{creation} SCHEMA {line.definition.rpartition(' in ')[2]} CASCADE")
    except DBAPIError:
        connection.exec_driver_sql(f"{creation} CASCADE")


def _create_all(connection: Connection, models: Sequence[MetaData], *, checked: bool) -> None:
    """Create the models. In an empty database, skip the query whether each one exists."""
    for metadata in models:
        metadata.create_all(connection, checkfirst=checked)


def _lend(connection: Connection, models: Sequence[MetaData], migrated: Iterable[Line]) -> None:
    """Create objects that only the migrations create and that the models use: functions, sequences, and types with create_type=False."""
    connection.exec_driver_sql("SET check_function_bodies = off")
    types: list[Any] = [
        column.type for metadata in models for table in metadata.tables.values() for column in table.columns
    ]
    for type_ in (getattr(type_, "item_type", type_) for type_ in types):
        if getattr(type_, "create_type", None) is False:
            with suppress(SQLAlchemyError):
                type_.create(connection, checkfirst=True)
    for line in migrated:
        definition = line.definition.rpartition(" | owner")[0]
        statement = {"function": definition, "sequence": f"CREATE SEQUENCE IF NOT EXISTS {line.name}"}.get(line.kind)
        if statement:
            with suppress(DBAPIError):
                executed(connection, statement)


@dataclass(frozen=True)
class Comparison:
    """Two schemas that are compared as env.py's options demand."""

    migrated: Schema
    modelled: Schema
    meaning: Meaning
    autogenerate: Autogenerate

    def differences(self, version_table: str) -> tuple[Difference, ...]:
        """Return all meaningful differences, except those that autogenerate leaves out."""
        ignored = self._ignored_tables(version_table)
        ours, theirs = (_comparable(schema.lines, ignored) for schema in (self.migrated, self.modelled))
        differences = [
            Difference(table=table_of(ours.get(key) or theirs[key]), migrations=ours.get(key), models=theirs.get(key))
            for key in dict.fromkeys([*ours, *theirs])
            if not self._agree(ours.get(key), theirs.get(key))
        ]
        differences += (Difference(table=table_of(line), migrations=None, models=line) for line in self._not_in_views())
        missing = {item.table for item in differences if item.line.kind in _TABLES}
        apart = [
            item
            for item in differences
            if (item.table not in missing or item.line.kind in _TABLES) and not self._concerns_unbuilt(item)
        ]
        return tuple(
            replace(item, spelled=self.autogenerate.spelled(item.models), types=self._types_alone(item))
            for item in self._paired(apart)
            if not self._omits(item)
        )

    def _not_in_views(self) -> Iterator[Line]:
        """Yield the columns that the models of views have and the views have not."""
        views = {line.name for line in self.migrated.lines if line.kind in VIEWS}
        for line in self.modelled.lines:
            if line.kind == "column" and table_of(line) in views and line.name not in self.migrated.columns:
                view = SchemaObject(*parts(table_of(line)))
                if not self.autogenerate.omits_table(view, migrated=False, modelled=True):
                    yield line

    def _ignored_tables(self, version_table: str) -> frozenset[str]:
        """Return the tables that are not compared: alembic's own, partitions, those that env.py hides from autogenerate, and models of views."""
        ours, theirs = (
            {line.name for line in schema.lines if line.kind in _TABLES} for schema in (self.migrated, self.modelled)
        )
        apart = {line.name for line in self.migrated.lines if line.kind in ("child", *VIEWS)}
        return frozenset(
            name
            for name in ours | theirs | apart
            if name in apart
            or is_table(name, version_table)
            or self.autogenerate.omits_table(SchemaObject(*parts(name)), migrated=name in ours, modelled=name in theirs)
        )

    def _concerns_unbuilt(self, item: Difference) -> bool:
        """Return whether a difference concerns a table that the models could not create, or a reference to one."""
        referenced = _REFERENCED.search(item.line.definition) if item.line.kind == "foreign key" else None
        return any(
            is_table(name, item.table) or (referenced and is_table(name, referenced["table"]))
            for name in self.modelled.unbuilt
        )

    def _omits(self, item: Difference) -> bool:
        if (
            item.named_apart
            and item.models
            and item.migrations
            and (_is_postgres_choice(item.migrations) or not self.autogenerate.is_named(item.models))
        ):
            return True
        return self.autogenerate.omits(item.migrations, item.models)

    def _agree(self, migrated: Line | None, modelled: Line | None) -> bool:
        if migrated is None or modelled is None:
            return (migrated or modelled).kind in _TYPES  # type: ignore[union-attr]  # then a column differs or nothing uses it
        if migrated == modelled:
            return True
        if migrated.kind == "column":
            return self._agree_on_column(modelled)
        return self._same_object(migrated, modelled)

    def _same_object(self, migrated: Line, modelled: Line) -> bool:
        """Return whether two objects that are no columns mean the same, whatever their names."""
        # CREATE TABLE ignores NOT VALID, because the table has no rows to check
        if self.autogenerate.is_unvalidated(modelled):
            migrated = _validated(migrated)
        if migrated.kind in _TABLES:
            return _expressible(migrated, modelled) == _expressible(modelled, modelled)
        if migrated.kind == "enum":  # ADD VALUE appends a label, at another place than in the models
            return sorted(migrated.labels) == sorted(modelled.labels)
        if migrated.kind in ("primary key", "unique"):
            return _key(migrated) == _key(modelled)
        pattern = {"check": _CHECK, "exclusion": _EXCLUSION, "index": _INDEX}.get(migrated.kind)
        one, other = (pattern.fullmatch(line.definition) if pattern else None for line in (migrated, modelled))
        if one is None or other is None:
            return migrated.definition == modelled.definition
        mine, its = one.groupdict(), other.groupdict()
        if migrated.kind == "index" and self._same_keys(table_of(modelled), mine["keys"], its["keys"]):
            mine["keys"] = its["keys"]
        expressions = mine.pop("expression"), its.pop("expression")
        if mine != its or None in expressions:
            return mine == its and expressions[0] == expressions[1]
        return self.meaning.same_expression(table_of(modelled), *expressions)

    def _same_keys(self, table: str, one: str, other: str) -> bool:
        """Return whether the keys of two indexes are the same: equal columns, or expressions with equal meaning, in the same order."""
        mine, its = _keys(one), _keys(other)
        return [words for words, _ in mine] == [words for words, _ in its] and all(
            self.meaning.same_expression(table, *pair)
            for pair in zip((key for _, key in mine), (key for _, key in its), strict=True)
        )

    def _agree_on_column(self, line: Line) -> bool:
        mine, its = self.migrated.columns[line.name], self.modelled.columns[line.name]
        agreed = same_type(mine.type, its.type) or self.autogenerate.accepts_type(line)
        return agreed and self._agree_but_for_type(line, mine, its)

    def _agree_but_for_type(self, line: Line, mine: Column, its: Column) -> bool:
        same = (mine.collation, mine.required, mine.generated) == (its.collation, its.required, its.generated)
        return same and self._agree_on_value(line, mine, its)

    def _types_alone(self, item: Difference) -> tuple[str, str] | None:
        """Return both types of a column if only the type differs, otherwise None."""
        if item.migrations is None or item.models is None or item.line.kind != "column":
            return None
        mine, its = self.migrated.columns[item.line.name], self.modelled.columns[item.line.name]
        return (mine.type, its.type) if self._agree_but_for_type(item.models, mine, its) else None

    def _agree_on_value(self, line: Line, mine: Column, its: Column) -> bool:
        """Return whether both schemas give the column the same value in a row without one."""
        if mine.generated:
            return self.meaning.same_expression(table_of(line), mine.expression or "", its.expression or "")
        if (mine.identity, mine.expression) == (its.identity, its.expression) or (mine.is_numbered and its.is_numbered):
            return True
        modelled = its.identity or its.expression
        accepted = self.autogenerate.accepts_default(line, modelled=modelled is not None)
        if accepted is not None:
            return accepted
        if mine.identity or its.identity:
            return False
        if SERIAL in (mine.expression, its.expression):
            return self.autogenerate.is_autoincrement(line) and str(mine.expression).startswith("nextval(")
        return self.meaning.same_default(its.type, mine.expression, its.expression)

    def _paired(self, differences: Sequence[Difference]) -> Iterator[Difference]:
        """Join two differences when both sides have the same object under different names."""
        only_models = [item for item in differences if item.models and not item.migrations and item.line.kind in _NAMED]
        paired = []
        for item in differences:  # the differences with an object of the migrations come first
            twin = None
            if item.migrations and not item.models and item.line.kind in _NAMED:
                twin = next((other for other in only_models if self._are_twins(item, other)), None)
            if twin and twin.models:
                only_models.remove(twin)
                paired.append(twin)
                yield replace(item, models=twin.models, named_apart=True)
            elif item not in paired:
                yield item

    def _are_twins(self, item: Difference, other: Difference) -> bool:
        assert item.migrations
        assert other.models
        same_place = (item.table, item.line.kind) == (other.table, other.line.kind)
        return same_place and self._same_object(item.migrations, other.models)


def _keys(keys: str) -> list[tuple[str, str]]:
    """Return the expressions among an index's keys, each with the text before it, and the text after the last one."""
    depth, begin, found, end = 0, 0, [], 0
    for place, character in enumerate(keys):
        depth += (character == "(") - (character == ")")
        if character == "(" and depth == 2:  # the first bracket contains all keys
            begin = place
        elif character == ")" and depth == 1:
            found.append((keys[end:begin], keys[begin : place + 1]))
            end = place + 1
    return [*found, (keys[end:], "1")]


def _validated(line: Line) -> Line:
    return replace(line, definition=line.definition.removesuffix(" NOT VALID"))


def _key(line: Line) -> object:
    """Return the parts of a key. The order of its columns is ignored, because it does not change the constraint."""
    match = _KEY.fullmatch(line.definition)
    return (match["kind"], sorted(match["columns"].split(", ")), match["rest"]) if match else line.definition


def _columns_of(key: Line) -> tuple[str, ...]:
    """Return the columns of a key.

    CREATE TABLE leaves out a unique constraint on the columns of the primary key, because it adds nothing.
    """
    match = _KEY.fullmatch(key.definition)
    return tuple(sorted(match["columns"].split(", "))) if match else (key.definition,)


def _is_postgres_choice(line: Line) -> bool:
    """Return whether a constraint's name looks as if Postgres had chosen it; its table may have another name now."""
    return (
        line.kind in _CONSTRAINTS
        and re.search(r"_(pkey|key|fkey|check|excl)\d*$", SchemaObject.of(line).name) is not None
    )


def _expressible(line: Line, modelled: Line) -> str:
    """Return the parts of a table's definition that models can express.

    Storage parameters count only when the models have any.
    """
    definition = _INEXPRESSIBLE.sub("", line.definition)
    return definition if _STORAGE.search(modelled.definition) else _STORAGE.sub("", definition).strip()


def _comparable(lines: Iterable[Line], ignored: frozenset[str]) -> dict[tuple[str, str], Line]:
    lines = [
        Line(line.kind, line.name, _INEXPRESSIBLE.sub("", line.definition.partition("| owner")[0].strip()))
        if line.kind in (*_TABLES, *_TYPES, "index")
        else line
        for line in lines
        if line.kind in _KINDS
    ]
    backing = {_index_of(line) for line in lines if line.kind in ("primary key", "unique", "exclusion")}
    primary = {(table_of(line), _columns_of(line)) for line in lines if line.kind == "primary key"}
    return {
        (line.kind, line.name): line
        for line in lines
        if table_of(line) not in ignored
        and not (line.kind == "index" and parts(line.name) in backing)
        and not (line.kind == "unique" and (table_of(line), _columns_of(line)) in primary)
    }


def _index_of(constraint: Line) -> tuple[str, ...]:
    """Return schema and name of the index that belongs to a constraint, which has the constraint's name."""
    place = SchemaObject.of(constraint)
    return place.schema, place.name


def table_of(line: Line) -> str:
    """Return the qualified table of an object of the catalog."""
    if line.kind == "index":
        return table_of_index(line)
    if line.kind in (*_TABLES, *_TYPES):
        return line.name
    return line.name.rpartition(".")[0]
