"""Redirect every connection of the service's code to one database of the gate, whatever makes the connection."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.engine import URL

from slipway.gate.databases import owner_of
from slipway.gate.measure.role import has_role
from slipway.gate.measure.session import LIMITS, SESSION
from slipway.gate.redirection import Place, led_to
from slipway.migration.database import every_connection_to, for_driver, is_direct, sqlstate
from slipway.migration.environment import sentence
from slipway.migration.events import listening

_ABORTED: Final = "25P02"  # "current transaction is aborted, commands ignored until end of transaction block"


@contextmanager
def every_connection_led_to(database: URL, session: tuple[str, ...] = SESSION) -> Iterator[None]:
    """Redirect engines, drivers and started programs to a database during the block.

    Raise BadInputError when this is impossible.
    """

    def begun(connection: Any, _record: Any) -> None:
        if session == SESSION and not is_direct():
            has_role(connection)

    with (
        led_to(_place_of(database), exempt=is_direct),
        every_connection_to(database, session),
        listening(connect=begun, handle_error=_naming_the_first_error()),
    ):
        yield


def _naming_the_first_error() -> Callable[[Any], None]:
    """Return a listener that notes on "current transaction is aborted" the error before it, which the revision has caught."""
    first = ""

    def note(context: Any) -> None:
        nonlocal first
        error = context.original_exception
        if sqlstate(error) != _ABORTED:
            first = sentence(error)
        elif first:
            error.__notes__ = [f"the transaction had failed before, and the error was caught: {first}"]

    return note


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
