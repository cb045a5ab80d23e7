"""TOML: read by the standard library, or by tomli on Python 3.10, and like uv with a byte order mark; values are written here."""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib  # noqa: TID251 -- here it is defined for all
else:
    import tomli as tomllib


def loads(text: str) -> dict[str, Any]:
    """Read a document. Raise ValueError when it is not TOML."""
    return tomllib.loads(text.removeprefix("\ufeff"))


def written(value: object) -> str:
    """Return a text, number, truth value, list or table in one line, as the value of a key."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key_of(key)} = {written(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False).replace(
        "\x7f", "\\u007f"
    )  # the only one that JSON allows and TOML does not


def key_of(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else written(name)
