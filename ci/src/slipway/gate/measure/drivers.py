"""Statements that a revision gives directly to its driver instead of SQLAlchemy: raw cursors, COPY, coroutines.

The drivers' methods that execute a statement are wrapped during a run. SQLAlchemy and our own queries call the same
methods, so a call counts only when the caller is neither of them. Statements that avoid these methods are found by
their traces in the catalog (`measure.trace`).
"""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from functools import cache, partial, wraps
from types import FrameType
from typing import Any, Final

from slipway.database_url import DRIVERS
from slipway.gate.measure.place import package_of
from slipway.migration.events import listening


@dataclass(frozen=True, kw_only=True)
class Call:
    """A statement that is given to a driver, and a connection for our own queries in the same session."""

    connection: Any
    autocommit: bool
    error: type[Exception]
    sql: str
    parameters: Any = None
    many: bool = False
    cursor: Any = None  # the cursor that afterwards knows the number of rows, if the driver has one


Listener = Callable[[Call], object]
Method = Callable[..., Any]
Read = Callable[..., Call]  # a function of a method's arguments


class _Process:
    """The listeners of this process. While there are any, the drivers' methods are wrapped."""

    listeners: Final[list[tuple[Listener, Listener]]] = []
    wrapped: Final = ExitStack()


@contextmanager
def watching(before: Listener, after: Listener) -> Iterator[None]:
    """Call these functions before and after every statement that is given directly to a driver during the block."""
    listeners = (before, after)
    with ExitStack() as stack:
        if not _Process.listeners:
            stack.enter_context(_Process.wrapped)
            stack.enter_context(listening(do_connect=_wrap_drivers))  # env.py may import another driver
            _wrap_drivers()
        _Process.listeners.append(listeners)
        stack.callback(_Process.listeners.remove, listeners)
        yield


def _begin(call: Call) -> None:
    for before, _ in _Process.listeners:
        before(call)


def _end(call: Call) -> None:
    for _, after in _Process.listeners:
        after(call)


@contextmanager
def _reported(call: Call) -> Iterator[None]:
    _begin(call)
    yield
    _end(call)


@asynccontextmanager
async def _reported_in_loop(call: Call) -> AsyncIterator[None]:
    from sqlalchemy.util import greenlet_spawn  # needs greenlet, which a service with a sync driver may lack

    await greenlet_spawn(_begin, call)
    yield
    await greenlet_spawn(_end, call)


_DRIVERS: Final = frozenset({*DRIVERS, "psycopg_pool"})


def _is_direct() -> bool:
    """Return whether the service's code called the wrapped method, instead of SQLAlchemy or the gate."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 -- the stack
    while frame and package_of(frame) in _DRIVERS:
        frame = frame.f_back
    return frame is None or package_of(frame) not in ("sqlalchemy", "slipway")


def _at_once(original: Method, read: Read) -> Method:
    @wraps(original)
    def method(self: Any, *args: Any, **more: Any) -> Any:
        if not _is_direct():
            return original(self, *args, **more)
        with _reported(read(self, *args, **more)):
            return original(self, *args, **more)

    return method


@contextmanager
def _reported_block(call: Call, block: AbstractContextManager[Any]) -> Iterator[Any]:
    with _reported(call), block as value:
        yield value


@asynccontextmanager
async def _reported_block_in_loop(call: Call, block: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    async with _reported_in_loop(call), block as value:
        yield value


def _in_block(original: Method, read: Read, reported: Callable[[Call, Any], Any] = _reported_block) -> Method:
    @wraps(original)
    def method(self: Any, *args: Any, **more: Any) -> Any:
        block = original(self, *args, **more)
        return reported(read(self, *args, **more), block) if _is_direct() else block

    return method


def _awaited(original: Method, read: Read) -> Method:
    @wraps(original)
    async def method(self: Any, *args: Any, **more: Any) -> Any:
        if not _is_direct():
            return await original(self, *args, **more)
        async with _reported_in_loop(read(self, *args, **more)):
            return await original(self, *args, **more)

    return method


_in_awaited_block = partial(_in_block, reported=_reported_block_in_loop)


class _Waiting:
    """An async driver's connection in the form of a sync one, for queries within a greenlet. It is its own cursor."""

    def __init__(self, driver_connection: Any) -> None:
        self.driver_connection = driver_connection
        self.rowcount = -1
        self._rows: list[Any] = []

    def cursor(self) -> "_Waiting":
        return self

    def execute(self, sql: str, parameters: Any = None) -> None:
        from sqlalchemy.util import await_only

        self._rows = await_only(self._execute(sql, parameters))

    async def _execute(self, sql: str, parameters: Any) -> list[Any]:
        if hasattr(self.driver_connection, "fetch"):  # asyncpg
            if not parameters and ";" in sql:  # perhaps several statements, which only `execute` accepts
                await self.driver_connection.execute(sql)
                return []
            return [tuple(row) for row in await self.driver_connection.fetch(sql, *parameters or ())]
        cursor = self.driver_connection.cursor()
        await cursor.execute(sql, parameters)
        self.rowcount = cursor.rowcount
        rows: list[Any] = await cursor.fetchall() if cursor.description else []
        return rows

    def fetchall(self) -> list[Any]:
        return self._rows

    def close(self) -> None:
        """Leave the connection to the revision."""


def _by_cursor(
    module: Any, name: str, cursor: Any, sql: Any = "", parameters: Any = None, *_: Any, **more: Any
) -> Call:
    """Read a call of a cursor's method. Each driver has other names for the two arguments."""
    connection = cursor.connection
    return Call(
        connection=_Waiting(connection) if hasattr(connection, "__aenter__") else connection,
        autocommit=connection.autocommit,
        error=module.Error,
        sql=_text(sql or _named(more, "query", "statement", "operation", "sql"), connection),
        parameters=_named(more, "params", "vars", "args", "param_sets") if parameters is None else parameters,
        many=name == "executemany",
        cursor=cursor,
    )


def _named(arguments: Mapping[str, Any], *names: str) -> Any:
    return next((arguments[name] for name in names if name in arguments), None)


def _by_copy(module: Any, name: str, cursor: Any, _file: Any, table: str, *_: Any, **_more: Any) -> Call:
    """Convert a call of psycopg2's `copy_from` or `copy_to`."""
    return _by_cursor(module, name, cursor, f"COPY {table} {'FROM STDIN' if name == 'copy_from' else 'TO STDOUT'}")


def _by_adapter(_module: Any, name: str, cursor: Any, sql: str, parameters: Any = None) -> Call:
    """Read a call of the cursor by which SQLAlchemy makes an async driver look synchronous."""
    connection = getattr(cursor, "_adapt_connection", None) or _Waiting(cursor._cursor.connection)  # noqa: SLF001 -- SQLAlchemy's
    dbapi = getattr(connection, "dbapi", None) or sys.modules["psycopg"]
    autocommit = getattr(connection, "autocommit", False)
    return Call(
        connection=connection,
        autocommit=autocommit,
        error=dbapi.Error,
        sql=sql,
        parameters=parameters,
        many=name == "executemany",
    )


def _by_asyncpg(_module: Any, name: str, connection: Any, sql: str = "", *parameters: Any, **more: Any) -> Call:
    """Read a call of asyncpg, which has no autocommit mode: without an open transaction, a statement is its own transaction."""
    return Call(
        connection=_Waiting(connection),
        autocommit=not connection.is_in_transaction(),
        error=sys.modules["asyncpg"].PostgresError,
        sql=sql or _named(more, "query", "command"),
        parameters=_named(more, "args") or (parameters[0] if name == "_execute" else parameters),
        many=name == "executemany",
    )


def _by_prepared(module: Any, name: str, prepared: Any, *parameters: Any, **_: Any) -> Call:
    """Read a call of asyncpg's prepared statement."""
    return _by_asyncpg(module, name, prepared._connection, prepared.get_query(), *parameters)  # noqa: SLF001 -- not public


def _text(sql: Any, connection: Any) -> str:
    """Return a statement as text. Drivers also accept bytes and their own composed objects."""
    if isinstance(sql, bytes):
        return sql.decode()
    return str(sql.as_string(connection)) if hasattr(sql, "as_string") else str(sql)


_MARK: Final = "slipway_reports"  # the attribute of a wrapped method


@dataclass(frozen=True)
class _Class:
    """A driver's class: how to read a call of its methods, and how to wrap each method."""

    module: str
    name: str
    read: Callable[..., Call]
    methods: Mapping[str, Callable[[Method, Read], Method]]


_SYNC: Final = {"execute": _at_once, "executemany": _at_once}
_ASYNC: Final = {"execute": _awaited, "executemany": _awaited}
_COPIES: Final = ("_copy_in", "_copy_in_records", "_copy_out")
_CLASSES: Final = (
    _Class("psycopg", "Cursor", _by_cursor, {**_SYNC, "copy": _in_block}),
    _Class("psycopg", "AsyncCursor", _by_cursor, {**_ASYNC, "copy": _in_awaited_block}),
    _Class("pg8000.dbapi", "Cursor", _by_cursor, _SYNC),
    _Class("pg8000.legacy", "Cursor", _by_cursor, _SYNC),
    _Class(
        "asyncpg.connection", "Connection", _by_asyncpg, {**_ASYNC, **dict.fromkeys(("_execute", *_COPIES), _awaited)}
    ),
    _Class(
        "asyncpg.prepared_stmt",
        "PreparedStatement",
        _by_prepared,
        dict.fromkeys(("fetch", "fetchval", "fetchrow", "executemany"), _awaited),
    ),
    _Class("sqlalchemy.connectors.asyncio", "AsyncAdapt_dbapi_cursor", _by_adapter, _SYNC),
    _Class("sqlalchemy.dialects.postgresql.asyncpg", "AsyncAdapt_asyncpg_cursor", _by_adapter, _SYNC),
    _Class("sqlalchemy.dialects.postgresql.psycopg", "AsyncAdapt_psycopg_cursor", _by_adapter, _SYNC),
)


def _wrap_drivers(*_: Any) -> None:
    """Wrap the methods of all drivers that are already imported, until the last listener ends."""
    for each in _CLASSES:
        module = sys.modules.get(each.module)
        owner = getattr(module, each.name, None)
        for name, wrap in each.methods.items():
            if name in vars(owner or object):
                _wrap(owner, name, wrap(vars(owner)[name], partial(each.read, module, name)))
    if psycopg2 := sys.modules.get("psycopg2"):
        _wrap(psycopg2, "_connect", _connecting_by(psycopg2._connect))  # noqa: SLF001 -- its classes are written in C


def _wrap(owner: Any, name: str, method: Method) -> None:
    original = vars(owner)[name]
    if not hasattr(original, _MARK):
        setattr(method, _MARK, True)
        setattr(owner, name, method)
        _Process.wrapped.callback(setattr, owner, name, original)


def _connecting_by(original: Method) -> Method:
    @wraps(original)
    def connect(dsn: Any, connection_factory: Any = None, **more: Any) -> Any:
        factory = connection_factory or sys.modules["psycopg2"].extensions.connection
        return original(
            dsn,
            connection_factory=_watched_connection(factory) if isinstance(factory, type) else factory,
            **more,
        )

    return connect


@cache
def _watched_connection(kind: Any) -> Any:
    """Return psycopg2's connection class with cursors that report their statements."""

    def cursor(self: Any, *args: Any, **more: Any) -> Any:
        made = kind.cursor(self, *args, **more)  # a cursor of the class that the revision or its connection names
        named = dict(zip(("name", "cursor_factory", "withhold", "scrollable"), args, strict=False))
        return kind.cursor(self, **{**named, **more, "cursor_factory": _watched_cursor(made.__class__)})

    return type(kind.__name__, (kind,), {"cursor": cursor})


@cache
def _watched_cursor(kind: Any) -> Any:
    module = sys.modules["psycopg2"]
    read: dict[str, Callable[..., Call]] = {
        **dict.fromkeys(("execute", "executemany", "callproc", "copy_expert"), _by_cursor),
        **dict.fromkeys(("copy_from", "copy_to"), _by_copy),
    }
    methods = {name: _at_once(getattr(kind, name), partial(each, module, name)) for name, each in read.items()}
    return type(kind.__name__, (kind,), methods)
