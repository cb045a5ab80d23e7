"""The metadata of the models, which revisions share with env.py because they run in one process."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData, Table, event


def metadata_of(options: Mapping[str, Any]) -> tuple[MetaData, ...]:
    """Return the metadata that env.py passes to alembic; empty when there is none."""
    metadata = options.get("target_metadata")
    if metadata is None:
        return ()
    return (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)


def with_tables(is_own: Callable[[str], bool]) -> str:
    """Return the name of a metadata with tables in the service's modules, such as `app.db.Base.metadata`; empty without one."""
    named = []
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__file__", None)
        if not file or not is_own(file):
            continue
        for attribute, value in list(vars(module).items()):
            is_base = isinstance(value, type) and "__table__" not in vars(value)
            is_of_flask = type(value).__name__ == "SQLAlchemy"
            metadata = getattr(value, "metadata", None) if is_base or is_of_flask else value
            if isinstance(metadata, MetaData) and metadata.tables:
                imported = is_base and value.__module__ != name
                named.append((imported, f"{name}.{attribute}{'' if metadata is value else '.metadata'}"))
    return min(named)[1] if named else ""


@contextmanager
def unchanged(models: tuple[MetaData, ...]) -> Iterator[None]:
    """Restore the models after the block, because a revision may add or change tables, for example by `Base.metadata.reflect()`."""
    known = {metadata: frozenset(metadata.tables) for metadata in models}
    originals: dict[Table, Table] = {}

    def keep(_inspector: object, table: Table, _column: object) -> None:
        if table not in originals and table.key in known.get(table.metadata, ()):
            originals[table] = table.to_metadata(MetaData())

    event.listen(Table, "column_reflect", keep)
    try:
        yield
    finally:
        event.remove(Table, "column_reflect", keep)
        for metadata, names in known.items():
            for table in [table for key, table in metadata.tables.items() if key not in names]:
                metadata.remove(table)
        for table, original in originals.items():
            table.metadata.remove(table)
            original.to_metadata(table.metadata)
