"""What a revision commits on its way outlives an interruption. So it is interrupted there, on a copy of the database, and run again.

It is stopped after each statement that ran outside a transaction; and what Postgres runs in several transactions of its own (CONCURRENTLY) also in
the middle, by a lock in its way and a lock_timeout, as it happens in production.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, text

from slipway.errors import RefusedError
from slipway.gate.base import Base, Stopped, base, upgrade
from slipway.gate.history import History, Node
from slipway.gate.layers.stairway import Climb
from slipway.gate.measure.catalog import Catalog
from slipway.gate.measure.dbapi import query
from slipway.gate.measure.trace import is_autocommit, line_in
from slipway.migration.database import held, with_connection
from slipway.migration.environment import Environment

_MOST_PER_REVISION = 12
_TABLES = """SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')"""
_INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indexrelid >= 16384 ORDER BY 1"


@dataclass(frozen=True)
class Interruption:
    """Where a revision was stopped, and what came of running it again.

    - line: of the statement. during: in the middle of it, not after it.
    - failure: why the second run failed, or None. invalid: indexes that are not valid after the second run, and would be without the interruption.
    - differs: the schema is another one than without the interruption.
    """

    line: int
    during: bool
    failure: str | None
    invalid: tuple[str, ...] = ()
    differs: bool = False

    @property
    def where(self) -> str:
        return f"{'in the middle of' if self.during else 'after'} the statement on line {self.line}"


@dataclass(frozen=True)
class Interrupted:
    """All interruptions by revision; `gaps` are sentences."""

    revisions: dict[str, tuple[Interruption, ...]] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def interrupt(
    history: History, environment: Environment, climb: Climb, server: URL, extensions: Sequence[str]
) -> Interrupted:
    """Interrupt every new revision that commits on its way, wherever it does."""
    found: dict[str, tuple[Interruption, ...]] = {}
    concerned = [node for node in history.nodes if node.new and _places(climb, node)]
    if not concerned:
        return Interrupted(found)
    with base(environment, history.nodes, server, extensions) as below:
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
    alone = [statement for statement in climb.steps[node.id].statements if not statement.transaction]
    return [
        (number, during)
        for number, statement in enumerate(alone)
        for during in (False, True)
        if not during or " CONCURRENTLY" in statement.sql.upper()
    ]


def _each(environment: Environment, climb: Climb, node: Node, below: Base) -> Iterator[Interruption]:
    with below.before(node) as database:
        upgrade(environment, database, [node])
        expected, wanted = with_connection(database, _look)
    for number, during in _places(climb, node)[:_MOST_PER_REVISION]:
        with below.before(node) as database:
            stop = _Stop(node.script.path, number, database if during else None)
            with stop.listening():
                ended = upgrade(environment, database, [node])
            if stop.line is None or not ended:  # it went another way this time, or nothing could be in its way
                continue
            failure = upgrade(environment, database, [node])
            if failure:
                yield Interruption(stop.line, during, failure)
                continue
            invalid, fingerprint = with_connection(database, _look)
            left = tuple(name for name in invalid if name not in expected)
            yield Interruption(stop.line, during, None, left, fingerprint != wanted)


def _look(connection: Connection) -> tuple[tuple[str, ...], str]:
    there = connection.connection
    return tuple(name for (name,) in query(there, _INVALID)), Catalog(there).fingerprint


class _Stop:
    """Stops the revision in the file `path` after its statement number `number` outside a transaction, or within it when there is a database to be in the way of."""

    def __init__(self, path: str, number: int, in_the_way: URL | None) -> None:
        self._path = path
        self._left = number
        self._in_the_way = in_the_way
        self._held = ExitStack()
        self.line: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        event.listen(Engine, "before_cursor_execute", self._before)
        event.listen(Engine, "after_cursor_execute", self._after)
        try:
            yield
        finally:
            event.remove(Engine, "before_cursor_execute", self._before)
            event.remove(Engine, "after_cursor_execute", self._after)
            self._held.close()

    def _before(self, connection: Connection, *_: Any) -> None:
        line = line_in(self._path)
        if line is None or not is_autocommit(connection) or self._left or not self._in_the_way or self.line:
            return
        self.line = line
        with suppress(Exception):  # without the lock the statement is not stopped, and nothing is said about it
            self._held.enter_context(held(self._in_the_way, _use_every_table, "a long transaction"))
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute("SET lock_timeout = '20ms'")

    def _after(self, connection: Connection, *_: Any) -> None:
        line = line_in(self._path)
        if line is None or not is_autocommit(connection):
            return
        if self._left:
            self._left -= 1
        elif self.line is None:
            self.line = line
            raise Stopped


def _use_every_table(connection: Connection) -> None:
    """Begin a transaction that has written to every table."""
    if tables := connection.scalar(text(_TABLES)):
        connection.execute(text("BEGIN"))
        connection.execute(text(f"LOCK TABLE {tables} IN ROW EXCLUSIVE MODE"))
