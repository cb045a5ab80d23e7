"""The models' metadata, which revisions share with env.py because they run in the same process."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData, Table, event


def metadata_of(options: Mapping[str, Any]) -> tuple[MetaData, ...]:
    """Return the metadata that env.py passes to alembic; empty when there is none."""
    metadata = options.get("target_metadata")
    if metadata is None:
        return ()
    return (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)


@contextmanager
def unchanged(models: tuple[MetaData, ...]) -> Iterator[None]:
    """Undo what revisions add to the models, for example by `Base.metadata.reflect()`: those tables have no model."""
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
