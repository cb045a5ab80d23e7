"""A session that a revision has changed (SET ROLE, SET search_path) is as before for the next step, and for our own questions.

In production the next revision may run in another session, so none is proven with what the one before it has left; that is a finding of its own.
The settings are only looked at around statements that look as if they changed some, for there are hundreds.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from alembic import op
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from slipway.gate.measure.dbapi import literal, query

_CHANGES: Final = re.compile(
    r"(?:\A|;)\s*(?:SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)|SET\s+LOCAL\s+(?:SEARCH_PATH|ROLE|SESSION)\b|RESET\b|DISCARD\b)|\bset_config\s*\(",
    re.IGNORECASE,
)
_CUSTOM: Final = re.compile(r"\b(?:SET|SESSION)\s+(\w+\.\w+)|\bset_config\s*\(\s*'(\w+\.\w+)'", re.IGNORECASE)
_WHO: Final = "SELECT session_user, current_user"
_SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE context IN ('user', 'superuser')"
_BEFORE: Final = (
    "slipway: before the session was changed"  # in SQLAlchemy's notes on a connection, which live as long as it
)


@contextmanager
def noting_changes() -> Iterator[None]:
    """Within this block it is noted what sessions were like before statements that look as if they changed them."""

    def before(connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        if not _CHANGES.search(sql):
            return
        there = connection.connection
        if _BEFORE not in connection.info:
            connection.info[_BEFORE] = (query(there, _WHO)[0], _values(there, _SETTINGS))
        settings: dict[str, str] = connection.info[_BEFORE][1]
        named = {name for pair in _CUSTOM.findall(sql) for name in pair if name and name not in settings}
        settings.update(_values(there, _custom(named)) if named else {})

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def leaving_the_session(function: Callable[..., None]) -> Callable[..., None]:
    """The same step, which leaves the session as it was."""

    def run(**arguments: Any) -> None:
        connection = op.get_context().connection
        assert connection is not None
        connection.info.pop(_BEFORE, None)  # what env.py said is none of the step's doing
        function(**arguments)
        if not connection.closed and (before := connection.info.pop(_BEFORE, None)):
            _restore(connection.connection, *before)

    return run


def _restore(there: Any, who: tuple[str, str], settings: dict[str, str]) -> None:
    session_user, current_user = query(there, _WHO)[0]
    with closing(there.cursor()) as cursor:
        if session_user != who[0]:
            cursor.execute("RESET SESSION AUTHORIZATION")
        if current_user != who[1]:
            cursor.execute(f"SET ROLE {literal(who[1]) if who[1] != who[0] else 'none'}")
    for name, value in {**_values(there, _SETTINGS), **_values(there, _custom(settings))}.items():
        if settings.get(name, value) != value:
            query(there, f"SELECT set_config({literal(name)}, {literal(settings[name])}, false)")


def _values(there: Any, settings: str) -> dict[str, str]:
    return dict(map(tuple, query(there, settings)))


def _custom(names: Iterable[str]) -> str:
    """The settings of an application's own (`app.tenant`), which Postgres lists nowhere; one that was never set is as an empty one."""
    listed = ", ".join(literal(name) for name in names if "." in name) or "NULL"
    return f"SELECT name, coalesce(current_setting(name, true), '') FROM unnest(ARRAY[{listed}]::text[]) name WHERE name IS NOT NULL"
