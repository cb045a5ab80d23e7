"""Sessions that a revision has changed (SET ROLE, SET search_path), restored for the next step and for our own queries.

In production the next revision may run in another session, so each is proven without the settings of the one before; leaked settings are a finding.
There are hundreds of settings, so they are read only around statements that appear to change some.
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
_BEFORE: Final = "slipway: before the session was changed"  # in the `info` of a connection, which lives as long as it


@contextmanager
def noting_changes() -> Iterator[None]:
    """Record the settings of sessions before statements that appear to change them, during the block."""

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
    """Return the step with the session restored at its end."""

    def run(**arguments: Any) -> None:
        connection = op.get_context().connection
        assert connection is not None
        connection.info.pop(_BEFORE, None)  # changed by env.py, not by the step
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
    """Query custom settings (`app.tenant`), which pg_settings does not list; an unset one counts as empty."""
    listed = ", ".join(literal(name) for name in names if "." in name) or "NULL"
    return f"SELECT name, coalesce(current_setting(name, true), '') FROM unnest(ARRAY[{listed}]::text[]) name WHERE name IS NOT NULL"
