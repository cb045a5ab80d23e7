"""The JSON form of a record: its fields under a line `schema` that names noun and version."""

import json
from pathlib import Path
from typing import Any, TypeVar

from slipway.errors import BadInputError
from slipway.structure import MismatchError, read, write

T = TypeVar("T")

MARK = "slipway-answer: "  # before a record that is one line of a log


def schema_of(kind: type) -> str:
    """The name and version of a noun's JSON form, as `slipway/proof/1`; it stands on the class as SCHEMA."""
    schema: str = kind.SCHEMA  # type: ignore[attr-defined]
    return schema


def to_data(record: Any) -> dict[str, Any]:
    """A record as plain data, its schema first."""
    return {"schema": schema_of(type(record)), **write(record)}


def to_json(record: Any, indent: int | None = 2) -> str:
    """A record as JSON text, plain ASCII; in one line without `indent`. GitHub's runner would obey `##[…]` in it: that is written another way."""
    return json.dumps(to_data(record), indent=indent).replace("##[", "\\u0023#[") + "\n"


def text_of(file: Path, what: str) -> str:
    """The text of a file that holds a record, called `what`; raises BadInputError."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{what} {file} cannot be read", error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{what} {file} is not UTF-8", str(error)) from error


def from_data(kind: type[T], data: object, origin: str) -> T:
    """Read a record from plain data; `origin` names where it came from. Raises BadInputError."""
    wanted = schema_of(kind)
    found = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(data, dict) or found != wanted:
        raise BadInputError(
            f"{origin} is no {wanted}", f"its schema is {found!r}; make it again with this version of slipway"
        )
    try:
        return read(kind, {key: value for key, value in data.items() if key != "schema"})
    except MismatchError as error:
        raise BadInputError(f"{origin} is no {wanted}", str(error)) from error


def from_json(kind: type[T], text: str, origin: str) -> T:
    """Read a record from JSON text; raises BadInputError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{origin} is not JSON", str(error)) from error
    return from_data(kind, data, origin)
