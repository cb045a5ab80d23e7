"""Sequences behind the values of their columns: the application's next row gets a key that exists already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slipway.gate.measure.dbapi import query

# Of identity columns and of columns with a nextval() default; only ascending ones.
_COUNTED = """
SELECT format('%I.%I', n.nspname, t.relname), quote_ident(a.attname), format('%I.%I', sn.nspname, s.relname)
FROM (SELECT refobjid AS relation, refobjsubid AS number, objid AS sequence FROM pg_depend
      WHERE classid = 'pg_class'::regclass AND deptype = 'i' AND refclassid = 'pg_class'::regclass AND refobjsubid > 0
      UNION SELECT f.adrelid, f.adnum, d.refobjid FROM pg_attrdef f
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass) u
JOIN pg_class t ON t.oid = u.relation JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number
JOIN pg_class s ON s.oid = u.sequence AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0
WHERE t.oid = ANY ('{{{oids}}}'::oid[]) OR t.oid > {after}"""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """A column whose largest value is not below its sequence's next one."""

    table: str
    column: str
    sequence: str
    largest: int
    next: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column} holds {self.largest}, and its sequence continues with {self.next}"


class Sequences:
    """The sequences of some tables, and of all tables with an oid above `after`, before a revision."""

    def __init__(self, connection: Any, oids: Sequence[str], after: int) -> None:
        self._connection = connection
        self._oids = oids
        self._after = after
        self._before = {(each.table, each.column) for each in self._behind()} if oids else set()

    def left_behind(self) -> tuple[Behind, ...]:
        """Return those that have fallen behind since."""
        return tuple(each for each in self._behind() if (each.table, each.column) not in self._before)

    def _behind(self) -> list[Behind]:
        counted = query(self._connection, _COUNTED.format(oids=",".join(self._oids), after=self._after))
        behind = (self._compare(table, column, sequence) for table, column, sequence in counted)
        return [each for each in behind if each]

    def _compare(self, table: str, column: str, sequence: str) -> Behind | None:
        ((largest, follows),) = query(
            self._connection,
            f"SELECT (SELECT max({column})::text FROM {table}), (SELECT last_value + is_called::int FROM {sequence})::text",
        )
        if largest is None or not largest.lstrip("-").isdigit() or int(largest) < int(follows):
            return None
        return Behind(table=table, column=column, sequence=sequence, largest=int(largest), next=int(follows))
