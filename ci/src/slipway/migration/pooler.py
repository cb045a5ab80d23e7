"""Poolers in front of Postgres. Behind a pooler, a session's settings and advisory locks may affect other clients.

When a client connects, a pooler announces a process id of its own; Postgres announces the one that `pg_backend_pid()`
returns. A pooler that keeps one session per client is harmless, so it counts as shared only when two clients get the
same process. The check changes nothing on the server.
"""

import re
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError
from slipway.migration.database import elsewhere, sqlstate

_PROCESS: Final = text("SELECT pg_backend_pid()")
_ROUNDS: Final = 3
# invalid_sql_statement_name and duplicate_prepared_statement: one session prepared the statement, another executed it
_OF_ANOTHER_SESSION: Final = {"26000", "42P05"}

_RDS_PROXY: Final = re.compile(r"\.proxy-[^.]+\.[^.]+\.rds\.amazonaws\.com(\.cn)?\Z")
_NEON: Final = re.compile(r"\A([^.]+)-pooler\.(.+\.neon\.tech)\Z")
_SUPABASE: Final = re.compile(r"\.supabase\.(co|com)\Z")
_SUPABASE_PORT: Final = 6543


def check_own_session(url: URL, connection: Connection) -> None:
    """Raise BadInputError when the sessions at this URL are shared with other clients."""
    host, port = url.host or "", url.port or 5432
    direct = _direct(host, port) or (
        _is_shared(url, connection) and "give the host and the port of Postgres itself, not of the pooler"
    )
    if direct:
        raise BadInputError(
            f"the database's URL leads to a pooler at {host}:{port}, which shares each session among several clients",
            direct,
        )


def _direct(host: str, port: int) -> str:
    """Return which URL to use instead of a known service's pooler; an empty text for other URLs."""
    if _RDS_PROXY.search(host):
        return "give the endpoint of the instance or the cluster behind the RDS Proxy"
    if neon := _NEON.match(host):
        return f"give Neon's direct host {neon[1]}.{neon[2]}"
    if _SUPABASE.search(host) and port == _SUPABASE_PORT:
        return "give port 5432 of the same host, where Supabase keeps a session for each client"
    return ""


def _is_shared(url: URL, connection: Connection) -> bool:
    try:
        own = connection.scalar(_PROCESS)
        if own == _announced(connection):
            return False
        return any(
            elsewhere(url, lambda other: other.scalar(_PROCESS)) == own or connection.scalar(_PROCESS) != own
            for _ in range(_ROUNDS)
        )
    except DBAPIError as error:
        if sqlstate(error) in _OF_ANOTHER_SESSION:
            return True
        raise


def _announced(connection: Connection) -> int | None:
    """Return the process that the server announced to the driver; None when the driver does not expose it."""
    driver: Any = getattr(connection.connection, "driver_connection", None)
    with suppress(AttributeError):
        return int(driver.info.backend_pid)
    with suppress(AttributeError):
        return int(driver.get_server_pid())
    return None
