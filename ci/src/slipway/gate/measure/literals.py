"""A statement whose parameters are replaced by SQL literals."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_PLACE = re.compile(r"%\((?P<name>[^)]+)\)s|(?P<next>%s)|\$(?P<number>\d+)|(?P<percent>%%)")


def with_parameters(sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None) -> str | None:
    """Replace the placeholders in a statement by literals. Return None when a parameter has no literal."""
    if not parameters:
        return sql
    by_key: Any = parameters
    following = iter(() if isinstance(parameters, Mapping) else parameters)

    def value(place: re.Match[str]) -> str:
        if place["percent"]:
            return "%"
        if place["next"]:
            return literal_of(next(following))
        if place["number"]:
            return literal_of(by_key[int(place["number"]) - 1])
        return literal_of(by_key[place["name"]])

    try:
        return _PLACE.sub(value, sql)
    except (TypeError, LookupError, StopIteration):
        return None


def literal_of(value: Any) -> str:
    """Return a value as an SQL literal. Raise TypeError for an unknown type."""
    return "NULL" if value is None else "'" + _text_of(value).replace("'", "''") + "'"


def _text_of(value: Any) -> str:
    for kinds, write in _WRITTEN:
        if isinstance(value, kinds):
            return write(value)
    wrapped = getattr(value, "obj", None)  # psycopg's Json
    if wrapped is None:
        raise TypeError(type(value).__name__)
    return json.dumps(wrapped)


def _array(values: Sequence[Any]) -> str:
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None or isinstance(value, list | tuple):
        return "NULL" if value is None else _array(value)
    return '"' + _text_of(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITTEN: tuple[tuple[tuple[type, ...], Callable[[Any], str]], ...] = (
    ((bool,), lambda value: str(value).lower()),
    ((Enum,), lambda value: value.name),
    ((str, int, float, Decimal, UUID), str),
    ((datetime, date, time), lambda value: value.isoformat()),
    ((timedelta,), lambda value: f"{value.total_seconds()} seconds"),
    ((bytes, bytearray, memoryview), lambda value: f"\\x{bytes(value).hex()}"),
    ((Mapping,), json.dumps),
    ((list, tuple), _array),
)
