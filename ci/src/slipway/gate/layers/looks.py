"""How a database looks in which a revision was run otherwise than at one go, beside how it should look."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.dbapi import literal, query

_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indexrelid >= 16384 ORDER BY 1"
_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')"""


@dataclass(frozen=True)
class Look:
    """A database: the fingerprint of its catalog, the indexes that are not valid, how many rows each table has."""

    fingerprint: str
    invalid: tuple[str, ...]
    counts: Mapping[str, int]

    def otherwise(self, wanted: "Look") -> str:
        """In what it is other than wanted, in words; nothing when it is not."""
        if invalid := self.invalid_beside(wanted):
            return f"{', '.join(invalid)} is not valid"
        if self.fingerprint != wanted.fingerprint:
            return "it ends in another schema"
        for table, count in self.counts.items():
            if count != wanted.counts.get(table):
                return f"{table} has {count} rows and not {wanted.counts.get(table)}"
        return ""

    def invalid_beside(self, wanted: "Look") -> tuple[str, ...]:
        """The indexes that are not valid here, and would be."""
        return tuple(name for name in self.invalid if name not in wanted.invalid)


def tables(connection: Connection) -> list[str]:
    """Every table, as SQL writes its name."""
    return [name for (name,) in query(connection.connection, _TABLES)]


def look(connection: Connection) -> Look:
    """How the database of a connection looks."""
    there = connection.connection
    invalid = tuple(name for (name,) in query(there, _INVALID))
    counts = " UNION ALL ".join(f"SELECT {literal(table)}, count(*) FROM {table}" for table in tables(connection))
    return Look(
        Catalog(there).fingerprint,
        invalid,
        {table: int(count) for table, count in query(there, counts)} if counts else {},
    )
