"""What a statement did to tables that were there before it: locks, rewrites, index builds, scans.

Everything is asked on the connection that ran the statement, for uncommitted catalog rows and the counters of a transaction
(`pg_stat_get_xact_numscans`) are invisible elsewhere. An index build counts as a scan only without parallel workers, so new indexes are
looked for by oid, unless they took over the file of the one before them (TryReuseIndex, src/backend/commands/tablecmds.c), which is older than
they are; a table is rewritten when its `relfilenode` changes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from slipway.gate.measure.dbapi import prepare_once, query
from slipway.gate.measure.session import OUR_LOCK_TIMEOUT, OUR_STATEMENT_TIMEOUT
from slipway.gate.measure.system_catalogs import NEWEST_OID
from slipway.records.proof import Blocked

# Weakest first, as pg_locks spells them; https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
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
_SPOKEN = dict(
    zip(
        _MODES,
        (
            "ACCESS SHARE",
            "ROW SHARE",
            "ROW EXCLUSIVE",
            "SHARE UPDATE EXCLUSIVE",
            "SHARE",
            "SHARE ROW EXCLUSIVE",
            "EXCLUSIVE",
            "ACCESS EXCLUSIVE",
        ),
        strict=True,
    )
)
_BLOCKS_WRITERS = _MODES[4:]  # in conflict with ROW EXCLUSIVE
_BLOCKS_READERS = _MODES[7:]  # in conflict with ACCESS SHARE
BLOCKING = frozenset(_SPOKEN[mode] for mode in _BLOCKS_WRITERS)

# Whoever plans a query opens all indexes of its tables (get_relation_info, src/backend/optimizer/util/plancat.c), so an index that is locked
# against readers locks its table against them: that counts as a lock on the table.
_LOCKED = "slipway_locked"
# A transaction_timeout, from PostgreSQL 17 on, limits both.
_UNLIMITED = f"""concat_ws(' ',
               CASE WHEN current_setting('statement_timeout') IN ('0', '{OUR_STATEMENT_TIMEOUT}') THEN 'statement_timeout' END,
               CASE WHEN current_setting('idle_in_transaction_session_timeout') = '0'
                    AND coalesce(current_setting('transaction_timeout', true), '0') = '0' THEN 'idle_in_transaction_session_timeout' END)"""
_PREPARE_LOCKED = f"""
    PREPARE {_LOCKED}(int8) AS
    SELECT l.relation::text, l.modes, c.relfilenode::text, coalesce(pg_stat_get_xact_numscans(c.oid), 0)::text,
           (SELECT string_agg(x.oid::text, ',') FROM pg_index JOIN pg_class x ON x.oid = indexrelid
            WHERE indrelid = c.oid AND x.relfilenode >= x.oid), c.relkind, current_setting('lock_timeout'), {_UNLIMITED}
    FROM (SELECT coalesce(indrelid, relation) AS relation, string_agg(mode, ',') AS modes
          FROM pg_locks LEFT JOIN pg_index ON indexrelid = relation AND mode = 'AccessExclusiveLock'
          WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384 AND relation::int8 <= $1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY 1) l
    LEFT JOIN pg_class c ON c.oid = l.relation
    WHERE c.relkind IN ('r', 'p', 'm', 'v') OR c.relkind IS NULL
"""
_SCANNED = "slipway_scanned"
_PREPARE_SCANNED = f"""
    PREPARE {_SCANNED} AS
    SELECT oid::text, pg_stat_get_xact_numscans(oid)::text FROM pg_class
    WHERE oid >= 16384 AND relkind IN ('r', 'p', 'm') AND pg_stat_get_xact_numscans(oid) > 0
"""
_FILES = "SELECT oid::text, relfilenode::text FROM pg_class WHERE relkind IN ('r', 'm') AND oid BETWEEN 16384 AND {newest_oid}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or view on which we hold the locks `modes`; `filenode` and `indexes` are oids, `scans` counts how often it was read whole.

    - kind: as pg_class says it; "m", a materialized view, has no writers, and "p", a partitioned table, no rows.
    """

    modes: frozenset[str] = frozenset()
    filenode: int = 0
    scans: int = 0
    indexes: frozenset[int] = frozenset()
    kind: str = "r"


Tables = Mapping[str, Table]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one statement did to tables that existed before, by oid; the words of `records.Statement`."""

    locks: Mapping[str, str] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    blocks: Mapping[str, Blocked] = field(default_factory=dict)
    lock_timeout: str = ""
    unlimited: tuple[str, ...] = ()

    def named(self, name_of: Callable[[str], str | None]) -> "Effect":
        """The same by name; a dropped index is locked too, and what it was can no longer be asked: it has no name."""
        return replace(
            self,
            locks={name: mode for oid, mode in self.locks.items() if (name := name_of(oid))},
            rewrites=tuple(filter(None, map(name_of, self.rewrites))),
            builds=tuple(filter(None, map(name_of, self.builds))),
            scans=tuple(filter(None, map(name_of, self.scans))),
            blocks={name: blocked for oid, blocked in self.blocks.items() if (name := name_of(oid))},
        )


def prepare(connection: Any) -> None:
    """Make a session ready for the two questions below."""
    prepare_once(connection, _LOCKED, _PREPARE_LOCKED)
    prepare_once(connection, _SCANNED, _PREPARE_SCANNED)


def files(connection: Any, newest_oid: int) -> dict[str, int]:
    """Where each table keeps its rows now, by oid; of those up to `newest_oid`."""
    return {oid: int(file) for oid, file in query(connection, _FILES.format(newest_oid=newest_oid))}


def rewritten(before: Mapping[str, int], after: Mapping[str, int]) -> Effect:
    """The effect of a statement that could not be watched but has moved rows to new files: Postgres does that under ACCESS EXCLUSIVE only."""
    moved = tuple(oid for oid, file in after.items() if before.get(oid, file) != file)
    return Effect(
        locks=dict.fromkeys(moved, _SPOKEN[_MODES[-1]]),
        rewrites=moved,
        scans=moved,
        blocks=dict.fromkeys(moved, Blocked(read=True, write=True)),
    )


class Transaction:
    """What a transaction has locked and read so far, from its first statement on."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._locked: Tables = {}
        # They need not begin at zero: counters are kept until they are reported, which may be a second after a commit.
        self._scans = {oid: int(scans) for oid, scans in query(connection, f"EXECUTE {_SCANNED}")}
        # What an earlier transaction of the same revision built or moved is none of this one's doing.
        ((self._newest,),) = query(connection, f"SELECT {NEWEST_OID}")

    def look(self, newest_oid: int) -> Effect:
        """What was done since the last look; what came after `newest_oid` is new."""
        before, (after, lock_timeout, unlimited) = self._locked, _locked_tables(self._connection, newest_oid)
        known = {oid: before.get(oid) or Table(scans=self._scans.get(oid, 0)) for oid in after}
        self._scans.update((oid, table.scans) for oid, table in after.items())
        self._locked = after
        done = effect(known, after, max(newest_oid, int(self._newest)))
        return replace(done, lock_timeout=lock_timeout, unlimited=unlimited)


def _locked_tables(connection: Any, newest_oid: int) -> tuple[Tables, str, tuple[str, ...]]:
    """The tables and views up to `newest_oid` on which this connection holds a lock now, how long it would have waited for one, what has no limit."""
    rows = query(connection, f"EXECUTE {_LOCKED}({newest_oid})")
    told, unlimited = rows[0][-2:] if rows else (OUR_LOCK_TIMEOUT, "")
    tables = {
        oid: Table(
            modes=frozenset(modes.split(",")),
            filenode=int(filenode or 0),
            scans=int(scans),
            indexes=frozenset(map(int, indexes.split(",") if indexes else ())),
            kind=kind or "r",
        )
        for oid, modes, filenode, scans, indexes, kind, *_ in rows
    }
    return tables, "" if told in (OUR_LOCK_TIMEOUT, "0") else told, tuple(unlimited.split())


def effect(before: Tables, after: Tables, newest_oid: int) -> Effect:
    """What a statement did, where `before` are the tables that were looked at before it, and files and indexes up to `newest_oid` are old."""
    seen = [(oid, before.get(oid, Table()), now) for oid, now in after.items()]
    taken = {oid: _strongest(now.modes - was.modes) for oid, was, now in seen}
    return Effect(
        locks={oid: _SPOKEN[mode] for oid, mode in taken.items() if mode and mode != "AccessShareLock"},
        rewrites=tuple(oid for oid, was, now in seen if now.filenode > max(was.filenode, newest_oid)),
        builds=tuple(oid for oid, was, now in seen if now.kind != "p" and _is_indexed(was, now, newest_oid)),
        scans=tuple(oid for oid, was, now in seen if now.scans > was.scans),
        blocks={oid: blocked for oid, _, now in seen if (blocked := _blocked(now)).write},
    )


def _is_indexed(was: Table, now: Table, newest_oid: int) -> bool:
    return any(index > newest_oid for index in now.indexes - was.indexes)


def _strongest(modes: frozenset[str]) -> str | None:
    return max(modes.intersection(_MODES), key=_MODES.index, default=None)


def _blocked(table: Table) -> Blocked:
    read, write = (bool(table.modes.intersection(modes)) for modes in (_BLOCKS_READERS, _BLOCKS_WRITERS))
    return Blocked(read, write and (read or table.kind != "m"))
