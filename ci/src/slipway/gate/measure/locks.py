"""The effects of a statement on tables that existed before it: locks, rewrites, index builds, scans.

All queries run on the statement's connection, because uncommitted catalog rows and the counters of a transaction
(`pg_stat_get_xact_numscans`) are invisible to others. An index build counts as a scan only without parallel workers, so
new indexes are found by oid, except those that reuse their predecessor's file (TryReuseIndex,
src/backend/commands/tablecmds.c). A table was rewritten when its `relfilenode` has changed.
An UPDATE or DELETE by an index that is not unique counts as a scan, too: on empty tables the planner always uses the
index, and any number of rows may have the value. In a block or function, such a statement is found by its lock.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.gate.measure.session import OUR_LOCK_TIMEOUT, OUR_STATEMENT_TIMEOUT, plan_once, prepare_once, query
from slipway.gate.measure.system_catalogs import NEWEST_OID
from slipway.records.proof import Blocked

# From the weakest to the strongest, with the names in pg_locks;
# https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
_MODES = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
# The names in the documentation, such as ACCESS SHARE.
_SPOKEN = {mode: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper() for mode in _MODES}
_BLOCKS_WRITERS = _MODES[4:]  # these modes conflict with ROW EXCLUSIVE
_BLOCKS_READERS = _MODES[7:]  # these modes conflict with ACCESS SHARE
WRITES_ROWS = re.compile(r"\A\s*(WITH\b.*\b)?(UPDATE|DELETE FROM|MERGE)\b", re.IGNORECASE)
ADDS_ROWS = re.compile(r"\A\s*(WITH\b.*\b)?(INSERT|COPY)\b", re.IGNORECASE)
_ROWS_WRITTEN = _MODES[2]  # ROW EXCLUSIVE
BLOCKING = frozenset(_SPOKEN[mode] for mode in _BLOCKS_WRITERS)

# The planner opens all indexes of a query's tables (get_relation_info, src/backend/optimizer/util/plancat.c). An index
# that is locked against readers therefore blocks every query of its table, and counts as a lock on the table.
_LOCKED = "slipway_locked"
# Since PostgreSQL 17, a transaction_timeout limits both.
_UNLIMITED = f"""concat_ws(' ',
               CASE WHEN current_setting('statement_timeout') IN ('0', '{OUR_STATEMENT_TIMEOUT}') THEN 'statement_timeout' END,
               CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0'
                    AND coalesce(current_setting('transaction_timeout', true), '0') = '0' THEN 'idle_in_transaction_session_timeout' END)"""
_PREPARE_LOCKED = f"""
    PREPARE {_LOCKED}(int8) AS
    SELECT l.relation::text, l.modes, c.relfilenode::text, coalesce(pg_stat_get_xact_numscans(c.oid), 0)::text,
           (SELECT sum(pg_stat_get_xact_numscans(indexrelid)) FROM pg_index WHERE indrelid = c.oid AND NOT indisunique)::text,
           (SELECT string_agg(x.oid::text, ',') FROM pg_index JOIN pg_class x ON x.oid = indexrelid
            WHERE indrelid = c.oid AND x.relfilenode >= x.oid), c.relkind, now()::text, current_setting('lock_timeout'), {_UNLIMITED}
    FROM (SELECT coalesce(indrelid, relation) AS relation, string_agg(mode, ',') AS modes
          FROM pg_locks LEFT JOIN pg_index ON indexrelid = relation AND mode = 'AccessExclusiveLock'
          WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384 AND relation::int8 <= $1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY 1) l
    LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE c.relkind IN ('r', 'p', 'm', 'v') OR c.relkind IS NULL
"""
_SCANNED = "slipway_scanned"
# The first row has the newest oid and the begin of the transaction.
_PREPARE_SCANNED = f"""
    PREPARE {_SCANNED} AS
    SELECT {NEWEST_OID}, now()::text, NULL
    UNION ALL (
    SELECT coalesce(indrelid, oid)::text, sum(scans) FILTER (WHERE indrelid IS NULL)::text, sum(scans) FILTER (WHERE NOT indisunique)::text
    FROM (SELECT oid, pg_stat_get_xact_numscans(oid) AS scans FROM pg_class
          WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm', 'i') AND pg_stat_get_xact_numscans(oid) > 0 OFFSET 0) c
    LEFT JOIN pg_index ON indexrelid = oid GROUP BY 1)
"""
_FILES = "SELECT oid::text, relfilenode::text FROM pg_class WHERE relkind IN ('r', 'm') AND oid BETWEEN 16384 AND {newest_oid}"
_MOVED = "slipway_moved"
_PREPARE_MOVED = f"""
    PREPARE {_MOVED}(oid) AS
    SELECT oid::text, '' FROM pg_class WHERE relkind IN ('r', 'm') AND oid BETWEEN 16384 AND $1 AND relfilenode > $1
    UNION ALL SELECT indrelid::text, x.relname FROM pg_index JOIN pg_class x ON x.oid = indexrelid JOIN pg_class t ON t.oid = indrelid
    WHERE indexrelid > $1 AND indrelid BETWEEN 16384 AND $1 AND t.relkind IN ('r', 'm') AND x.relfilenode >= x.oid
"""


# A session whose statement has failed still holds its locks. It does not count as another session.
_HELD = """
SELECT DISTINCT l.mode, CASE l.locktype WHEN 'relation' THEN format('%I.%I', n.nspname, c.relname) END
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.granted AND a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.state <> 'idle in transaction (aborted)'
AND (l.locktype = 'advisory' OR (l.locktype = 'relation' AND l.relation >= 16384 AND l.mode <> 'AccessShareLock')) ORDER BY 1, 2 LIMIT 3"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view that the session has locked."""

    modes: frozenset[str] = frozenset()  # the modes of the locks
    filenode: int = 0  # oid
    scans: int = 0  # the number of sequential scans
    ranges: int = 0  # the number of scans of its non-unique indexes
    indexes: frozenset[int] = frozenset()  # oids
    # pg_class.relkind; a materialized view ("m") has no writers, a partitioned table ("p") no rows of its own
    kind: str = "r"


Tables = Mapping[str, Table]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effects of one statement on existing tables, by oid. `records.Statement` explains the fields."""

    locks: Mapping[str, str] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    blocks: Mapping[str, Blocked] = field(default_factory=dict)
    lock_timeout: str = ""
    unlimited: tuple[str, ...] = ()

    def named(self, name_of: Callable[[str], str | None]) -> "Effect":
        """Return the effects by name. Relations without a name, such as a dropped index, are left out."""
        return replace(
            self,
            locks={name: mode for oid, mode in self.locks.items() if (name := name_of(oid))},
            rewrites=tuple(filter(None, map(name_of, self.rewrites))),
            builds=tuple(filter(None, map(name_of, self.builds))),
            scans=tuple(filter(None, map(name_of, self.scans))),
            blocks={name: blocked for oid, blocked in self.blocks.items() if (name := name_of(oid))},
        )


def prepare(connection: Any) -> None:
    """Prepare the queries for `Transaction` in a session."""
    plan_once(connection, _LOCKED, _PREPARE_LOCKED, "0")
    prepare_once(connection, _SCANNED, _PREPARE_SCANNED)


def files(connection: Any, newest_oid: int) -> dict[str, int]:
    """Return the relfilenode of each table with an oid up to `newest_oid`, by oid."""
    return {oid: int(file) for oid, file in query(connection, _FILES.format(newest_oid=newest_oid))}


def lock_timeout_of(connection: Any) -> str:
    """Return the lock_timeout of a session; empty without one."""
    return _own(query(connection, "SELECT current_setting('lock_timeout')")[0][0])


def rewritten(before: Mapping[str, int], after: Mapping[str, int]) -> Effect:
    """Derive the effect of an unmeasured statement from changed files.

    Postgres changes them only under ACCESS EXCLUSIVE.
    """
    moved = tuple(oid for oid, file in after.items() if before.get(oid, file) != file)
    return Effect(
        locks=dict.fromkeys(moved, _SPOKEN[_MODES[-1]]),
        rewrites=moved,
        scans=moved,
        blocks=dict.fromkeys(moved, Blocked(read=True, write=True)),
    )


@dataclass(frozen=True)
class Moved:
    """A table, by oid, that was rewritten or got a new index. `index` is the index's name; empty for a rewrite."""

    table: str
    index: str

    @property
    def effect(self) -> Effect:
        """The effect of the statement that must have caused this."""
        if not self.index:
            return rewritten({self.table: 0}, {self.table: 1})
        return Effect(
            locks={self.table: _SPOKEN["ShareLock"]},
            builds=(self.table,),
            blocks={self.table: Blocked(read=False, write=True)},
        )


def moved(connection: Any, newest_oid: int) -> tuple[Moved, ...]:
    """Return the tables with an oid up to `newest_oid` that have a newer file or index."""
    prepare_once(connection, _MOVED, _PREPARE_MOVED)
    return tuple(Moved(table, index) for table, index in query(connection, f"EXECUTE {_MOVED}({newest_oid})"))


def held_by_others(connection: Any) -> list[tuple[str, str | None]]:
    """Return the locks of other sessions in the database, as mode and table; None for an advisory lock."""
    return [(_SPOKEN[mode], table) for mode, table in query(connection, _HELD)]


class Transaction:
    """The locks and scans of a transaction since its first statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._locked: Tables = {}
        # Counters may start above zero, because Postgres reports and resets them up to a second after a commit.
        (newest, began, _), *counted = query(connection, f"EXECUTE {_SCANNED}")
        self._counted = {oid: Table(scans=int(scans or 0), ranges=int(ranges or 0)) for oid, scans, ranges in counted}
        self._newest, self._began = newest, began  # earlier transactions made or rewrote the objects up to this one

    def look(self, newest_oid: int, sql: str = "") -> Effect:
        """Return the effects of a statement since the last call. Relations with an oid above `newest_oid` are new."""
        after, began, lock_timeout, unlimited = _locked_tables(self._connection, newest_oid)
        before = self._locked if began in ("", self._began) else {}  # the driver's connection has committed
        self._began = began or self._began
        known = {oid: before.get(oid) or self._counted.get(oid, Table()) for oid in after}
        self._counted.update((oid, Table(scans=each.scans, ranges=each.ranges)) for oid, each in after.items())
        self._locked = after
        done = effect(known, after, max(newest_oid, int(self._newest)), sql)
        return replace(done, lock_timeout=lock_timeout, unlimited=unlimited)


def _locked_tables(connection: Any, newest_oid: int) -> tuple[Tables, str, str, tuple[str, ...]]:
    """Return the locked tables and views, the begin of the transaction, the lock_timeout, and the timeouts that are off."""
    rows = query(connection, f"EXECUTE {_LOCKED}({newest_oid})")
    began, lock_timeout, unlimited = rows[0][-3:] if rows else ("", OUR_LOCK_TIMEOUT, "")
    tables = {
        oid: Table(
            modes=frozenset(modes.split(",")),
            filenode=int(filenode or 0),
            scans=int(scans),
            ranges=int(ranges or 0),
            indexes=frozenset(map(int, indexes.split(",") if indexes else ())),
            kind=kind or "r",
        )
        for oid, modes, filenode, scans, ranges, indexes, kind, *_ in rows
    }
    return tables, began, _own(lock_timeout), tuple(unlimited.split())


def _own(lock_timeout: str) -> str:
    """Return a lock_timeout that env.py or the revision has set; empty for our own value and for none."""
    return "" if lock_timeout in (OUR_LOCK_TIMEOUT, "0") else lock_timeout


def effect(before: Tables, after: Tables, newest_oid: int, sql: str = "") -> Effect:
    """Compare the locked tables before and after a statement. Files and indexes up to `newest_oid` are old."""
    writes, adds = WRITES_ROWS.match(sql), ADDS_ROWS.match(sql)
    seen = [(oid, before.get(oid, Table()), now) for oid, now in after.items()]
    taken = {oid: _strongest(now.modes - was.modes) for oid, was, now in seen}
    return Effect(
        locks={oid: _SPOKEN[mode] for oid, mode in taken.items() if mode and mode != "AccessShareLock"},
        rewrites=tuple(oid for oid, was, now in seen if now.filenode > max(was.filenode, newest_oid)),
        builds=tuple(oid for oid, was, now in seen if now.kind != "p" and _is_indexed(was, now, newest_oid)),
        scans=tuple(
            oid
            for oid, was, now in seen
            if now.scans > was.scans
            or (now.ranges > was.ranges and (writes or (not adds and _ROWS_WRITTEN in now.modes - was.modes)))
        ),
        blocks={oid: blocked for oid, _, now in seen if (blocked := _blocked(now)).write},
    )


def _is_indexed(was: Table, now: Table, newest_oid: int) -> bool:
    return any(index > newest_oid for index in now.indexes - was.indexes)


def _strongest(modes: frozenset[str]) -> str | None:
    return max(modes.intersection(_MODES), key=_MODES.index, default=None)


def _blocked(table: Table) -> Blocked:
    read, write = (bool(table.modes.intersection(modes)) for modes in (_BLOCKS_READERS, _BLOCKS_WRITERS))
    return Blocked(read, write and (read or table.kind != "m"))
