"""The catalog of a database as lines of text.

It is read incrementally, so a step's cost depends on its changes instead of the schema's size.
A statement locks the object that it changes, and the row that it writes has its transaction's id in `xmin`. So within a
transaction only locked or new objects are read again. A commit releases the locks. After it, all new rows are read, and
the keys of all others, to notice drops. The name of an object appears in the definitions of others, so a rename causes
one full read. Objects of extensions are ignored, and so is the order of columns, which Postgres cannot restore.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, Final

from slipway.gate.measure.role import MAIN_USER, OWNER
from slipway.gate.measure.session import has_granted, plan_once, prepare_once, query
from slipway.gate.measure.system_catalogs import (
    FIRST_USER_OID,
    NEWEST_OID,
    RELATIONS,
    SYSTEM_CATALOGS,
    SystemCatalog,
    is_young,
)

_NAMED = ("table", "partitioned table", "materialized view", "view")
_BEGINNING = "1"  # the bootstrap transaction, which is older than everything
_DATABASE = "(SELECT oid FROM pg_database WHERE datname = current_database())"
_MEMBERS = "SELECT objid::text FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass"

# Changes that neither lock the owner nor rewrite its row: comments on a table's constraints, triggers and policies;
# constraints of a domain; names of statistics; grants on the schema public, which existed before the user's objects.
_UNTOLD = f"""concat((SELECT sum(hashtext(concat(objoid, description))) FROM pg_description WHERE objoid >= {FIRST_USER_OID}
               AND classoid IN ('pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass)), ' ',
              (SELECT sum(hashtext(concat(oid, conname, convalidated))) FROM pg_constraint WHERE contypid >= {FIRST_USER_OID}), ' ',
              (SELECT sum(hashtext(concat(stxname, stxnamespace))) FROM pg_statistic_ext), ' ',
              (SELECT concat(nspowner, nspacl) FROM pg_namespace WHERE nspname = 'public'))"""
# The rare catalogs are read only when one has rows of the user: planning and starting the whole query takes a third
# longer than one without them.
_RARE = f"({' OR '.join(f'EXISTS (SELECT FROM {each.name} r WHERE {each.where})' for each in SYSTEM_CATALOGS if each.rare)})::text"
# Later writes of this transaction have its own xid, which is lower than the snapshot's when another session has
# committed meanwhile.
_BOUNDARY = "coalesce(pg_current_xact_id_if_assigned(), pg_snapshot_xmax(pg_current_snapshot()))::text"
_STATE = f"SELECT 'state', now()::text, {_BOUNDARY}, {NEWEST_OID}, concat({_RARE}, ' ', {_UNTOLD})"

_LOCKED = f"""
    SELECT coalesce(relation, objid) AS oid FROM pg_locks
    WHERE pid = pg_backend_pid() AND granted AND locktype IN ('relation', 'object') AND coalesce(relation, objid) >= {FIRST_USER_OID}
    AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock') AND database = {_DATABASE}
"""
_YOUNG = {
    name: f"SELECT oid FROM {name} r WHERE {condition} AND {is_young('r', '$1')}"
    for name, condition in {
        **dict.fromkeys(("pg_class", "pg_type", "pg_proc", "pg_extension"), f"oid >= {FIRST_USER_OID}"),
        "pg_namespace": f"(oid >= {FIRST_USER_OID} OR nspname = 'public')",
    }.items()
}
_EVERY_RELATION = f"SELECT oid FROM pg_class WHERE oid >= {FIRST_USER_OID} AND $1 = '{_BEGINNING}'"
# All other comments belong to one of these objects, or to a part of one.
_COMMENTED = f"SELECT objoid FROM pg_description WHERE objoid >= {FIRST_USER_OID} AND $1 = '{_BEGINNING}'"
# A grant on a column rewrites the column's row without a lock. There are many columns, so they are read only when one
# was rewritten and a grant is possible.
_REWRITTEN_COLUMNS = f"""
    SELECT attrelid FROM pg_attribute r WHERE attrelid >= {FIRST_USER_OID} AND {is_young("r", "$1")}
    AND (SELECT pg_stat_get_xact_tuples_updated('pg_attribute'::regclass)) > 0
"""
# Members of extensions are counted, because Postgres plans EXISTS as a scan of pg_depend in each step.
_IS_OWN = """WHERE 0 = (SELECT count(*) FROM pg_depend WHERE objid = held.oid AND deptype = 'e'
                  AND classid = ANY (ARRAY['pg_class', 'pg_type', 'pg_proc', 'pg_namespace']::regclass[]))"""


def _question(held: Iterable[str], own: str, catalogs: Iterable[SystemCatalog]) -> str:
    """Return the query for the lines of changed objects.

    - held: queries for their oids.
    - own: the condition that leaves members of extensions out.
    """
    touched = f"""
    WITH held AS MATERIALIZED ({" UNION ".join(held)}),
        touched AS MATERIALIZED (
            SELECT oid FROM held {own}
            UNION SELECT indrelid FROM pg_index WHERE indexrelid = ANY (ARRAY(SELECT oid FROM held))),
        relations AS MATERIALIZED ({RELATIONS} AND c.oid = ANY (ARRAY(SELECT oid FROM touched)))
    {_STATE}, (SELECT string_agg(oid::text, ' ') FROM touched)"""
    return " UNION ALL ".join([touched, *(each.of("ARRAY(SELECT oid FROM touched)") for each in catalogs)])


_ALL_YOUNG = f"WITH relations AS MATERIALIZED ({RELATIONS}) {_STATE}, NULL"
_TOUCHED_ONES, _USUAL_ONES, _YOUNG_ONES = "slipway_touched", "slipway_usual", "slipway_young"
# Usually there are no functions and no extensions with members, and without a grant all changed relations are locked.
_QUESTIONS = {
    _TOUCHED_ONES: _question((_LOCKED, *_YOUNG.values(), _REWRITTEN_COLUMNS, _COMMENTED), _IS_OWN, SYSTEM_CATALOGS),
    _USUAL_ONES: _question(
        (_LOCKED, _EVERY_RELATION, _YOUNG["pg_type"], _YOUNG["pg_namespace"], _COMMENTED),
        "",
        (each for each in SYSTEM_CATALOGS if not each.rare),
    ),
    _YOUNG_ONES: " UNION ALL ".join([_ALL_YOUNG, *(each.young("$1") for each in SYSTEM_CATALOGS)]),
}
_LARGE = 500  # rows
_FIRST = f"SELECT {_RARE} = 'true', (SELECT count(*) FROM pg_attribute WHERE attrelid >= {FIRST_USER_OID} AND attnum > 0) > {_LARGE}"
_KEYS = " UNION ALL ".join(catalog.keys() for catalog in SYSTEM_CATALOGS)

Key = tuple[str, str]
# The reader of a report does not know the gate's role for the revisions.
_OUR_ROLE: Final = re.compile(rf"\b(?:{MAIN_USER}|{OWNER})\b")
_OWNED_BY_OUR_ROLE: Final = re.compile(rf" ?\| owner {_OUR_ROLE.pattern}\Z")
_LABEL: Final = re.compile(r"'(?:[^']|'')*'")
_SHOWN: Final = 500  # characters of a line in a sentence
Row = Sequence[Any]  # catalog, key, owner, kind, name, definition


@dataclass(frozen=True, order=True)
class Line:
    """One fact in a catalog, such as `column`, `public.notes.title`, `text not null`."""

    kind: str
    name: str
    definition: str

    def __str__(self) -> str:
        definition = _OUR_ROLE.sub("CURRENT_USER", _OWNED_BY_OUR_ROLE.sub("", self.definition))
        return shorten(f"{self.kind} {self.name} {definition}", _SHOWN, placeholder=" …")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of an enum, quoted."""
        return tuple(_LABEL.findall(self.definition)) if self.kind == "enum" else ()

    def number(self) -> int:
        """A hash of the line as a number. The sum over all lines does not depend on their order."""
        text = f"{self.kind}\0{self.name}\0{self.definition}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def fingerprint(total: int) -> str:
    """Return the fingerprint for the sum of a catalog's line numbers."""
    return f"{total % 2**128:032x}"


@dataclass(frozen=True)
class Change:
    """The lines that a step added to and removed from a catalog."""

    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    @classmethod
    def between(cls, before: Iterable[Line], after: Iterable[Line]) -> "Change":
        """Return the difference between two multisets of lines."""
        had, has = Counter(before), Counter(after)
        return cls(tuple(sorted((has - had).elements())), tuple(sorted((had - has).elements())))

    def then(self, later: "Change") -> "Change":
        """Combine two successive changes. Lines that the second one undoes are left out."""
        return Change.between([*self.removed, *later.removed], [*self.added, *later.added])

    @property
    def inverse(self) -> "Change":
        """The change that undoes this one."""
        return Change(self.removed, self.added)

    @property
    def number(self) -> int:
        """The change of the sum over all lines."""
        return sum(line.number() for line in self.added) - sum(line.number() for line in self.removed)


@dataclass(frozen=True)
class _State:
    """The state of the session at a read."""

    transaction: str = ""
    boundary: str = _BEGINNING
    newest_oid: int = 0
    untold: str = ""


class Catalog:
    """The catalog of a DBAPI connection's database at the last read, with the changes of the current transaction.

    With `noted`, the caller passes every statement of the session to `note_change`.
    """

    def __init__(self, connection: Any, *, noted: bool = False) -> None:
        self._connection = connection
        self._noted = noted
        self._state = _State()
        self._transaction = ""
        self._lines: dict[Key, Line] = {}
        self._owned: dict[str, set[Key]] = {}
        self._sum = 0
        ((self._has_rare, self._is_large),) = query(connection, _FIRST)
        self._read_young(_BEGINNING)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self._sum)

    @property
    def lines(self) -> Iterable[Line]:
        return self._lines.values()

    @property
    def has_functions(self) -> bool:
        """Whether there are functions of the user, which a trigger may call."""
        return any(catalog == "pg_proc" for catalog, _ in self._lines)

    @property
    def newest_oid(self) -> int:
        """The largest oid at the last read. Newer objects have larger ones."""
        return self._state.newest_oid

    def name_of(self, oid: str) -> str | None:
        """Return the qualified name of a table or view; None for other relations, and for temporary and TOAST tables."""
        line = self._lines.get(("pg_class", oid))
        return line.name if line and line.kind in _NAMED else None

    def begin(self) -> None:
        """Record the start of a transaction that has no changes yet."""
        ((self._transaction,),) = query(self._connection, "SELECT now()::text")

    def read(self, *, by_others: bool = False) -> Change:
        """Return the changes since the last read; with `by_others`, also those of other sessions, which do not hold our locks."""
        if by_others:
            return self._read_young(_BEGINNING)[0]
        before = self._state
        change, renamed = self._read_touched(before.boundary)
        if self._state.transaction != self._transaction or self._state.untold != before.untold:
            also, renamed_too = self._read_young(before.boundary)
            change, renamed = change.then(also), renamed or renamed_too
        if renamed:
            change = change.then(self._read_young(_BEGINNING)[0])
        return change

    def _read_touched(self, boundary: str) -> tuple[Change, bool]:
        rows, touched = self._ask(self._touched, boundary)
        known = {key for owner in touched for key in self._owned.get(owner, ())}
        return self._learn(rows, known.difference((catalog, key) for catalog, key, *_ in rows))

    def _read_young(self, boundary: str) -> tuple[Change, bool]:
        # At the beginning, both queries return everything. In a small catalog, planning a second query takes longer
        # than executing the first.
        touched = boundary == _BEGINNING and self._noted and not self._is_large
        rows, _ = self._ask(self._touched if touched else _YOUNG_ONES, boundary)
        present = set(map(tuple, query(self._connection, _KEYS))) if self._lines else set()
        members = {oid for (oid,) in query(self._connection, _MEMBERS)}
        return self._learn([row for row in rows if row[2] not in members], self._lines.keys() - present)

    @property
    def _touched(self) -> str:
        """Return the query for changed objects.

        A function, which is a rare object, may contain a grant.
        """
        ungranted = not self._lines or (self._noted and not has_granted(self._connection))
        return _USUAL_ONES if ungranted and not self._has_rare else _TOUCHED_ONES

    def _ask(self, question: str, boundary: str) -> tuple[Sequence[Row], Sequence[str]]:
        """Return the rows of a query, and the owners that it covered."""
        preparation = f"PREPARE {question}(xid) AS {_QUESTIONS[question]}"
        if self._noted:  # with `noted`, the catalog is read often
            plan_once(self._connection, question, preparation, f"'{boundary}'")
        prepare_once(self._connection, question, preparation)
        (_, transaction, now, newest_oid, untold, touched), *rows = query(
            self._connection, f"EXECUTE {question}('{boundary}')"
        )
        self._has_rare = untold.startswith("true")
        if self._has_rare and question == _USUAL_ONES:  # this step has created the first rare object
            return self._ask(_TOUCHED_ONES, boundary)
        self._state = _State(transaction, str(int(now) % 2**32), int(newest_oid), untold)
        return rows, touched.split() if touched else ()

    def _learn(self, rows: Iterable[Row], gone: Iterable[Key]) -> tuple[Change, bool]:
        """Apply rows that were read. Return the change, and whether an object has a new name."""
        removed = [line for key in gone if (line := self._lines.pop(key, None))]
        added: list[Line] = []
        renamed = False
        for catalog, key, owner, kind, name, definition in rows:
            before = self._lines.pop((catalog, key), None)
            line = None if definition is None else Line(kind, name, definition)
            if line:
                self._lines[catalog, key] = line
                self._owned.setdefault(owner, set()).add((catalog, key))
            if line != before:
                removed += [before] if before else []
                added += [line] if line else []
                renamed |= before is not None and line is not None and before.name != name
        change = Change.between(removed, added)
        self._sum += change.number
        self._is_large = len(self._lines) > _LARGE
        return change, renamed
