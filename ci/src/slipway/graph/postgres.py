"""Ephemeral Postgres servers as services of a session."""

import dagger
from dagger import dag

from slipway.postgres.datadir import INITDB, SETTINGS

PORT = 5432
HOST = "database"
_PREPARED = "/var/lib/slipway"
_PATH = "PATH=$(echo /usr/lib/postgresql/*/bin):$PATH"
# Only containers of this session reach the port, so no password is set.
_INITIALISE = f"{_PATH}; initdb --pgdata={_PREPARED}/data --auth=trust {' '.join(INITDB)} && echo 'host all all all trust' >> {_PREPARED}/data/pg_hba.conf"
_START = f'{_PATH}; exec postgres -D {_PREPARED}/data "$@"'
_CONFIGURATION = {**SETTINGS, "listen_addresses": "*", "unix_socket_directories": ""}


def url(host: str = HOST) -> str:
    """Return the URL of a server that is bound as `host`."""
    return f"postgresql://postgres@{host}:{PORT}/postgres"


def service(image: str, purpose: str) -> dagger.Service:
    """Define one server for each `purpose`: the engine runs services with equal definitions as one instance.

    The data directory is a throw-away layer and is never synced. A tmpfs would be owned by root.
    """
    return (
        _initialised(image)
        .with_env_variable("SLIPWAY_PURPOSE", purpose)
        .with_exposed_port(PORT)
        .with_docker_healthcheck(["pg_isready", "-h", "127.0.0.1", "-U", "postgres"], interval="50ms", retries=600)
        .as_service(args=["sh", "-c", _START, "sh", *_options()])
    )


def _initialised(image: str) -> dagger.Container:
    """Initialise a data directory as a layer, so initdb runs once per image. Works with the layouts of Debian and Docker."""
    return (
        dag.container()
        .from_(image)
        .with_directory(_PREPARED, dag.directory(), owner="postgres")
        .with_user("postgres")
        .with_exec(["sh", "-c", _INITIALISE])
    )


def _options() -> list[str]:
    return [option for name, value in _CONFIGURATION.items() for option in ("-c", f"{name}={value}")]
