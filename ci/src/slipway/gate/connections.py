"""Redirect every connection of the service's code to one database of the gate, whatever makes the connection."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.engine import URL

from slipway.errors import BadInputError
from slipway.gate.databases import owner_of, spare
from slipway.gate.measure.role import has_role
from slipway.gate.measure.session import LIMITS, SESSION
from slipway.gate.redirection import Place, led_to
from slipway.migration.database import closed_afterwards, every_connection_to, for_driver, is_direct, sqlstate
from slipway.migration.environment import sentence
from slipway.migration.events import listening
from slipway.migration.reasons import CAUGHT

_ABORTED: Final = "25P02"  # "current transaction is aborted, commands ignored until end of transaction block"
# statements by which the server itself connects to another one
_OF_SERVER: Final = re.compile(r"\bdblink|\b(?:CREATE|ALTER)\s+(?:SERVER|SUBSCRIPTION)\b", re.IGNORECASE)


@contextmanager
def every_connection_led_to(
    database: URL, session: tuple[str, ...] = SESSION, before: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Redirect engines, drivers and started programs to a database during the block.

    Call `before` before each connection. Raise BadInputError when the redirection is impossible.
    """

    def exempt() -> bool:
        if not is_direct():
            before()
        return is_direct()

    def begun(connection: Any, _record: Any) -> None:
        if session == SESSION and not is_direct():
            has_role(connection)

    with (
        led_to(_place_of(database), exempt=exempt),
        listening(do_connect=lambda *_: exempt()),
        every_connection_to(database, session),
        listening(connect=begun, handle_error=_naming_the_first_error(), before_cursor_execute=_refuse_address),
    ):
        yield


def _refuse_address(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
    """Refuse a statement by which the server would connect to an address. The one in its environment replaces only names."""
    if _OF_SERVER.search(statement) and "hostaddr" in f"{statement} {parameters}".lower() and not is_direct():
        raise BadInputError(
            "the revision lets the server itself connect to another one, by hostaddr, and the gate does not execute this",
            "name the other server by host",
        )


def _naming_the_first_error() -> Callable[[Any], None]:
    """Return a listener that notes on "current transaction is aborted" the error before it, which the revision has caught."""
    first = ""

    def note(context: Any) -> None:
        nonlocal first
        error = context.original_exception
        if sqlstate(error) != _ABORTED:
            first = sentence(error)
        elif first:
            error.__notes__ = [f"{CAUGHT}{first}"]

    return note


@contextmanager
def every_connection_led_aside(server: URL, extensions: Sequence[str]) -> Iterator[None]:
    """Redirect the connections of code that is loaded to a database of their own, and close them after the block.

    An application may create tables when it is loaded, or keep a connection in its pool. The server's own database stays
    empty so, and env.py does not get that connection later.
    """
    with (
        spare(server, extensions) as (url, make),
        closed_afterwards(of_every_thread=True),
        every_connection_led_to(url, session=(), before=make),
    ):
        yield


def _place_of(database: URL) -> Place:
    query = dict(for_driver(database, "postgresql").query)
    hosts = query.get("host", database.host or "localhost")
    return Place(
        host=hosts if isinstance(hosts, str) else ",".join(hosts),
        port=int(str(query.get("port", database.port or 5432))),
        user=database.username or "",
        password=database.password,
        database=database.database or "",
        security={name: str(value) for name, value in query.items() if name.startswith("ssl")},
        session={**LIMITS, **({"role": owner} if (owner := owner_of(database)) else {})},
    )
