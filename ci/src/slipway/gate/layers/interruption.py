"""What a revision commits on its way outlives an interruption. So it is interrupted there, on a copy of the database, and run again.

It is stopped after each statement that ran outside a transaction; and what Postgres runs in several transactions of its own (CONCURRENTLY) also in
the middle, by a lock in its way and a lock_timeout, as it happens in production.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection

from slipway.errors import RefusedError
from slipway.gate.base import Base, Stopped, base, upgrade
from slipway.gate.ground import Ground
from slipway.gate.history import History, Node
from slipway.gate.layers.looks import look, tables
from slipway.gate.layers.places import alone, at
from slipway.gate.layers.stairway import Climb
from slipway.migration.database import held, with_connection
from slipway.migration.environment import Environment

_MOST_PER_REVISION = 12


@dataclass(frozen=True, kw_only=True)
class Interruption:
    """Where a revision was stopped, and what came of running it again.

    - line: of the statement. during: in the middle of it, not after it.
    - failure: why the second run failed, or None. invalid: indexes that are not valid after the second run, and would be without the interruption.
    - otherwise: in what the database is other than without the interruption, in words.
    """

    line: int
    during: bool
    failure: str | None
    invalid: tuple[str, ...] = ()
    otherwise: str = ""

    @property
    def where(self) -> str:
        return f"{'in the middle of' if self.during else 'after'} the statement on line {self.line}"


@dataclass(frozen=True)
class Interrupted:
    """All interruptions by revision; `gaps` are sentences."""

    revisions: dict[str, tuple[Interruption, ...]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def interrupt(history: History, environment: Environment, climb: Climb, ground: Ground) -> Interrupted:
    """Interrupt every new revision that commits on its way, wherever it does."""
    found: dict[str, tuple[Interruption, ...]] = {}
    concerned = [node for node in history.nodes if node.new and _places(climb, node)]
    if not concerned:
        return Interrupted(found)
    with base(environment, history.nodes, ground) as below:
        for node in concerned:
            try:
                found[node.id] = tuple(_each(environment, climb, node, below))
            except RefusedError as error:
                return Interrupted(found, (f"interruptions from {node.id} on were not tried: {error}",))
    skipped = [node.id for node in concerned if len(_places(climb, node)) > _MOST_PER_REVISION]
    gaps = (f"only the first {_MOST_PER_REVISION} interruptions were tried of {', '.join(skipped)}",) if skipped else ()
    return Interrupted(found, gaps)


def _places(climb: Climb, node: Node) -> list[tuple[int, bool]]:
    """Which of the statements outside a transaction to stop after, counted from 0, and which in the middle of."""
    return [
        (number, during)
        for number, statement in enumerate(alone(climb, node))
        for during in (False, True)
        if not during or " CONCURRENTLY" in statement.sql.upper()
    ]


def _each(environment: Environment, climb: Climb, node: Node, below: Base) -> Iterator[Interruption]:
    with below.before(node) as database:
        upgrade(environment, database, [node])
        wanted = with_connection(database, look)
    for number, during in _places(climb, node)[:_MOST_PER_REVISION]:
        with below.before(node) as database:
            stop = _stopped_during if during else _stopped_after
            line = stop(environment, node, number, database)
            if line is None:  # it went another way this time, or nothing could be in its way
                continue
            failure = upgrade(environment, database, [node])
            if failure:
                yield Interruption(line=line, during=during, failure=failure)
                continue
            left = with_connection(database, look)
            yield Interruption(
                line=line,
                during=during,
                failure=None,
                invalid=left.invalid_beside(wanted),
                otherwise=left.otherwise(wanted),
            )


def _stopped_after(environment: Environment, node: Node, number: int, database: URL) -> int | None:
    """Run a revision until such a statement is done; answers its line, or None when it went on to its end."""
    met: list[int] = []

    def stop(_connection: Connection, line: int) -> None:
        met.append(line)
        raise Stopped

    with at(node, number, after=stop):
        ended = upgrade(environment, database, [node])
    return met[0] if met and ended else None


def _stopped_during(environment: Environment, node: Node, number: int, database: URL) -> int | None:
    """Run a revision with a long transaction in the way of such a statement; answers its line, or None when it went on to its end."""
    met: list[int] = []
    with ExitStack() as in_the_way:

        def stand_in_the_way(connection: Connection, line: int) -> None:
            if not met:
                met.append(line)
                with suppress(Exception):  # without the lock the statement is not stopped, and nothing is said about it
                    in_the_way.enter_context(held(database, _use_every_table, "a long transaction"))
                with closing(connection.connection.cursor()) as cursor:
                    cursor.execute("SET lock_timeout = '20ms'")

        with at(node, number, before=stand_in_the_way):
            ended = upgrade(environment, database, [node])
    return met[0] if met and ended else None


def _use_every_table(connection: Connection) -> None:
    """Begin a transaction that has written to every table."""
    if found := tables(connection):
        connection.execute(text("BEGIN"))
        connection.execute(text(f"LOCK TABLE {', '.join(found)} IN ROW EXCLUSIVE MODE"))
