"""The parts of a database's URL, for services that take them in separate variables; the drivers, and their parameters that name a place."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

DRIVERS: Final = ("psycopg", "psycopg2", "asyncpg", "pg8000")

# The parameters of all drivers that name a server, a database or a user; others (search_path, timeouts) stay as env.py set them.
PLACE: Final = frozenset(
    """host hostaddr port user password dbname database dsn conninfo service passfile unix_sock sock ssl sslmode
    sslcert sslkey sslrootcert ssl_context direct_tls channel_binding target_session_attrs""".split()  # noqa: SIM905 -- a list would be as many lines
)


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
