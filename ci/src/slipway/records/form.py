"""The JSON form of a record: its fields, and `schema` with the record's name and version."""

import json
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from slipway.errors import BadInputError
from slipway.structure import MismatchError, read, write

T = TypeVar("T")

MARK = "slipway-answer: "  # prefix of a record that is one line of a log


class Record:
    """The base class of dataclasses with a JSON form. `schema` is the form's name and version, such as `slipway/proof/1`."""

    SCHEMA: ClassVar[str]

    def __init_subclass__(cls, *, schema: str) -> None:
        cls.SCHEMA = schema


def to_data(record: Record) -> dict[str, Any]:
    """Convert a record to plain data, with the key `schema` first."""
    return {"schema": record.SCHEMA, **write(record)}


def to_json(record: Record, indent: int | None = 2) -> str:
    """Write a record as ASCII JSON, in one line without `indent`. Escape `##[`, which GitHub's runner would execute."""
    return json.dumps(to_data(record), indent=indent).replace("##[", "\\u0023#[") + "\n"


def text_of(file: Path, what: str) -> str:
    """Read a file. `what` describes the file in the BadInputError."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            f"cannot read {what} {file}", f"{error.strerror or error}; pass a file that exists"
        ) from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"{what} {file} is not UTF-8", f"{error}; save it as UTF-8") from error


def from_data(kind: type[T], data: object, origin: str) -> T:
    """Read a record from plain data. `origin` names the data's source in the BadInputError."""
    expected: str = kind.SCHEMA  # type: ignore[attr-defined]
    found = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(data, dict) or found != expected:
        raise BadInputError(
            f"{origin} is no {expected}", f"its schema is {found!r}; create it again with this version of slipway"
        )
    try:
        return read(kind, {key: value for key, value in data.items() if key != "schema"})
    except MismatchError as error:
        raise BadInputError(
            f"{origin} is no {expected} ({error})", "create it again with this version of slipway"
        ) from error


def from_json(kind: type[T], text: str, origin: str) -> T:
    """Read a record from JSON text. Raise BadInputError when the text is not such a record."""
    if not text.strip():
        raise BadInputError(
            f"{origin} is not JSON", "it is empty; look at the message of the command that was to write it"
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{origin} is not JSON", f"{error}; create it again") from error
    return from_data(kind, data, origin)
