"""A rule as data, with an example that the tests execute."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from slipway.records.proof import Finding, Implication, Level

NOTHING: Final = ()  # explicitly states that a finding of the rule implies nothing
BLOCKING: Final = (Implication.BLOCKING,)
DESTRUCTIVE: Final = (Implication.DESTRUCTIVE,)
INCOMPATIBLE: Final = (Implication.INCOMPATIBLE,)
IRREVERSIBLE: Final = (Implication.IRREVERSIBLE,)
NOT_RERUNNABLE: Final = (Implication.NOT_RERUNNABLE,)

NOTES: Final = """\
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("title", sa.Text()),
    sa.Column("stars", sa.Integer()),
)"""
INDEXED_NOTES: Final = f'{NOTES}\nop.create_index("notes_title", "notes", ["title"])'
NOTES_AND_AUTHORS: Final = """\
op.create_table("authors", sa.Column("id", sa.BigInteger(), primary_key=True), sa.Column("name", sa.Text()))
op.create_table(
    "notes",
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("title", sa.Text()),
    sa.Column("author_id", sa.BigInteger()),
)"""

ADD_COLUMN: Final = 'op.add_column("notes", sa.Column("read", sa.Boolean()))'
ADD_TO_BOTH: Final = f"""\
{ADD_COLUMN}
# in the next revision:
op.add_column("authors", sa.Column("seen", sa.Boolean()))"""
EVENTS: Final = """\
op.execute("CREATE TABLE events (id bigint NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)")
op.execute("CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')")
op.execute("CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")"""
CONCURRENT_INDEX: Final = """\
with op.get_context().autocommit_block():
    # left by an interrupted attempt:
    op.drop_index("notes_title", "notes", postgresql_concurrently=True, if_exists=True)
    op.create_index("notes_title", "notes", ["title"], postgresql_concurrently=True)"""

_NEXT: Final = "\n# in the next revision:\n"
_DOWN: Final = "\n# in downgrade():\n"
_ID: Final = re.compile(r"[A-Z]\d\d|drift(-\w+)?")
BATCHED: Final = """\
with op.get_context().autocommit_block():  # each batch in its own transaction; a row that is done must not meet the condition again
    batch = '''{begin} WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {table} WHERE {condition} LIMIT 1000)'''
    rows = op.get_bind().exec_driver_sql('''SELECT count(*) FROM {table} WHERE {condition}''').scalar()
    for _ in range(0, rows, 1000):
        op.get_bind().exec_driver_sql(batch)"""


def in_batches(sql: str) -> str:
    """Return code that repeats a statement until it changes no row, each time in a transaction of its own."""
    return f"""\
with op.get_context().autocommit_block():
    batch = "{sql}"
    while op.get_bind().execute(sa.text(batch)).rowcount:
        pass"""


class Located(Protocol):
    """A revision to which a finding refers. `old` is why findings in it are suppressed, or None."""

    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def old(self) -> str | None: ...
    @property
    def upgrade_line(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Given:
    """The project in which a rule's example is executed. The bad and the good side may need different projects."""

    models: str = ""  # lines of env.py that fill `metadata`
    previous: str = ""  # the models of the previous release
    good_previous: str = ""
    recorded: tuple[str, ...] = ()  # statements recorded in the previous release's tests
    bad_start: str = ""  # the previous release's start command
    bad_env: str = ""  # lines of env.py before context.configure()
    bad_options: str = ""  # arguments of context.configure()
    good_options: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of the gate. Its safe form is `code`, with {gaps} that a check may fill, or `advice` in prose.

    The tests execute its example. `bad` and `good` are bodies of upgrade() that break and keep the rule; they are
    divided by `# in the next revision:` and `# in downgrade():`. With `graph` they are no code: each line says which
    revision follows which.
    """

    id: str
    name: str  # a title of a few words
    level: Level
    message: str  # the sentence that users read first
    implies: tuple[Implication, ...]  # must always be stated, if necessary as NOTHING
    code: str = ""
    advice: str = ""
    optional: bool = False  # whether the rule is off unless the project's settings give it a level
    related: tuple[str, ...] = ()
    before: str = NOTES  # the revision before the example
    graph: bool = False
    given: Given = field(default_factory=Given)
    bad: str = ""
    good: str = ""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id) or not all(isinstance(each, Implication) for each in self.implies):
            raise ValueError(f"{self.id}: an id like L01 and a tuple of implications are needed")
        if bool(self.code) == bool(self.advice):
            raise ValueError(f"{self.id}: the safe form is either code or advice")

    def revisions(self, side: str) -> Iterator[tuple[str, str | None]]:
        """Yield the bodies of upgrade() and downgrade() in one side of the example; None for an unstated downgrade."""
        for revision in (self.bad if side == "bad" else self.good).split(_NEXT):
            upgrade, down, downgrade = revision.partition(_DOWN)
            yield upgrade, downgrade if down else None

    @property
    def remedy(self) -> str:
        return self.code or self.advice

    def finding(
        self, node: Located | None, measured: str, line: int | None = None, remedy: str | None = None
    ) -> Finding:
        """Return the finding on a revision, or on the whole history when `node` is None."""
        return Finding(
            rule=self.id,
            level=self.level,
            message=self.message,
            revision=node.id if node else None,
            file=node.file if node else None,
            line=line or (node.upgrade_line if node else None),
            measured=measured,
            remedy=remedy or self.remedy,
            remedy_is_code=bool(self.code),
            implies=self.implies,
            suppressed=node.old if node else None,
        )
