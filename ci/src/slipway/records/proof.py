"""Proof: the execution of a history of migrations on an ephemeral Postgres, and its findings."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from slipway.records.form import Record
from slipway.records.words import counted

OFF: Final = "off"  # instead of a level: the rule is ignored
# instead of a statement: the catalog shows an effect, but the gate saw no statement
UNSEEN: Final = "(not seen by the gate)"
AUTOCOMMIT: Final = "(autocommit mode left on)"  # instead of a statement: a revision left autocommit mode on
UNCOMPARED: Final = "models were not compared"  # start of the gap that leaves drift unknown
# The verdicts in words, the worst first.
VERDICTS: Final = ("refused", "not executed", "not fully executed", "passed in part", "passed")


class Level(Enum):
    """The severity of a finding; an error fails the gate."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Implication(Enum):
    """A property of a revision that a finding implies. Certificates are derived from these properties."""

    BLOCKING = "blocking"  # locks other sessions out while it works through rows
    DESTRUCTIVE = "destructive"  # loses data
    INCOMPATIBLE = "incompatible"  # breaks the previous release
    IRREVERSIBLE = "irreversible"  # its downgrade does not restore schema or rows
    NOT_RERUNNABLE = "not rerunnable"  # cannot be resumed after an interruption


# Keys of a proof's `seconds` that are no layers.
PREPARATION: Final = "preparation"
START: Final = "start"


class Layer(Enum):
    """A part of the gate that a run can omit."""

    ALWAYS = "always"  # the graph, every revision up, new ones down and up again, migrations against models
    TRACE = "trace"  # locks, rewrites and scans of each statement in new revisions
    ROWS = "rows"  # new revisions on tables with rows
    TOGETHER = "together"  # new revisions in one run of env.py, in its own transactions
    INTERRUPTION = "interruption"  # new revisions stopped where they commit, and run again
    PREVIOUS = "previous"  # the previous release's statements on the new schema
    CONCURRENCY = "concurrency"  # the lock queue, two runners at once, time against the number of rows

    @property
    def subject(self) -> str:
        return _SUBJECTS[self]


_SUBJECTS: Final = {
    Layer.ALWAYS: "upgrades and downgrades",
    Layer.TRACE: "locks",
    Layer.ROWS: "rows",
    Layer.TOGETHER: "env.py's transactions",
    Layer.INTERRUPTION: "interruptions",
    Layer.PREVIOUS: "the previous release",
    Layer.CONCURRENCY: "lock queues",
}


class Verdict(Enum):
    """The gate's verdict."""

    PASS = "pass"  # noqa: S105 -- no password
    FAIL = "fail"


@dataclass(frozen=True)
class Blocked:
    """Whether readers and writers of a relation had to wait while a statement ran."""

    read: bool
    write: bool


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One executed statement of a revision.

    - line: the line in the revision's file; None when another file executed the statement.
    - transaction: False in autocommit mode, where locks are released at the end of the statement.
    - locks: the strongest newly acquired mode, such as "ACCESS EXCLUSIVE", by existing table or view. An index lock
      that blocks readers counts as a lock of the table.
    - rewrites, builds, scans: existing tables whose rows were rewritten, indexed or scanned.
    - blocks: which sessions had to wait, by table, because of any lock that was held while the statement ran.
    - measured: False when Postgres refuses to run the statement inside a transaction, where the gate records locks.
    - ms: wall time on the ephemeral database, which is almost empty.
    - lock_timeout: the value while the statement acquired locks ("2s"); empty when unlimited or not needed.
    - unlimited: which of statement_timeout and idle_in_transaction_session_timeout were off while the statement held
      locks.
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
    """The sessions that waited behind a revision while it waited for an open transaction.

    - behind: the table to which the open transaction had written; the revision locks it last.
    - readers, writers: the tables whose readers or writers waited.
    - statements: the places of the previous release's statements that waited.
    - deadlock: the table at which Postgres aborted one of the two transactions, or empty.
    """

    behind: str
    readers: tuple[str, ...]
    writers: tuple[str, ...]
    statements: tuple[str, ...] = ()
    deadlock: str = ""

    @property
    def words(self) -> str:
        """The queue as a sentence.

        For example: `while it waited for a transaction that had written to public.b, readers and writers of public.a,
        public.b waited behind it`.
        """
        only = tuple(table for table in self.writers if table not in self.readers)
        who = [
            *([f"readers and writers of {', '.join(self.readers)}"] if self.readers else []),
            *([f"writers of {', '.join(only)}"] if only else []),
            *([f"{counted(len(self.statements), 'statement')} of the previous release"] if self.statements else []),
        ]
        waited = f"{' and '.join(who)} waited behind it" if who else "no session waited behind it"
        return f"while it waited for a transaction that had written to {self.behind}, {waited}"


_SHORTEST = 0.1  # seconds


@dataclass(frozen=True)
class Growth:
    """How the time of one line grows with its tables: `ms` of wall time at each number of `rows` in `tables`."""

    line: int
    tables: tuple[str, ...]
    rows: tuple[int, ...]
    ms: tuple[float, ...]

    @property
    def per_million(self) -> float:
        """Milliseconds per additional million rows."""
        return max(0.0, (self.ms[-1] - self.ms[0]) / (self.rows[-1] - self.rows[0]) * 1_000_000)

    @property
    def words(self) -> str:
        """The growth in words, such as `0.4 ms on 1,000 rows, 9.1 ms on 20,000 rows: about 0.5 s per million rows`."""
        measured = ", ".join(f"{ms:.1f} ms on {rows:,} rows" for rows, ms in zip(self.rows, self.ms, strict=True))
        if not self.per_million:
            return f"{measured}: no growth"
        seconds = self.per_million / 1000
        about = f"about {seconds:.1f} s" if seconds >= _SHORTEST else f"less than {_SHORTEST} s"
        return f"{measured}: {about} per million rows"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One executed revision.

    - down: the revision's parents.
    - file: relative to the service's folder.
    - new: whether findings in the revision are reported, because it comes after `start-after` or `--since`.
    - fingerprints: hashes of the catalog after "up", "down" and "again"; a step that did not run is absent.
    - rows: the number of rows in each table that the revision uses, when it ran on rows.
    - interruptions: how often the revision was interrupted and run again; 0 for a revision in a single transaction.
    - encounters: how often a second runner ran beside the revision.
    - queue: the sessions that waited behind the revision.
    - growth: how its time grows with rows, by line.
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
    """One violation of a rule.

    - message: the violation in a sentence.
    - measured: the evidence.
    - remedy: the safe form, as Python code or in prose.
    - implies: what the finding means for a certificate, even when it is suppressed.
    - suppressed: why the finding does not count: a comment in the revision accepts it, it is older, or another finding
      contains it; otherwise None.
    - also: the other revisions that the finding concerns, when one answer is enough for all of them.
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
    also: tuple[str, ...] = ()

    @property
    def revisions(self) -> tuple[str, ...]:
        return (self.revision, *self.also) if self.revision else self.also

    @property
    def fails(self) -> bool:
        return self.level is Level.ERROR and self.suppressed is None


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The versions of the programs that made a proof."""

    gate: str
    python: str
    sqlalchemy: str
    alembic: str
    driver: str


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The extent of a proof.

    - gaps: sentences about everything that could not be executed.
    - transactions: how env.py divided the new revisions into transactions; empty when they did not run together.
    - baseline: the schema on which the history began, and the revision that it contains; empty for an empty database.
    - chosen: which revisions count as new and how many do not; empty when the user chose.
    - filled: how many of `tables` held rows.
    - empty: why each of the other tables held none, by table.
    - previous: the release that was replayed on the new schema.
    - previous_statements: the number of its statements.
    - previous_digest: sha256 of its statements.
    - unproven: the subjects that the layers could not test; `gaps` contain the reasons.
    - calls, called_by: the services that this service calls, and those that call it. Requests between services are not
      executed.
    """

    revisions: int
    new: int
    statements: int
    gaps: tuple[str, ...] = ()
    baseline: str = ""
    chosen: str = ""
    tables: int = 0
    filled: int = 0
    empty: Mapping[str, str] = field(default_factory=dict)
    previous: str = ""
    previous_statements: int = 0
    previous_digest: str = ""
    transactions: str = ""
    calls: tuple[str, ...] = ()
    called_by: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = tuple(Layer)
    unproven: tuple[str, ...] = ()

    @property
    def omitted(self) -> tuple[str, ...]:
        """The subjects of the layers that the user omitted."""
        return tuple(layer.subject for layer in Layer if layer not in self.layers)

    @property
    def partial(self) -> str:
        """`not tested: locks, rows` when layers were omitted or could not be tested, otherwise empty."""
        untested = ", ".join((*self.omitted, *self.unproven))
        return untested and f"not tested: {untested}"


@dataclass(frozen=True, kw_only=True)
class Proof(Record, schema="slipway/proof/1"):
    """The executed history and its findings.

    - postgres: the version that executed the history.
    - history: sha256 of the revision files and of the baseline.
    - heads: the heads of the history.
    - begun: the heads of the revisions that a baseline contains.
    - seconds: wall time by layer. `preparation` of virtual environments and `start` of their processes are separate
      keys, when the gate made them.
    - folder: the service's folder in its repository, to which the names of files are relative; empty for the repository
      itself, or when unknown.
    - advisory: the day before which errors do not fail the job; empty when errors always do.
    """

    gate: Versions
    postgres: str
    history: str
    heads: tuple[str, ...]
    begun: tuple[str, ...] = ()
    revisions: tuple[Revision, ...]
    findings: tuple[Finding, ...]
    coverage: Coverage
    verdict: Verdict
    seconds: Mapping[str, float] = field(default_factory=dict)
    folder: str = ""
    advisory: str = ""

    def in_repository(self) -> "Proof":
        """Return the proof with names of files relative to the repository, which CI servers and editors expect."""

        def named(file: str) -> str:
            return posixpath.normpath(posixpath.join(self.folder, file))

        if not self.folder:
            return self
        revisions = tuple(replace(each, file=named(each.file)) for each in self.revisions)
        findings = tuple(replace(each, file=named(each.file)) if each.file else each for each in self.findings)
        return replace(self, folder="", revisions=revisions, findings=findings)

    @property
    def verdict_in_words(self) -> str:
        """The verdict in words. A history has passed only when every revision was executed and every subject was tested."""
        if self.verdict is Verdict.FAIL:
            return f"refused, advisory until {self.advisory}" if self.advisory else "refused"
        if not self.coverage.revisions:
            return "not executed"
        if self.unexecuted:
            return "not fully executed"
        return "passed in part" if self.coverage.partial else "passed"

    @property
    def executed(self) -> str:
        """How many revisions ran in which direction. Old revisions are only upgraded."""
        if not self.revisions:
            return "no revision"
        up = f"{counted(self.coverage.revisions, 'revision')} up"
        if self.unexecuted:
            up = f"{self.coverage.revisions} of {counted(len(self.revisions), 'revision')} up"
        if all(revision.new for revision in self.revisions):
            return f"{up}, down and up again"
        back = sum(revision.new and "up" in revision.fingerprints for revision in self.revisions)
        return f"{up}, {back} of them down and up again" if back else up

    @property
    def unexecuted(self) -> tuple[str, ...]:
        """The revisions whose upgrade was not executed to its end."""
        return tuple(revision.id for revision in self.revisions if "up" not in revision.fingerprints)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that fail the gate."""
        return tuple(finding for finding in self.findings if finding.fails)
