"""The locks of a revision as lanes: a table's begins at the statement that locks it, and ends with the transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from slipway.records.proof import Blocked, Revision, Statement


class Waits(Enum):
    """Who has to wait for a table."""

    EVERYBODY = "readers and writers wait"
    WRITERS = "writers wait"
    NOBODY = "nobody waits"
    UNKNOWN = "not measured"
    UNLOCKED = "not locked"


class Work(Enum):
    """What a statement does to a table that takes the longer the more rows it has."""

    REWRITE = "rewritten"
    BUILD = "index built"
    SCAN = "read whole"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Statements in a row through which it stays the same who waits for a table.

    - length: how many. opens: whether a transaction begins with the first.
    - taken: the lock that the first takes, or "". work: what it does to the table.
    """

    length: int
    waits: Waits
    opens: bool
    taken: str
    work: tuple[Work, ...]


@dataclass(frozen=True)
class Lane:
    """One table; its spans are as long as the revision has statements."""

    table: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Transaction:
    """Statements whose locks end together. alone: one statement by itself (autocommit)."""

    statements: tuple[Statement, ...]
    alone: bool


@dataclass(frozen=True)
class LockLanes:
    """The transactions of a revision, and a lane for each table that they lock or read whole, in the order in which they come to it."""

    transactions: tuple[Transaction, ...]
    lanes: tuple[Lane, ...]


def lock_lanes(revision: Revision) -> LockLanes:
    """See who waits for which table from which statement to which."""
    transactions = tuple(_transactions(revision.statements))
    tables = dict.fromkeys(table for statement in revision.statements for table in _touched(statement))
    return LockLanes(transactions, tuple(Lane(table, tuple(_spans(table, transactions))) for table in tables))


def _transactions(statements: Sequence[Statement]) -> Iterator[Transaction]:
    """Alembic commits before an autocommit_block, so that what follows one is another transaction."""
    for together, group in groupby(statements, key=lambda statement: statement.transaction):
        if together:
            yield Transaction(tuple(group), alone=False)
        else:
            yield from (Transaction((statement,), alone=True) for statement in group)


def _touched(statement: Statement) -> tuple[str, ...]:
    return (*statement.locks, *statement.blocks, *statement.rewrites, *statement.builds, *statement.scans)


def _spans(table: str, transactions: Sequence[Transaction]) -> Iterator[Span]:
    for transaction in transactions:
        current: Span | None = None
        for seen in _looks(table, transaction):
            if current is None:
                current = seen
            elif seen.taken or seen.work or current.work or seen.waits is not current.waits:
                yield current
                current = seen
            else:
                current = _longer(current)
        if current:
            yield current


def _longer(span: Span) -> Span:
    return Span(length=span.length + 1, waits=span.waits, opens=span.opens, taken=span.taken, work=span.work)


def _looks(table: str, transaction: Transaction) -> Iterator[Span]:
    """The table at each statement of a transaction."""
    held = False
    for number, statement in enumerate(transaction.statements):
        held = held or table in statement.locks
        yield Span(
            length=1,
            waits=_waits(table, statement, held=held),
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
    return Waits.NOBODY if held else Waits.UNLOCKED


def _work(table: str, statement: Statement) -> tuple[Work, ...]:
    done = ((Work.REWRITE, statement.rewrites), (Work.BUILD, statement.builds), (Work.SCAN, statement.scans))
    return tuple(work for work, tables in done if table in tables)
