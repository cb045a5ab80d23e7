"""The Python types of the values that a release reads: after a change of a column's type its driver may return others, and no error says so.

A time with a zone cannot be compared with one without, a Decimal is no JSON. SQLAlchemy converts between float and Decimal itself.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from sqlalchemy.engine import Connection

from slipway.gate.layers.queries import Query, Refused, executed
from slipway.gate.measure.session import taken_back

READ: Final = "a read value"  # in the place of an SQLSTATE
_ALIKE: Final = {"float": "Decimal"}


def kinds(connection: Connection, query: Query, columns: Collection[str]) -> Mapping[str, str]:
    """Return the kind of value by result column of a SELECT that works, for `columns` of tables and as far as its rows hold values.

    Other columns may hold values of several kinds, such as JSON. SQLAlchemy labels a column as `table_column`, too.
    """
    with taken_back(connection.connection, alone=True):
        rows = executed(connection, query.sql).mappings().all()
    names = {name for row in rows for name in row if any(f"_{name}".endswith(f"_{column}") for column in columns)}
    return {name: _kind(row[name]) for row in rows for name in names if row[name] not in (None, [])}


def differences(query: Query, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Refused]:
    """Yield the columns whose values have another type."""
    for column, kind in now.items():
        was = before.get(column, kind)
        if _ALIKE.get(was, was) != _ALIKE.get(kind, kind):
            words = f'the previous release reads {kind} instead of {was} from column "{column}"'
            yield Refused(query, words, READ)


def _kind(value: Any) -> str:
    name = type(value).__name__
    if name in ("datetime", "time"):
        return f"{name} {'without' if value.tzinfo is None else 'with'} a zone"
    return f"list of {_kind(value[0])}" if isinstance(value, list) else name
