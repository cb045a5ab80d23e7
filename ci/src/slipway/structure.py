"""Plain data to frozen dataclasses and back, strictly; the one reader beneath settings and records.

Libraries that do this are lenient where a settings file must not be (`"8000"` is no port, `"false"` is not true), and records are also
read in the service's own container, where there is nothing but the standard library.
"""

import difflib
import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, cast

T = TypeVar("T")
Spelling = Callable[[str], str]

_NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    type(None): "nothing",
}


class MismatchError(ValueError):
    """A value that does not fit: `at` is its dotted place, `problem` says what was found and what is allowed."""

    def __init__(self, at: str, problem: str) -> None:
        super().__init__(f"{at}: {problem}" if at else problem)
        self.at = at
        self.problem = problem


def verbatim(name: str) -> str:
    """Keys as the fields are called: the spelling of JSON records."""
    return name


def kebab(name: str) -> str:
    """Keys with dashes: the spelling of settings files."""
    return name.replace("_", "-")


def read(kind: type[T], value: object, at: str = "", spelling: Spelling = verbatim) -> T:
    """Read plain data (what JSON or TOML gives) as `kind`; raises MismatchError.

    Understood: dataclasses, text, numbers, booleans, enums by value, `X | None`, `tuple[X, ...]`, `Mapping[str, X]`.
    """
    return cast(T, _read(kind, value, at, spelling))


def write(value: object, spelling: Spelling = verbatim) -> Any:
    """The plain data of a dataclass; `read` gives the same value back."""
    if is_dataclass(value):
        return {spelling(field.name): write(getattr(value, field.name), spelling) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: write(item, spelling) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [write(item, spelling) for item in value]
    return value


def _read(kind: Any, value: object, at: str, spelling: Spelling) -> object:  # noqa: PLR0911 -- one return a kind
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_optional(kind, value, at, spelling)
    if origin is tuple:
        return _read_tuple(kind, value, at, spelling)
    if origin is not None and issubclass(origin, Mapping):
        return _read_mapping(kind, value, at, spelling)
    if is_dataclass(kind):
        return _read_dataclass(cast(type, kind), value, at, spelling)
    if issubclass(kind, Enum):
        return _read_enum(kind, value, at)
    if kind is float and type(value) is int and value.bit_length() < 1024:  # a larger one is no float
        return float(value)
    if type(value) is not kind:  # bool is an int to isinstance, and must not be one here
        raise MismatchError(at, f"found {describe(value)}, allowed is {_NAMES[kind]}")
    return value


def _read_optional(kind: Any, value: object, at: str, spelling: Spelling) -> object:
    if value is None:
        return None
    (inner,) = (argument for argument in typing.get_args(kind) if argument is not type(None))
    return _read(inner, value, at, spelling)


def _read_tuple(kind: Any, value: object, at: str, spelling: Spelling) -> object:
    if not isinstance(value, (list, tuple)):
        raise MismatchError(at, f"found {describe(value)}, allowed is a list")
    (item_kind, _) = typing.get_args(kind)
    return tuple(_read(item_kind, item, f"{at}[{index}]", spelling) for index, item in enumerate(value))


def _read_mapping(kind: Any, value: object, at: str, spelling: Spelling) -> object:
    _, item_kind = typing.get_args(kind)
    return {key: _read(item_kind, item, _under(at, key), spelling) for key, item in _table(value, at).items()}


def _read_enum(kind: type[Enum], value: object, at: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(repr(member.value) for member in kind)
        raise MismatchError(at, f"found {describe(value)}, allowed is one of {allowed}") from None


def _read_dataclass(kind: type, value: object, at: str, spelling: Spelling) -> object:
    table = _table(value, at)
    hints = _hints(kind)
    known = {spelling(field.name): field for field in fields(kind)}
    for key in table:
        if key not in known:
            raise MismatchError(_under(at, key), f"unknown key, {_suggestion(key, list(known))}")
    for key, field in known.items():
        if key not in table and not _has_default(field):
            raise MismatchError(_under(at, key), f"missing, it must be {_allowed(hints[field.name])}")
    given = {
        known[key].name: _read(hints[known[key].name], item, _under(at, key), spelling) for key, item in table.items()
    }
    try:
        return kind(**given)
    except MismatchError as error:  # from a __post_init__, which knows its key but not its place
        raise MismatchError(_under(at, error.at), error.problem) from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _table(value: object, at: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MismatchError(at, f"found {describe(value)}, allowed is a table")
    return value


def _under(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _suggestion(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed are {', '.join(known)}"


def _allowed(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return "a list"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    return _NAMES.get(kind, "a table")


def describe(value: object) -> str:
    """A found value in a sentence: itself where it is short, and its kind."""
    kind = _NAMES.get(type(value), type(value).__name__)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return f"{value!r:.60} ({kind})"
    return kind
