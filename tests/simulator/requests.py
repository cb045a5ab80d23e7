"""Requests made from botocore's service models: ones that fit, and for each documented constraint ones that violate it alone."""

import base64
import copy
import re
import re._constants as c
import re._parser as parser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from slipway.simulator.contract import in_python

_LONGEST = 60_000  # of a value that is too long; larger limits take longer to send than they are worth
_OTHER_TYPE = {"string": [], "list": "text", "map": "text", "structure": "text", "boolean": "text", "blob": 7}
_STRANGE = ("\n", " ", "!", "\u2603", "\x00", "a b", "aws:x", "-", "/", "_", "A", "1", "a")
_NUMBERS = ("integer", "long", "double", "float", "timestamp")


@dataclass(frozen=True)
class Violation:
    """A request that violates one constraint of a shape; `kind` names it, with the member."""

    shape: str
    kind: str
    request: Any


def fitting(shape: Any, *, full: bool, within: tuple[str, ...] = ()) -> Any:
    """Return a value that meets the constraints of a shape; with all members if `full`, otherwise with the required ones."""
    inner, least = (*within, shape.name), shape.metadata.get("min", 0)
    found: Any = max(1, least)  # a number
    match shape.type_name:
        case "structure":
            names = shape.members if full else shape.required_members
            chosen = {name: shape.members[name] for name in names if shape.members[name].name not in inner}
            found = {name: fitting(member, full=full, within=inner) for name, member in chosen.items()}
        case "list":
            found = [fitting(shape.member, full=full, within=inner) for _ in range(max(least, int(full)))]
        case "map":
            pair = (fitting(shape.key, full=full), fitting(shape.value, full=full, within=inner))
            found = dict([pair] if full or least else [])
        case "string":
            found = text(shape)
        case "blob":
            found = base64.b64encode(b"x" * max(1, least)).decode()
        case "boolean":
            found = True
    return found


def text(shape: Any, length: int | None = None) -> str:
    """Return a text that fits, of a certain length if there is one; raises LookupError."""
    if enum := shape.metadata.get("enum"):
        return str(enum[0])
    least, most = shape.metadata.get("min", 1), shape.metadata.get("max", 1 << 16)
    pattern = in_python(shape.metadata.get("pattern", ".*"))
    parsed = parser.parse(pattern)
    for repeats in range(max(length or 0, least, 64) + 1):
        found = _sample(parsed, repeats)
        fits = least <= len(found) <= most and re.fullmatch(pattern, found)
        if fits and length in (None, len(found)):
            return found
    raise LookupError(f"no sample of {pattern}")


def _sample(parsed: Any, repeats: int) -> str:
    """Return a text of a pattern's parse tree in which everything repeatable is repeated so often, as far as it may."""
    parts = []
    for operator, argument in parsed:
        match operator:
            case c.LITERAL:
                parts.append(chr(argument))
            case c.IN:
                parts.append(_one_of(argument))
            case c.MAX_REPEAT | c.MIN_REPEAT | c.POSSESSIVE_REPEAT:
                least, most, inner = argument
                parts.append(_sample(inner, repeats) * max(least, min(most, repeats)))
            case c.SUBPATTERN:
                parts.append(_sample(argument[-1], repeats))
            case c.BRANCH:
                parts.append(_sample(argument[1][0], repeats))
            case c.AT | c.ASSERT | c.ASSERT_NOT:
                pass
            case _:
                parts.append("a")
    return "".join(parts)


def _one_of(items: Any) -> str:
    literals = [chr(argument) for operator, argument in items if operator is c.LITERAL]
    ranges = [chr(argument[0]) for operator, argument in items if operator is c.RANGE]
    classes = ["1" for operator, argument in items if operator is c.CATEGORY and argument is c.CATEGORY_DIGIT]
    printable = [each for each in (*ranges, *literals, *classes, "a") if each.isprintable()]
    return "a" if items[0][0] is c.NEGATE else printable[0]


def violations(shape: Any) -> Iterator[Violation]:
    """Yield a request for each constraint that a request could violate: type, unknown and missing members, sizes, enums, patterns."""
    whole = fitting(shape, full=True)
    yield from _below(shape, lambda value: value, whole)


def _below(shape: Any, put: Callable[[Any], Any], value: Any) -> Iterator[Violation]:
    """Yield the violations of a shape and the shapes in it; `put` builds the whole request around another value."""
    for kind, wrong in _of(shape, value):
        yield Violation(shape.name, kind, put(wrong))
    if shape.type_name == "map":
        for key, inner in value.items():
            keys = ((kind, wrong) for kind, wrong in _of(shape.key, key) if isinstance(wrong, str))
            yield from (Violation(shape.key.name, kind, put({wrong: inner})) for kind, wrong in keys)
    for key, member, inner in _members(shape, value):

        def within(wrong: Any, key: Any = key) -> Any:
            around = copy.copy(value)
            around[key] = wrong
            return put(around)

        yield from _below(member, within, inner)


def _members(shape: Any, value: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the key, the shape and the value of what is directly in a value."""
    match shape.type_name:
        case "structure":
            yield from ((name, shape.members[name], inner) for name, inner in value.items())
        case "list" if value:
            yield 0, shape.member, value[0]
        case "map":
            yield from ((key, shape.value, inner) for key, inner in value.items())


def _of(shape: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield wrong values in place of one that fits."""
    facts, kind = shape.metadata, shape.type_name
    if kind == "structure":
        yield from (
            (f"required {name}", {key: value[key] for key in value if key != name}) for name in shape.required_members
        )
        yield "unknown", value | {"Unknown": "x"}
    yield f"type {kind}", _OTHER_TYPE.get(kind, "text")
    if kind in _NUMBERS:
        yield from _sizes(facts, lambda size: size)
    elif kind in ("string", "list", "map", "blob"):
        yield from _sizes(facts, lambda size: _sized(kind, value, size))
    if kind == "string" and "enum" in facts:
        yield "enum", "nonsense"
    elif kind == "string" and "pattern" in facts and (strange := _strange(shape)) is not None:
        yield "pattern", strange


def _sizes(facts: Any, sized: Callable[[int], Any]) -> Iterator[tuple[str, Any]]:
    if facts.get("min", 0) > 0:
        yield "min", sized(facts["min"] - 1)
    if "max" in facts and facts["max"] < _LONGEST:
        yield "max", sized(facts["max"] + 1)


def _sized(kind: str, value: Any, size: int) -> Any:
    match kind:
        case "string":
            return (value or "a")[:1] * size
        case "list":
            return [value[0]] * size if value else []
        case "map":
            return {f"{next(iter(value), 'a')}{place}": next(iter(value.values()), "a") for place in range(size)}
        case _:
            return base64.b64encode(b"x" * size).decode()


def _strange(shape: Any) -> str | None:
    """Return a text of an allowed length that the pattern does not allow."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 16)
    pattern = in_python(shape.metadata["pattern"])
    texts = (each * max(1, -(-least // len(each))) for each in _STRANGE)
    return next((each for each in texts if len(each) <= most and not re.fullmatch(pattern, each)), None)
