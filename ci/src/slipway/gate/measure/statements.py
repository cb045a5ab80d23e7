"""All statements of this process, through SQLAlchemy or directly through a driver, and the sessions that execute them."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.engine import Connection

from slipway.gate.measure import drivers
from slipway.gate.measure.session import commits_itself, driver_of, is_autocommit, is_begun
from slipway.migration.events import listening

_DEFINES = re.compile(r"\s*(ALTER|CREATE|COMMENT|DROP|LOCK|REINDEX|GRANT|REVOKE|SET|VACUUM|ANALYZE)\b", re.IGNORECASE)


def may_write(sql: str) -> bool:
    """Return whether a statement may write to rows, itself or in a function that it calls."""
    return not _DEFINES.match(sql)


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
        """The driver's connection, which identifies the session."""
        return driver_of(self.connection)

    @property
    def is_alone(self) -> bool:
        """Whether the next statement is its own transaction. In autocommit mode a revision may execute BEGIN itself."""
        return self.autocommit and not is_begun(self.key)


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A statement that a session executes.

    Its parameters are in the driver's form; if `many`, there are several sets.
    - rows: the number of written or returned rows; -1 if the driver does not know it. None before the statement has
      ended, and for direct calls of a driver without cursors.
    """

    session: Session
    sql: str
    parameters: Any
    many: bool
    rows: int | None = None


Listener = Callable[[Execution], object]


def _ignore(_execution: Execution) -> None: ...


class _Process:
    """The listeners of this process, before and after each statement.

    While there are any, SQLAlchemy and the drivers report statements.
    """

    before: tuple[Listener, ...] = ()
    after: tuple[Listener, ...] = ()
    reporting: Final = ExitStack()


@contextmanager
def watching(*, before: Listener = _ignore, after: Listener = _ignore) -> Iterator[None]:
    """Call these functions before and after every statement of this process during the block.

    `after` is called only after a success.
    """
    if not (_Process.before or _Process.after):
        _Process.reporting.enter_context(listening(before_cursor_execute=_begin, after_cursor_execute=_end))
        _Process.reporting.enter_context(drivers.watching(_begin_directly, _end_directly))
    _Process.before, _Process.after = (*_Process.before, before), (*_Process.after, after)
    try:
        yield
    finally:
        _Process.before, _Process.after = _without(_Process.before, before), _without(_Process.after, after)
        if not (_Process.before or _Process.after):
            _Process.reporting.close()


def _without(listeners: tuple[Listener, ...], one: Listener) -> tuple[Listener, ...]:
    left = list(listeners)
    left.remove(one)
    return tuple(left)


def _begin(connection: Connection, _cursor: Any, *statement: Any) -> None:
    _tell(_Process.before, connection, statement)


def _end(connection: Connection, cursor: Any, *statement: Any) -> None:
    _tell(_Process.after, connection, statement, cursor.rowcount)


def _tell(
    listeners: tuple[Listener, ...], connection: Connection, statement: tuple[Any, ...], rows: int | None = None
) -> None:
    """Report a statement that SQLAlchemy executes."""
    if called := [listener for listener in listeners if listener is not _ignore]:
        sql, parameters, _, many = statement
        execution = Execution(session=Session.of(connection), sql=sql, parameters=parameters, many=many, rows=rows)
        for listener in called:
            listener(execution)


def _begin_directly(call: drivers.Call) -> None:
    _tell_directly(_Process.before, call)


def _end_directly(call: drivers.Call) -> None:
    _tell_directly(_Process.after, call, getattr(call.cursor, "rowcount", None))


def _tell_directly(listeners: tuple[Listener, ...], call: drivers.Call, rows: int | None = None) -> None:
    """Report a statement that is given directly to a driver."""
    session = Session(connection=call.connection, autocommit=call.autocommit, error=call.error)
    execution = Execution(session=session, sql=call.sql, parameters=call.parameters, many=call.many, rows=rows)
    for listener in listeners:
        listener(execution)
