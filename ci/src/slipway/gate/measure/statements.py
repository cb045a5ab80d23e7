"""Every statement of this process, by SQLAlchemy or by a revision that uses its driver directly, and the session that executes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from slipway.gate.measure import drivers
from slipway.gate.measure.session import commits_itself, driver_of, is_autocommit, is_begun
from slipway.migration.events import listening


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session: a connection for our own queries, whether it is in autocommit mode, and the driver's class of errors."""

    connection: Any
    autocommit: bool
    error: type[Exception]

    @classmethod
    def of(cls, connection: Connection) -> "Session":
        dbapi: Any = connection.dialect.dbapi
        raw: Any = connection.connection
        return cls(connection=raw, autocommit=is_autocommit(raw) or commits_itself(raw), error=dbapi.Error)

    @property
    def key(self) -> Any:
        """The driver's connection, its identity."""
        return driver_of(self.connection)

    @property
    def is_alone(self) -> bool:
        """Whether the next statement is its own transaction; a revision may execute BEGIN itself in autocommit mode."""
        return self.autocommit and not is_begun(self.key)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A statement that a session executes, with its parameters in the driver's form; with several sets of them if `many`."""

    session: Session
    sql: str
    parameters: Any
    many: bool


Listener = Callable[[Execution], object]


def _ignore(_execution: Execution) -> None:
    """Listen to nothing."""


@contextmanager
def watching(*, before: Listener = _ignore, after: Listener = _ignore) -> Iterator[None]:
    """Call these functions around every statement of this process, `after` only when it succeeds, during the block."""

    def with_sqlalchemy(listener: Listener) -> Callable[..., None]:
        def by_sqlalchemy(connection: Connection, _cursor: Any, *statement: Any) -> None:
            sql, parameters, _, many = statement
            listener(Execution(session=Session.of(connection), sql=sql, parameters=parameters, many=many))

        return by_sqlalchemy

    def with_driver(listener: Listener) -> drivers.Listener:
        def by_driver(call: drivers.Call) -> None:
            session = Session(connection=call.connection, autocommit=call.autocommit, error=call.error)
            listener(Execution(session=session, sql=call.sql, parameters=call.parameters, many=call.many))

        return by_driver

    with (
        listening(before_cursor_execute=with_sqlalchemy(before), after_cursor_execute=with_sqlalchemy(after)),
        drivers.watching(with_driver(before), with_driver(after)),
    ):
        yield
