"""The parts of a database's URL, for services with a variable for each part, and the drivers' parameters that name a place."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

T = TypeVar("T")

# User and password in any URL. SQLAlchemy accepts an unquoted slash in a password; a port before a path or a quote is
# none. The limit, longer than a token of IAM, keeps the time for a line with thousands of URLs short.
LOGIN: Final = r"""://([^:/@\s\[]*):(?!\d{1,5}["',/?#])([^@\s]{1,3000})@"""

DRIVERS: Final = ("psycopg", "psycopg2", "asyncpg", "pg8000")

# The parameters of all drivers that name a server, a database or a user. Other parameters (search_path, timeouts) stay
# as env.py sets them.
PLACE: Final = frozenset(
    """host hostaddr port user password dbname database dsn conninfo service passfile unix_sock sock ssl sslmode
    sslcert sslkey sslrootcert ssl_context direct_tls channel_binding target_session_attrs""".split()  # noqa: SIM905 -- a list would be as many lines
)


_ASYNCPG: Final = frozenset(["prepared_statement_cache_size", "statement_cache_size", "command_timeout"])
_LIBPQ: Final = frozenset(
    """application_name channel_binding client_encoding connect_timeout fallback_application_name gssencmode keepalives keepalives_count
    keepalives_idle keepalives_interval options sslcert sslcrl sslkey sslrootcert tcp_user_timeout""".split()  # noqa: SIM905 -- a list would be as many lines
)


def unknown_to(driver: str) -> frozenset[str]:
    """Return the URL parameters that a driver does not accept, because they belong to other drivers.

    `driver` may be a URL's scheme.
    """
    if "asyncpg" in driver:
        return _LIBPQ | {"sslmode"}
    return _LIBPQ - {"application_name"} | {"ssl", "sslmode"} if "pg8000" in driver else _ASYNCPG | {"ssl"}


def query_for(driver: str, query: Mapping[str, T]) -> dict[str, T]:
    """Translate a URL's parameters for a driver, or for the scheme that names it.

    Leave out those that it does not accept.
    """
    ours, theirs = ("ssl", "sslmode") if "asyncpg" in driver else ("sslmode", "ssl")
    renamed = {ours if key == theirs else key: value for key, value in query.items()}
    return {key: value for key, value in renamed.items() if key not in unknown_to(driver)}


def with_scheme(url: str, scheme: str) -> str:
    """Return a URL with the scheme of a driver, and only with parameters that this driver accepts."""
    place, _, query = url.partition("://")[2].partition("?")
    known = query_for(scheme, dict(parse_qsl(query)))
    return f"{scheme}://{place}" + (f"?{urlencode(known)}" if known else "")


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
    """Fill the parts into a template. Leave other braces unchanged."""
    return re.sub(r"\{(\w+)\}", lambda gap: parts.get(gap[1], gap[0]), template)


def stored_password(password: str, iterations: int) -> str:
    """Return a password in the form that Postgres stores (SCRAM-SHA-256, RFC 5803).

    A statement may contain it, because a log of it reveals no password.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, f"{side} Key".encode(), "sha256") for side in ("Client", "Server"))
    parts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client).digest(), server)]
    return "SCRAM-SHA-256${}:{}${}:{}".format(iterations, *parts)
