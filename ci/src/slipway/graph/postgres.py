"""A Postgres that lives as long as a session, and keeps nothing safe for longer."""

import dagger
from dagger import dag

from slipway.postgres.datadir import INITDB, SETTINGS

PORT = 5432
HOST = "database"
_PREPARED = "/var/lib/slipway"
_PATH = "PATH=$(echo /usr/lib/postgresql/*/bin):$PATH"
# Whoever reaches the port is a container of this session, so nobody is asked for a password.
_INITIALISE = f"{_PATH}; initdb --pgdata={_PREPARED}/data --auth=trust {' '.join(INITDB)} && echo 'host all all all trust' >> {_PREPARED}/data/pg_hba.conf"
_START = f'{_PATH}; exec postgres -D {_PREPARED}/data "$@"'
_CONFIGURATION = {**SETTINGS, "listen_addresses": "*", "unix_socket_directories": ""}


def url(host: str = HOST) -> str:
    """Where a service that is bound as `host` is found."""
    return f"postgresql://postgres@{host}:{PORT}/postgres"


def service(image: str, purpose: str) -> dagger.Service:
    """A server of its own for each `purpose`: two services with one definition would be the same instance.

    It writes over the layer that holds the directory, which the engine throws away; nothing is synced. A tmpfs would belong to root.
    """
    return (
        _initialised(image)
        .with_env_variable("SLIPWAY_PURPOSE", purpose)
        .with_exposed_port(PORT)
        .with_docker_healthcheck(["pg_isready", "-h", "127.0.0.1", "-U", "postgres"], interval="50ms", retries=600)
        .as_service(args=["sh", "-c", _START, "sh", *_options()])
    )


def _initialised(image: str) -> dagger.Container:
    """A data directory ready to start: initdb runs once for an image, and is a layer from then on. Any image with Debian's or Docker's layout will do."""
    return (
        dag.container()
        .from_(image)
        .with_directory(_PREPARED, dag.directory(), owner="postgres")
        .with_user("postgres")
        .with_exec(["sh", "-c", _INITIALISE])
    )


def _options() -> list[str]:
    return [option for name, value in _CONFIGURATION.items() for option in ("-c", f"{name}={value}")]
