"""Strict conversion of plain data to frozen dataclasses and back, for settings and records.

Settings files need a stricter conversion than libraries offer: `"8000"` is no port, `"false"` is not false. Records are
also read in the service's own container, which has only the standard library.
"""

import difflib
import functools
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
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
    """A value that does not fit. `at` is its dotted key; `problem` says which value was found and which are allowed."""

    def __init__(self, at: str, problem: str) -> None:
        super().__init__(f"{at}: {problem}" if at else problem)
        self.at = at
        self.problem = problem


class UnknownKeyError(MismatchError):
    """A key that a table does not have."""


@dataclass(frozen=True)
class Range:
    """A constraint: a number from `least` to `most`, both included."""

    least: int
    most: int | None = None

    @property
    def allowed(self) -> str:
        return f"{self.least} or more" if self.most is None else f"{self.least} to {self.most}"

    def check(self, value: Any, at: str) -> None:
        """Raise MismatchError when the number is out of range."""
        if value < self.least or (self.most is not None and value > self.most):
            raise MismatchError(at, f"found {value}, allowed is {self.allowed}")


@dataclass(frozen=True)
class Pattern:
    """A constraint: a text that matches `expression` as a whole.

    `allowed` describes it. An error never repeats a secret text.
    """

    expression: str
    allowed: str
    secret: bool = False

    def fits(self, value: str) -> bool:
        return re.fullmatch(self.expression, value) is not None

    def check(self, value: Any, at: str) -> None:
        """Raise MismatchError when the text does not match."""
        if not self.fits(value):
            shown = "something else" if self.secret else f"{value!r:.80}"
            raise MismatchError(at, f"found {shown}, allowed is {self.allowed}")


@dataclass(frozen=True)
class Filled:
    """A constraint: a list with at least one item. `allowed` describes it."""

    allowed: str

    def check(self, value: Any, at: str) -> None:
        """Raise MismatchError when the list is empty."""
        if not value:
            raise MismatchError(at, f"found an empty list, allowed is {self.allowed}")


Constraint = Range | Pattern | Filled


@dataclass(frozen=True, eq=False)
class Variants:
    """The classes of a table, by the value of its `key`.

    Other values, and a missing optional key, take the annotated class.
    For a union, the first class is the annotated one.
    """

    key: str
    kinds: Mapping[object, type]


class Constrained:
    """A dataclass that checks its annotated constraints when an instance is made."""

    def __post_init__(self) -> None:
        hints = _hints(cast(Any, type(self)))
        for field in fields(cast(Any, self)):
            _check(hints[field.name], getattr(self, field.name), kebab(field.name))


def constraints(kind: Any) -> tuple[Constraint, ...]:
    """Return the constraints of an annotated type, including those behind `| None`, on the items of a list, or on the values of a table."""
    return (*_own(kind), *(each for argument in typing.get_args(kind) for each in constraints(argument)))


def _own(kind: Any) -> tuple[Constraint, ...]:
    return tuple(each for each in getattr(kind, "__metadata__", ()) if isinstance(each, Constraint))


def _check(kind: Any, value: Any, at: str) -> None:
    """Raise MismatchError for the first constraint that a value, or a part of it, breaks."""
    if value is None:
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        for constraint in _own(kind):
            constraint.check(value, at)
        _check(arguments[0], value, at)
    elif origin in (typing.Union, types.UnionType):
        for each in arguments:
            _check(each, value, at)
    elif origin is tuple:
        for index, item in enumerate(value):
            _check(arguments[0], item, f"{at}[{index}]")
    elif origin is not None and issubclass(origin, Mapping):
        for key, item in value.items():
            _check(arguments[0], key, _under(at, key))
            _check(arguments[1], item, _under(at, key))


def verbatim(name: str) -> str:
    """Return a field's name unchanged, as in JSON records."""
    return name


def kebab(name: str) -> str:
    """Return a field's name with dashes, as in settings files.

    The underscore at the end of a field that is named after a Python keyword is dropped.
    """
    return name.removesuffix("_").replace("_", "-")


def read(kind: type[T], value: object, at: str = "", spelling: Spelling = verbatim) -> T:
    """Read plain data from JSON or TOML as `kind`. Raise MismatchError when it does not fit.

    Supported are dataclasses, text, numbers, booleans, enums by value, `X | None`, `tuple[X, ...]`, `Mapping[str, X]`,
    and all of these `Annotated` with constraints or variants.
    """
    return cast(T, _read(kind, value, at, spelling))


def write(value: object, spelling: Spelling = verbatim) -> Any:
    """Return the plain data of a dataclass, from which `read` returns an equal one."""
    if is_dataclass(value):
        return {spelling(field.name): write(getattr(value, field.name), spelling) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: write(item, spelling) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [write(item, spelling) for item in value]
    return value


def _read(kind: Any, value: object, at: str, spelling: Spelling) -> object:  # noqa: PLR0911 -- one return per kind
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _read_annotated(kind, value, at, spelling)
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
    if kind is float and type(value) is int and value.bit_length() < 1024:  # a larger one does not fit into a float
        return float(value)
    if type(value) is not kind:  # isinstance would accept a bool as an int
        raise MismatchError(at, f"found {describe(value)}, allowed is {_NAMES[kind]}")
    return value


def _read_annotated(kind: Any, value: object, at: str, spelling: Spelling) -> object:
    plain = typing.get_args(kind)[0]
    if isinstance(plain, types.UnionType):
        plain = typing.get_args(plain)[0]
    for variants in (each for each in kind.__metadata__ if isinstance(each, Variants)):
        return _read_variant(plain, variants, _table(value, at), at, spelling)
    value_read = _read(plain, value, at, spelling)
    for constraint in _own(kind):
        constraint.check(value_read, at)
    return value_read


def _read_variant(plain: type, variants: Variants, table: Mapping[str, object], at: str, spelling: Spelling) -> object:
    """Read a table as the class for its key's value.

    A key that belongs to another class is reported together with that class.
    """
    chosen = _variant(plain, variants, table, at)
    try:
        return _read(chosen, table, at, spelling)
    except UnknownKeyError as error:
        path = error.at.removeprefix(f"{at}.").split(".")
        others = [tag for tag, kind in variants.kinds.items() if kind is not chosen and _has(kind, path, spelling)]
        if not others:
            raise
        named = " and ".join(repr(tag.value if isinstance(tag, Enum) else tag) for tag in others)
        found = f"with {variants.key} {table[variants.key]!r}" if variants.key in table else f"without {variants.key}"
        raise MismatchError(error.at, f"found {found}, only {variants.key} {named} has it") from None


def _has(kind: Any, path: Sequence[str], spelling: Spelling) -> bool:
    """Return whether a class has a key at this path, through nested tables."""
    for part in (kind, *typing.get_args(kind)):
        if is_dataclass(part):
            hints = {spelling(name): hint for name, hint in _hints(cast(type, part)).items()}
            return path[0] in hints and (len(path) == 1 or _has(hints[path[0]], path[1:], spelling))
    return False


def _variant(plain: type, variants: Variants, table: Mapping[str, object], at: str) -> type:
    """Return the class of a table. The value of its key is read first, because the other keys depend on it."""
    kind = _hints(plain)[variants.key]
    if variants.key not in table:
        if any(field.name == variants.key and _has_default(field) for field in fields(cast(Any, plain))):
            return plain
        raise _missing(kind, _under(at, variants.key))
    return variants.kinds.get(_read(kind, table[variants.key], _under(at, variants.key), verbatim), plain)


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
    key_kind, item_kind = typing.get_args(kind)
    return {
        _read(key_kind, key, _under(at, key), spelling): _read(item_kind, item, _under(at, key), spelling)
        for key, item in _table(value, at).items()
    }


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
            raise UnknownKeyError(_under(at, key), f"unknown key, {_suggestion(key, list(known))}")
    for key, field in known.items():
        if key not in table and not _has_default(field):
            raise _missing(hints[field.name], _under(at, key))
    values = {
        known[key].name: _read(hints[known[key].name], item, _under(at, key), spelling) for key, item in table.items()
    }
    try:
        return kind(**values)
    except MismatchError as error:  # raised by a __post_init__, which knows only the key within its own table
        raise MismatchError(_under(at, error.at), error.problem) from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _has_default(field: "Field[Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _table(value: object, at: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise MismatchError(at, f"found {describe(value)}, allowed is a table")
    return value


def _under(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def nearest(name: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """Return the known name that resembles a misspelt one; empty when none does.

    Names with different numbers are different names.
    """
    same = [each for each in known if _numbers(each) == _numbers(name)]
    return next(iter(difflib.get_close_matches(name, same, n=1, cutoff=cutoff)), "")


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _suggestion(key: str, known: Sequence[str]) -> str:
    alike = [name for name in known if name[:2] == key[:2]]  # so that `managed` resembles `made`
    close = nearest(key, known) or nearest(key, alike, 0.5)
    return f"did you mean {close}?" if close else f"allowed are {', '.join(known)}"


def _missing(kind: Any, at: str) -> MismatchError:
    return MismatchError(at, f"missing, it must be {_allowed(kind)}")


def _allowed(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Annotated:
        named = (constraint.allowed for constraint in _own(kind))
        return next(named, None) or _allowed(typing.get_args(kind)[0])
    if typing.get_origin(kind) is tuple:
        return "a list"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(repr(member.value) for member in kind)
    return _NAMES.get(kind, "a table")


def describe(value: object) -> str:
    """Return words for a value: texts and numbers with their kind, cut to 60 characters; the kind alone for others."""
    kind = _NAMES.get(type(value), type(value).__name__)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return f"{value!r:.60} ({kind})"
    return kind
