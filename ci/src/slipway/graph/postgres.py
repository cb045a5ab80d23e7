"""Ephemeral Postgres servers as services of a session."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagger
from dagger import dag

from slipway.postgres.datadir import INITDB, SETTINGS

PORT = 5432
PUBLISHED_PORT = 15432  # differs from the port of a Postgres on the user's own machine
HOST = "database"
_PREPARED = "/var/lib/slipway"
_PASSWORD = f"{_PREPARED}/password"
_PATH = "PATH=$(echo /usr/lib/postgresql/*/bin):$PATH"
_INITDB = f"initdb --pgdata={_PREPARED}/data {' '.join(INITDB)}"
# Only containers in the session can reach the port, so there is no password.
_TRUSTING = f"{_PATH}; {_INITDB} --auth=trust && echo 'host all all all trust' >> {_PREPARED}/data/pg_hba.conf"
# The engine keeps this layer, and so the password, for the function that later runs the service.
_GUARDED = (
    f"{_PATH}; head -c 18 /dev/urandom | base64 | tr +/ -_ > {_PASSWORD}; {_INITDB} --auth=scram-sha-256 --pwfile={_PASSWORD}"
    f" && echo 'host all all all scram-sha-256' >> {_PREPARED}/data/pg_hba.conf"
)
_START = f'{_PATH}; exec postgres -D {_PREPARED}/data "$@"'
_CONFIGURATION = {**SETTINGS, "listen_addresses": "*", "unix_socket_directories": ""}


def url(host: str = HOST) -> str:
    """Return the URL of a server that is bound as `host`.

    The server asks for no password. The URL has one because services may refuse an empty variable for it.
    """
    return f"postgresql://postgres:postgres@{host}:{PORT}/postgres"


def service(image: str, purpose: str) -> dagger.Service:
    """Return a server for a `purpose`. The engine runs services with equal definitions as one instance.

    The data directory is a temporary layer that is never synced. A tmpfs would be owned by root.
    """
    return _server(_initialised(image, _TRUSTING), purpose, PORT)


async def executed(image: str, host: str, server: dagger.Service, statements: Sequence[str]) -> None:
    """Execute statements in template1 of a server that is bound as `host`, so that later databases contain their results."""
    psql = f'{_PATH}; exec psql -X -v ON_ERROR_STOP=1 -f /statements "{url(host).removesuffix("postgres")}template1"'
    await (
        dag.container()
        .from_(image)
        .with_service_binding(host, server)
        .with_new_file("/statements", "\n".join(statements))
        .with_exec(["sh", "-c", psql])
        .sync()
    )


@dataclass(frozen=True)
class Published:
    """A server with a generated password, on a port of the host."""

    server: dagger.Service
    password: str

    def url(self, host: str) -> str:
        return f"postgresql://postgres:{self.password}@{host}:{PUBLISHED_PORT}/postgres"


async def published(image: str) -> Published:
    """Return the session's only server that `dagger up` publishes."""
    initialised = _initialised(image, _GUARDED)
    password = (await initialised.file(_PASSWORD).contents()).strip()
    return Published(_server(initialised, "up", PUBLISHED_PORT), password)


def _server(initialised: dagger.Container, purpose: str, port: int) -> dagger.Service:
    options = [option for name, value in _CONFIGURATION.items() for option in ("-c", f"{name}={value}")]
    ready = ["pg_isready", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    return (
        initialised.with_env_variable("SLIPWAY_PURPOSE", purpose)
        .with_exposed_port(port)
        .with_docker_healthcheck(ready, interval="50ms", retries=600)
        .as_service(args=["sh", "-c", _START, "sh", "-p", str(port), *options])
    )


def _initialised(image: str, script: str) -> dagger.Container:
    """Initialise a data directory as a layer, so initdb runs once per image.

    It works with the layouts of Debian and of Docker's image.
    """
    return (
        dag.container()
        .from_(image)
        .with_directory(_PREPARED, dag.directory(), owner="postgres")
        .with_user("postgres")
        .with_exec(["sh", "-c", script])
    )
