"""The reader of TOML: the standard library's, or tomli on Python 3.10. Like uv's, it accepts a byte order mark."""

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib  # noqa: TID251 -- here it is defined for all
else:
    import tomli as tomllib


def loads(text: str) -> dict[str, Any]:
    """Read a document. Raise ValueError when it is not TOML."""
    return tomllib.loads(text.removeprefix("\ufeff"))
