"""Previous: what the release before this one says to the database, for the gate, which must see that it still can."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Column:
    """A column that a model names; `written` when INSERT names it, because the database makes no value of its own."""

    name: str
    written: bool


@dataclass(frozen=True)
class Model:
    """A table that the release's models name; `schema` is None for the first of the search path."""

    schema: str | None
    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Recorded:
    """A statement that the release said while its own tests ran, its parameters written into it; `where` is the place in its code."""

    sql: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Previous:
    """A release: `name` is how it was asked for, `refusal` why its models could not be had.

    - revisions: all that its alembic knows. start: its start command, when that runs alembic.
    """

    SCHEMA: ClassVar[str] = "slipway/previous/1"

    name: str
    models: tuple[Model, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    refusal: str | None = None
    revisions: tuple[str, ...] = ()
    start: str = ""
