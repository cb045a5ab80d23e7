"""Models as SQL, one text for each object. Releases with equal texts have the same desired schema."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Column, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import AddConstraint, CreateColumn, CreateIndex, CreateTable

from slipway.gate.measure.session import literal

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def spelled(item: Any) -> str:
    """Return the SQL of a table, column, index or constraint; empty when SQLAlchemy has no SQL for it."""
    table = item.fullname if isinstance(item, Table) else getattr(item.table, "fullname", "")
    try:
        return f"{table}: {_statement(item).compile(dialect=_DIALECT)}"
    except (SQLAlchemyError, AttributeError, TypeError):  # an object without its table, or a type of another database
        return ""


def _statement(item: Any) -> Any:
    if isinstance(item, Table):
        return CreateTable(item)
    if isinstance(item, Column):
        return CreateColumn(item)
    return CreateIndex(item) if isinstance(item, Index) else AddConstraint(item)


def all_spelled(tables: Iterable[Table]) -> Iterator[str]:
    """Yield one text for each table, column, index, constraint and enum type."""
    for table in tables:
        for item in (table, *table.columns, *table.indexes, *table.constraints):
            if text := spelled(item):
                yield text
        for column in table.columns:
            type_: Any = getattr(column.type, "item_type", column.type)
            if getattr(type_, "enums", None) and type_.name:
                yield spelled_enum(type_.name, map(literal, type_.enums))


def spelled_enum(name: str, labels: Iterable[str]) -> str:
    """Return the text for an enum type with these quoted labels."""
    return f"{name}: {', '.join(labels)}"
