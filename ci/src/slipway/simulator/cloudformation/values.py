"""The values of properties: whether they fit a kind's schema, which of them changed, and how they have drifted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slipway.resource_kinds import ResourceKind

_DYNAMIC = "{{resolve:"
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": (bool, str),  # CloudFormation also reads "true" and "8000"
    "integer": (int, str),
    "number": (int, float, str),
    "object": Mapping,
    "string": (str, int, float),
}


def mismatches(kind: ResourceKind, properties: Mapping[str, Any]) -> list[str]:
    """Return where properties do not fit the kind's schema, in CloudFormation's words [F]."""
    read_only = [f"/{path}: a read-only property cannot be set" for path in kind.read_only if path in properties]
    return [*read_only, *_mismatches(kind.values, kind.values, properties, "")]


def _mismatches(root: Mapping[str, Any], schema: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    schema = _followed(root, schema)
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", [])
    if types and not isinstance(value, tuple(part for name in types for part in _parts(_TYPES[name]))):
        yield f"{at}: expected type: {types[0].capitalize()}, found: {type(value).__name__}"
    elif isinstance(value, Mapping) and "properties" in schema:
        for name in schema.get("required", []):
            if name not in value:
                yield f"{at}: required key [{name}] not found"
        for name, item in value.items():
            if name not in schema["properties"]:
                yield f"{at}: extraneous key [{name}] is not permitted"
            else:
                yield from _mismatches(root, schema["properties"][name], item, f"{at}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mismatches(root, schema.get("items", {}), item, f"{at}/{index}")
    elif "enum" in schema and str(value) not in map(str, schema["enum"]):
        yield f"{at}: #: {value} is not a valid enum value"


def _followed(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        below: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            below = below.get(part, {})
        schema = below
    return schema


def _parts(kinds: type | tuple[type, ...]) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def changed_paths(before: Any, after: Any, at: str = "") -> Iterator[str]:
    """Yield the paths, below the properties, at which two values differ. All items of a list have the path `*`."""
    if (isinstance(before, Mapping) or isinstance(after, Mapping)) and not (is_function(before) or is_function(after)):
        left, right = (side if isinstance(side, Mapping) else {} for side in (before, after))
        if not left and not right and before != after:
            yield at
        for key in dict.fromkeys((*left, *right)):
            yield from changed_paths(left.get(key), right.get(key), f"{at}/{key}".lstrip("/"))
    elif not is_same(before, after):
        yield at


def is_same(one: Any, other: Any) -> bool:
    """Compare values as CloudFormation does: 5432 equals "5432", true equals "true", and a policy as text equals the document."""
    match one, other:
        case (Mapping(), Mapping()):
            return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
        case (list(), list()):
            return len(one) == len(other) and all(map(is_same, one, other))
        case (str(), Mapping() | list()):
            return (document := _document(one)) is not None and is_same(document, other)
        case (Mapping() | list(), str()):
            return is_same(other, one)
        case (Mapping() | list() | None, _) | (_, Mapping() | list() | None):
            return one is other
        case _:
            return plain(one) == plain(other)


def is_function(value: Any) -> bool:
    """Return whether a value is one of CloudFormation's functions, whose result is not known yet."""
    return isinstance(value, Mapping) and len(value) == 1 and str(next(iter(value))).startswith(("Fn::", "Ref"))


def _document(text: str) -> Any:
    try:
        return json.loads(text) if text.startswith(("{", "[")) else None
    except ValueError:
        return None


def plain(value: Any) -> str:
    """Return a value as text in CloudFormation's form."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A property that differs from the template."""

    path: str  # /SecurityGroupIngress/1
    expected: Any
    actual: Any
    type: str  # ADD, REMOVE or NOT_EQUAL

    def description(self) -> dict[str, str]:
        """Return the API's PropertyDifference, whose values are texts."""
        return {
            "PropertyPath": self.path,
            "ExpectedValue": as_text(self.expected),
            "ActualValue": as_text(self.actual),
            "DifferenceType": self.type,
        }


def as_text(value: Any) -> str:
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, (Mapping, list)) else plain(value)


def differences(kind: ResourceKind, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[Difference]:
    """Return the drift of the properties that a template sets.

    Write-only properties are left out, because AWS does not return them [G].
    """
    compared = {key: value for key, value in expected.items() if key not in kind.write_only}
    return [each for key, value in compared.items() for each in _differences(value, actual.get(key), f"/{key}")]


def _differences(expected: Any, actual: Any, at: str) -> Iterator[Difference]:
    if is_same(expected, actual) or (isinstance(expected, str) and _DYNAMIC in expected):
        return
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for key in dict.fromkeys((*expected, *actual)):
            yield from _differences(expected.get(key), actual.get(key), f"{at}/{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        yield from _differences_of_lists(expected, actual, at)
    elif actual is None or expected is None:
        how = "REMOVE" if actual is None else "ADD"
        yield Difference(path=at, expected=expected, actual=actual, type=how)
    else:
        yield Difference(path=at, expected=expected, actual=actual, type="NOT_EQUAL")


def _differences_of_lists(expected: list[Any], actual: list[Any], at: str) -> Iterator[Difference]:
    """Compare lists in any order: equal items are matched first, then the others in their order."""
    unmatched = list(enumerate(actual))
    missing = []
    for index, item in enumerate(expected):
        same = next((each for each in unmatched if is_same(item, each[1])), None)
        if same is None:
            missing.append((index, item))
        else:
            unmatched.remove(same)
    for (index, item), (_, other) in zip(missing, unmatched, strict=False):
        yield from _differences(item, other, f"{at}/{index}")
    for index, item in missing[len(unmatched) :]:
        yield Difference(path=f"{at}/{index}", expected=item, actual=None, type="REMOVE")
    for index, item in unmatched[len(missing) :]:
        yield Difference(path=f"{at}/{index}", expected=None, actual=item, type="ADD")
