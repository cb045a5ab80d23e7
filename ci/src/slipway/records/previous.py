"""Previous: the statements of the previous release, which must keep working on the new schema."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Column:
    """A column of a model; `written` when an INSERT names it because the database has no default."""

    name: str
    written: bool


@dataclass(frozen=True)
class Model:
    """A table of the release's models; `schema` is None for the first one in the search path."""

    schema: str | None
    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Recorded:
    """A statement that the release's own tests executed, with its parameters; `where` is the place in its code."""

    sql: str
    where: str


@dataclass(frozen=True, kw_only=True)
class Previous:
    """A previous release.

    - name: as the user wrote it. refusal: why its models could not be loaded.
    - revisions: all that its alembic knows. start: its start command, if that runs alembic.
    """

    SCHEMA: ClassVar[str] = "slipway/previous/1"

    name: str
    models: tuple[Model, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    refusal: str | None = None
    revisions: tuple[str, ...] = ()
    start: str = ""
