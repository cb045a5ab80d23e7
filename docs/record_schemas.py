"""JSON Schema (2020-12) of every record, from its dataclass and docstring.

Every field is required, because every field is always written. Unknown fields are allowed, because a later version may add some.
"""

import importlib
import json
import pkgutil
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import docstrings

from slipway import records
from slipway.records.form import Record
from slipway.structure import verbatim

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean"}


def kinds() -> list[type[Record]]:
    """Return every record with a JSON form of its own, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(records.__path__))
    modules = [importlib.import_module(f"{records.__name__}.{name}") for name in names]
    kinds_of_records = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Record)
    }
    return sorted(kinds_of_records, key=lambda kind: kind.SCHEMA)


def file_of(kind: type[Record]) -> str:
    """Return `outcome-1.json` for `slipway/outcome/1`."""
    return "-".join(kind.SCHEMA.split("/")[1:]) + ".json"


def text(kind: type[Record]) -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n"


def schema(kind: type[Record]) -> dict[str, Any]:
    """Return the schema of one record; raises ValueError when two of its parts have one name."""
    parts: dict[type, dict[str, Any]] = {}
    table = _table(kind, parts)
    table["properties"] = {"schema": {"const": kind.SCHEMA}, **table["properties"]}
    table["required"] = ["schema", *table["required"]]
    named = {part.__name__: schema for part, schema in parts.items()}
    if len(named) != len(parts):
        raise ValueError(f"two parts of {kind.__name__} have one name")
    head = {"$schema": _DIALECT, "$id": kind.SCHEMA, "title": kind.__name__}
    return head | table | ({"$defs": dict(sorted(named.items()))} if named else {})


def _table(kind: type, parts: dict[type, dict[str, Any]]) -> dict[str, Any]:
    hints, descriptions = typing.get_type_hints(kind), docstrings.of_fields(kind, verbatim)
    properties = {
        field.name: _value(hints[field.name], parts) | _description(descriptions.get(field.name, ""))
        for field in fields(kind)
    }
    return _description(docstrings.sentences(kind)) | {
        "type": "object",
        "properties": properties,
        "required": list(properties),
    }


def _value(hint: Any, parts: dict[type, dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of a type that `structure.read` understands; a class is described once, among the parts."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _either([_value(each, parts) for each in typing.get_args(hint)])
    if hint is type(None):
        return {"type": "null"}
    if origin is tuple:
        return {"type": "array", "items": _value(typing.get_args(hint)[0], parts)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _value(typing.get_args(hint)[1], parts)}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint not in parts:
        parts[hint] = {}  # before its fields are read, because it may contain itself
        parts[hint] = _enum(hint) if issubclass(hint, Enum) else _table(hint, parts)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _either(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    plain = [kind["type"] for kind in kinds if list(kind) == ["type"]]
    return {"type": plain} if len(plain) == len(kinds) else {"anyOf": kinds}


def _enum(kind: type[Enum]) -> dict[str, Any]:
    return _description(docstrings.sentences(kind)) | {"enum": [member.value for member in kind]}


def _description(words: str) -> dict[str, str]:
    return {"description": re.sub(r"\bNone\b", "null", words)} if words else {}
