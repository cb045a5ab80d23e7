"""Sequences whose next value is already in their column after a revision, so the next INSERT fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slipway.gate.measure.session import query

# The sequences of identity columns and of columns with a nextval() default; ascending ones only.
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
class SequenceBehind:
    """A column that already has a value as large as the next value of its sequence, or larger."""

    table: str
    column: str
    sequence: str
    largest: int
    next: int

    def __str__(self) -> str:
        return f"{self.table}.{self.column} holds {self.largest}, and its sequence continues with {self.next}"


def sequences_behind(connection: Any, oids: Sequence[str], after: int) -> dict[tuple[str, str], SequenceBehind]:
    """Return the columns with such a sequence, by table and name: in the tables `oids`, and in all with an oid larger than `after`."""
    counted = query(connection, _COUNTED.format(oids=",".join(oids), after=after))
    values = (
        f"SELECT (SELECT max({column})::text FROM {table}), (SELECT last_value + is_called::int FROM {sequence})::text"
        for table, column, sequence in counted
    )
    behind = {}
    if counted:
        found = query(connection, " UNION ALL ".join(values))
        for (table, column, sequence), (largest, follows) in zip(counted, found, strict=True):
            if largest and largest.lstrip("-").isdigit() and int(largest) >= int(follows):
                behind[table, column] = SequenceBehind(
                    table=table, column=column, sequence=sequence, largest=int(largest), next=int(follows)
                )
    return behind
