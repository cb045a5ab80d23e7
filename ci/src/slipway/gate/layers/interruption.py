"""Revisions that commit before their end, interrupted there on a copy of the database and run again.

A revision is stopped after each statement outside a transaction. CONCURRENTLY, several transactions of Postgres' own, is also stopped in the
middle by a conflicting lock and a lock_timeout, as happens in production.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.errors import RefusedError
from slipway.gate import progress
from slipway.gate.baseline import Baseline, Interrupted, Replica, replica, upgrade
from slipway.gate.history import History, Node
from slipway.gate.layers.interruption_points import DatabaseState, at, committing_statements, tables
from slipway.gate.layers.stairway import StairwayResult
from slipway.migration.database import held, with_connection
from slipway.migration.environment import Environment
from slipway.records.proof import Layer

_MOST_PER_REVISION = 12


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """One interruption of a revision, and the result of its second run."""

    line: int  # of the statement
    during: bool  # in the middle of it, not after it
    failure: str | None  # the error of the second run, or None
    invalid: tuple[str, ...] = ()  # indexes that are invalid only because of the interruption
    otherwise: str = ""  # the difference to an uninterrupted run, in words

    @property
    def where(self) -> str:
        return f"{'in the middle of' if self.during else 'after'} the statement on line {self.line}"


@dataclass(frozen=True)
class InterruptionResult:
    """The interruptions of each revision; `gaps` are sentences."""

    revisions: dict[str, tuple[Interruption, ...]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def interrupt(
    history: History, environment: Environment, stairway: StairwayResult, baseline: Baseline
) -> InterruptionResult:
    """Interrupt every new revision at each point where it commits before its end."""
    revisions: dict[str, tuple[Interruption, ...]] = {}
    concerned = [node for node in history.nodes if node.new and _points(stairway, node)]
    if not concerned:
        return InterruptionResult(revisions)
    with replica(environment, history.nodes, baseline) as source:
        for node in concerned:
            progress.report(Layer.INTERRUPTION, node.id, len(concerned))
            try:
                revisions[node.id] = tuple(_each(environment, stairway, node, source))
            except RefusedError as error:
                return InterruptionResult(revisions, (f"interruptions from {node.id} on were not tried: {error}",))
    skipped = [node.id for node in concerned if len(_points(stairway, node)) > _MOST_PER_REVISION]
    gaps = (f"only the first {_MOST_PER_REVISION} interruptions were tried of {', '.join(skipped)}",) if skipped else ()
    return InterruptionResult(revisions, gaps)


def _points(stairway: StairwayResult, node: Node) -> list[tuple[int, bool]]:
    """Return the numbers, from 0, of the statements outside a transaction, and whether to stop in their middle."""
    return [
        (number, during)
        for number, statement in enumerate(committing_statements(stairway, node))
        for during in (False, True)
        if not during or " CONCURRENTLY" in statement.sql.upper()
    ]


def _each(environment: Environment, stairway: StairwayResult, node: Node, source: Replica) -> Iterator[Interruption]:
    with source.before(node) as database:
        upgrade(environment, database, [node])
        expected = with_connection(database, DatabaseState.of)
    for number, during in _points(stairway, node)[:_MOST_PER_REVISION]:
        with source.before(node) as database:
            stop = _stopped_during if during else _stopped_after
            line = stop(environment, node, number, database)
            if line is None:  # this run took another path, or no lock was in its way
                continue
            failure = upgrade(environment, database, [node])
            if failure:
                yield Interruption(line=line, during=during, failure=failure)
                continue
            state = with_connection(database, DatabaseState.of)
            yield Interruption(
                line=line,
                during=during,
                failure=None,
                invalid=state.invalid_beside(expected),
                otherwise=state.difference(expected),
            )


def _stopped_after(environment: Environment, node: Node, number: int, database: URL) -> int | None:
    """Stop a revision after such a statement; return its line, or None when the revision was not stopped."""
    met: list[int] = []

    def stop(_connection: Connection, line: int) -> None:
        met.append(line)
        raise Interrupted

    with at(node, number, after=stop):
        ended = upgrade(environment, database, [node])
    return met[0] if met and ended else None


def _stopped_during(environment: Environment, node: Node, number: int, database: URL) -> int | None:
    """Stop a revision by a transaction that blocks such a statement; return its line, or None when it was not stopped."""
    met: list[int] = []
    with ExitStack() as blocking:

        def block(connection: Connection, line: int) -> None:
            if not met:
                met.append(line)
                with suppress(Exception):  # without the lock the statement is not stopped, and has no result
                    blocking.enter_context(held(database, _lock_every_table, "a long transaction"))
                with closing(connection.connection.cursor()) as cursor:
                    cursor.execute("SET lock_timeout = '20ms'")

        with at(node, number, before=block):
            ended = upgrade(environment, database, [node])
    return met[0] if met and ended else None


def _lock_every_table(connection: Connection) -> None:
    """Begin a transaction with the locks of a writer on every table."""
    if names := tables(connection):
        connection.execute(text("BEGIN"))
        connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ROW EXCLUSIVE MODE"))
