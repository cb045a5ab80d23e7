"""The columns of a database's tables and views, with type, collation, default and so on as separate values.

A line of the catalog joins them to one text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slipway.gate.measure.session import query
from slipway.gate.measure.system_catalogs import FIRST_USER_OID

SERIAL: Final = "serial"  # instead of a default: the next value of the sequence that belongs to the column

_PARTS: Final = f"""
    SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation NOT IN (0, 'default'::regcollation) THEN a.attcollation::regcollation::text END,
        a.attnotnull, nullif(a.attidentity, '')::text, nullif(a.attgenerated, '')::text, pg_get_expr(f.adbin, f.adrelid),
        CASE WHEN pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%' THEN format('nextval(%L::regclass)',
            pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)::regclass) END
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef f ON (f.adrelid, f.adnum) = (a.attrelid, a.attnum)
    WHERE c.oid >= {FIRST_USER_OID} AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND n.nspname !~ '^pg_' AND a.attnum > 0 AND NOT a.attisdropped
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. A missing part is None."""

    type: str
    collation: str | None
    required: bool
    identity: str | None  # "a" for always, "d" for by default
    generated: str | None  # "s" for stored, "v" for virtual
    expression: str | None  # the expression of its default, or the one that generates it

    @property
    def is_numbered(self) -> bool:
        """Return whether a sequence of the column numbers the rows, unless an INSERT has a value."""
        return self.identity == "d" or self.expression == SERIAL


def columns(connection: Any) -> Mapping[str, Column]:
    """Return the columns of all tables and views of a DBAPI connection's database by `schema.table.column`."""
    return {
        name: Column(
            type=type_,
            collation=collation,
            required=required,
            identity=identity,
            generated=generated,
            expression=SERIAL if expression and expression == of_own_sequence else expression,
        )
        for name, type_, collation, required, identity, generated, expression, of_own_sequence in query(
            connection, _PARTS
        )
    }
