"""Proof: what was executed against an ephemeral Postgres for a history of migrations, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final

UNCOMPARED: Final = "models were not compared"  # how a gap begins that leaves drift unknown


class Level(Enum):
    """How much a finding weighs: an error fails the gate."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Implication(Enum):
    """What a finding implies for its revision; certificates are derived from it."""

    BLOCKING = "blocking"  # works through rows while other sessions are locked out
    DESTRUCTIVE = "destructive"  # data is lost
    INCOMPATIBLE = "incompatible"  # breaks the previous release
    IRREVERSIBLE = "irreversible"  # the downgrade does not restore schema or rows
    NOT_RERUNNABLE = "not rerunnable"  # cannot be resumed after an interruption


class Verdict(Enum):
    """The gate's answer."""

    PASS = "pass"  # noqa: S105 -- no password
    FAIL = "fail"


@dataclass(frozen=True)
class Blocked:
    """Who had to wait for a relation while a statement ran."""

    read: bool
    write: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a revision, as it was executed.

    - line: in the revision's file; None when the statement did not come from there.
    - transaction: False when it ran by itself (autocommit), where locks last as long as the statement.
    - locks: the strongest mode newly taken, by table or view that existed before the revision ("ACCESS EXCLUSIVE"); an index that
      readers must wait for counts as its table.
    - rewrites, builds, scans: tables that existed before, whose rows were rewritten, indexed or read whole.
    - blocks: who had to wait, by table, over all locks held while it ran.
    - measured: False when Postgres refuses to run it where it could have been watched.
    - ms: wall time on the ephemeral database, that is on no rows.
    - lock_timeout: how long it would have waited for a lock ("2s"); empty when for ever, or when it needed none.
    - unlimited: those of statement_timeout and idle_in_transaction_session_timeout that were off while it held locks.
    """

    sql: str
    line: int | None
    transaction: bool
    locks: Mapping[str, str]
    rewrites: tuple[str, ...]
    builds: tuple[str, ...]
    scans: tuple[str, ...]
    blocks: Mapping[str, Blocked]
    measured: bool
    ms: float
    lock_timeout: str = ""
    unlimited: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Who waited while a revision waited for a transaction that was still open.

    - behind: the table that this transaction had written to, the last of those that the revision locks.
    - readers, writers: the tables whose readers or writers waited. said: what the previous release says and what waited, by where it comes from.
    - deadlock: the table at which Postgres had to stop one of the two when the transaction went on; empty when it had not.
    """

    behind: str
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    said: tuple[str, ...] = ()
    deadlock: str = ""

    @property
    def words(self) -> str:
        """`while it waited for a transaction that had written to public.b, readers and writers of public.a, public.b waited behind it`."""
        only = tuple(table for table in self.writers if table not in self.readers)
        who = [
            *([f"readers and writers of {', '.join(self.readers)}"] if self.readers else []),
            *([f"writers of {', '.join(only)}"] if only else []),
            *([f"{len(self.said)} statements of the previous release"] if self.said else []),
        ]
        waited = f"{' and '.join(who)} waited behind it" if who else "nobody waited behind it"
        return f"while it waited for a transaction that had written to {self.behind}, {waited}"


@dataclass(frozen=True)
class Growth:
    """How the time of the statements on one line grew with the rows of `tables`: `ms` wall time at as many `rows` in each, on the machine of the proof."""

    line: int
    tables: tuple[str, ...]
    rows: tuple[int, ...]
    ms: tuple[float, ...]

    @property
    def per_million(self) -> float:
        """Milliseconds that a million rows more would take."""
        return max(0.0, (self.ms[-1] - self.ms[0]) / (self.rows[-1] - self.rows[0]) * 1_000_000)

    @property
    def words(self) -> str:
        """`0.4 ms on 1,000 rows, 9.1 ms on 20,000 rows: about 0.5 s for each million`."""
        measured = ", ".join(f"{ms:.1f} ms on {rows:,} rows" for rows, ms in zip(self.rows, self.ms, strict=True))
        if not self.per_million:
            return f"{measured}: no growth"
        return f"{measured}: about {self.per_million / 1000:.1f} s for each million"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision and what its steps left in the catalog.

    - down: the revisions it follows. file: relative to the service's folder.
    - new: whether its findings are news (after `start-after` or `--since`).
    - fingerprints: of the catalog, after "up", "down" and "again"; absent for a step that did not run.
    - rows: how many each table held that it touched, when it was run on rows.
    - interruptions: how often it was stopped on its way and run again; a revision that is one transaction need not be.
    - encounters: how often a second runner met it on its way. queue: who waited behind it. growth: how its time grows with rows, by line.
    """

    id: str
    down: tuple[str, ...]
    file: str
    new: bool
    statements: tuple[Statement, ...]
    fingerprints: Mapping[str, str]
    rows: Mapping[str, int] = field(default_factory=dict)
    interruptions: int = 0
    encounters: int = 0
    queue: Queue | None = None
    growth: tuple[Growth, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to mend or to know.

    - message: what is wrong, in a sentence. measured: the fact it rests on. remedy: the safe form, as Python code or in prose.
    - implies: its meaning for a certificate, also when it is suppressed. suppressed: why it does not count, or None.
    """

    rule: str
    level: Level
    message: str
    revision: str | None = None
    file: str | None = None
    line: int | None = None
    measured: str = ""
    remedy: str = ""
    remedy_is_code: bool = False
    implies: tuple[Implication, ...] = ()
    suppressed: str | None = None

    @property
    def fails(self) -> bool:
        return self.level is Level.ERROR and self.suppressed is None


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What the proof was made with."""

    gate: str
    python: str
    sqlalchemy: str
    alembic: str
    driver: str


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What was looked at, and what could not be: `gaps` are sentences.

    - filled: how many of `tables` took rows. previous: the release that was replayed on the new schema; phrases: how much it said, said: the sha256 of that.
    """

    revisions: int
    new: int
    statements: int
    gaps: tuple[str, ...] = ()
    tables: int = 0
    filled: int = 0
    previous: str = ""
    phrases: int = 0
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The evidence for one history.

    - postgres: the major it was proven on. history: sha256 of the revision files.
    - heads: where the history ends. seconds: wall time by layer.
    """

    SCHEMA: ClassVar[str] = "slipway/proof/1"

    gate: Versions
    postgres: str
    history: str
    heads: tuple[str, ...]
    revisions: tuple[Revision, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    verdict: Verdict
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that fail the gate."""
        return tuple(finding for finding in self.findings if finding.fails)
