"""The locks of a revision as lanes: a table's lane runs from the statement that locks it to the end of the transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby

from slipway.records.proof import Blocked, Revision, Statement


class Waits(Enum):
    """The sessions that wait for a table."""

    EVERYBODY = "readers and writers wait"
    WRITERS = "writers wait"
    NO_SESSION = "no session waits"
    UNKNOWN = "not measured"
    UNLOCKED = "not locked"


class Work(Enum):
    """Work of a statement that takes longer when the table has more rows."""

    REWRITE = "rewritten"
    BUILD = "index built"
    SCAN = "scanned"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Consecutive statements during which the same sessions wait for a table.

    - length: the number of statements.
    - opens: whether the first statement begins a transaction.
    - brief: whether sessions wait only briefly, because no statement of the span does work that grows with rows, on any
      table.
    - taken: the lock mode that the first statement takes, or empty.
    - work: the first statement's work on the table.
    """

    length: int
    waits: Waits
    brief: bool
    opens: bool
    taken: str
    work: tuple[Work, ...]


@dataclass(frozen=True)
class Lane:
    """The spans of one table, which together cover all statements of the revision."""

    table: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class LockScope:
    """Statements whose locks end together: a transaction, or one statement in autocommit mode (`alone`)."""

    statements: tuple[Statement, ...]
    alone: bool


@dataclass(frozen=True)
class LockLanes:
    """The lock scopes of a revision, and a lane for each table that the revision locks or works on, in the order of first use."""

    scopes: tuple[LockScope, ...]
    lanes: tuple[Lane, ...]


def lock_lanes(revision: Revision) -> LockLanes:
    """Return which sessions wait for which table during each statement of a revision."""
    scopes = tuple(_scopes(revision.statements))
    tables = dict.fromkeys(table for statement in revision.statements for table in _touched(statement))
    return LockLanes(scopes, tuple(Lane(table, tuple(_spans(table, scopes))) for table in tables))


def _scopes(statements: Sequence[Statement]) -> Iterator[LockScope]:
    """Yield the groups of statements whose locks end together.

    Alembic commits before an autocommit block, so statements after the block are in another transaction than those
    before.
    """
    for together, group in groupby(statements, key=lambda statement: statement.transaction):
        if together:
            yield LockScope(tuple(group), alone=False)
        else:
            yield from (LockScope((statement,), alone=True) for statement in group)


def _touched(statement: Statement) -> tuple[str, ...]:
    return (*statement.locks, *statement.blocks, *statement.rewrites, *statement.builds, *statement.scans)


def _spans(table: str, scopes: Sequence[LockScope]) -> Iterator[Span]:
    for scope in scopes:
        current: Span | None = None
        for span in _single_spans(table, scope):
            if current is None:
                current = span
            elif span.taken or span.work or current.work or (span.waits, span.brief) != (current.waits, current.brief):
                yield current
                current = span
            else:
                current = replace(current, length=current.length + 1)
        if current:
            yield current


def _single_spans(table: str, scope: LockScope) -> Iterator[Span]:
    held = False
    for number, statement in enumerate(scope.statements):
        held = held or table in statement.locks
        waits = _waits(table, statement, held=held)
        yield Span(
            length=1,
            waits=waits,
            brief=waits in (Waits.EVERYBODY, Waits.WRITERS)
            and not (statement.rewrites or statement.builds or statement.scans),
            opens=number == 0,
            taken=statement.locks.get(table, ""),
            work=_work(table, statement),
        )


def _waits(table: str, statement: Statement, *, held: bool) -> Waits:
    blocked = statement.blocks.get(table, Blocked(read=False, write=False))
    if blocked.read:
        return Waits.EVERYBODY
    if blocked.write:
        return Waits.WRITERS
    if not statement.measured:
        return Waits.UNKNOWN
    return Waits.NO_SESSION if held else Waits.UNLOCKED


def _work(table: str, statement: Statement) -> tuple[Work, ...]:
    work = ((Work.REWRITE, statement.rewrites), (Work.BUILD, statement.builds), (Work.SCAN, statement.scans))
    return tuple(kind for kind, tables in work if table in tables)
