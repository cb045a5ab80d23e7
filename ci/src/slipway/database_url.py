"""The parts of a database's URL, for services that take them in separate variables."""

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit


def parts_of(url: str) -> dict[str, str]:
    """Return the values of {url}, {host}, {port}, {user}, {password} and {database}."""
    parts = urlsplit(url)
    return {
        "url": url,
        "host": parts.hostname or "",
        "port": str(parts.port or 5432),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.lstrip("/")),
    }


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Fill the parts into a template; other braces stay."""
    return re.sub(r"\{(\w+)\}", lambda gap: parts.get(gap[1], gap[0]), template)
