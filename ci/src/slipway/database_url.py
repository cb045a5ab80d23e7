"""The URL of a database taken apart, for variables that a service is told the parts by."""

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit


def parts_of(url: str) -> dict[str, str]:
    """What {url}, {host}, {port}, {user}, {password} and {database} stand for."""
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
    """A template with the parts in their places; what names none of them stays."""
    return re.sub(r"\{(\w+)\}", lambda gap: parts.get(gap[1], gap[0]), template)
