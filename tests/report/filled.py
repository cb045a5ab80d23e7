"""Every renderer of the package and a record for each of its parameters, found in the code: a new one is covered without being listed."""

import dataclasses
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache

from slipway import report
from slipway.records.outcome import Status
from slipway.records.plan import Action, State


def renderers():
    """The public functions that make text of a record, by the name of module and function."""
    found = {}
    for info in pkgutil.walk_packages(report.__path__, f"{report.__name__}."):
        for name, function in vars(importlib.import_module(info.name)).items():
            if inspect.isfunction(function) and function.__module__ == info.name and not name.startswith("_"):
                hints = typing.get_type_hints(function)
                result, kinds = hints.pop("return", None), list(hints.values())
                if result in (str, list[str], report_result()) and any(map(is_record, kinds)):
                    found[f"{info.name.removeprefix('slipway.report.')}.{name}"] = (function, kinds)
    return found


def report_result():
    return importlib.import_module("slipway.report.answers.result").CommandResult


def is_record(kind):
    return dataclasses.is_dataclass(kind) and kind.__module__.startswith("slipway.records.")


def filled(hint, text):  # noqa: PLR0911 -- one return for each kind of type
    """A value of a type with the text in every place where one may stand, and no place empty."""
    arguments = typing.get_args(hint)
    if hint is str:
        return f"{text} end"
    if isinstance(hint, types.UnionType):
        return filled(next(kind for kind in arguments if kind is not type(None)), text)
    if typing.get_origin(hint) is tuple:
        first = filled(arguments[0], text)
        return (first, first + 1) if isinstance(first, int | float) else (first, first)
    if typing.get_origin(hint) is Mapping:
        return {filled(arguments[0], text): filled(arguments[1], text)}
    if dataclasses.is_dataclass(hint):
        return hint(**{name: filled(kind, text) for name, kind in _hints(hint).items()})
    if issubclass(hint, Enum):
        return {State: State.LIVE, Action: Action.UPDATE, Status: Status.ROLLED_BACK}.get(hint, next(iter(hint)))
    return {bool: True, int: 3, float: 1.5}[hint]


@cache
def _hints(kind) -> dict[str, object]:
    """Return the types of a dataclass's fields."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def records_of(kind, text) -> Iterator[object]:
    """Records of a kind: all places filled, and each optional or listed part left out, for a report may stop early at one of them."""
    whole = filled(kind, text)
    yield whole
    for field in dataclasses.fields(whole):
        value = getattr(whole, field.name)
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if isinstance(value, str | tuple) and has_default:
            yield dataclasses.replace(whole, **{field.name: type(value)()})
