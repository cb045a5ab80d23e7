"""A Postgres that lives as long as a session, and keeps nothing safe for longer."""

import dagger
from dagger import dag

PORT = 5432
HOST = "database"
URL = f"postgresql://postgres@{HOST}:{PORT}/postgres"
_CONFIGURATION = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "20",
    "max_locks_per_transaction": "512",
    "timezone": "UTC",
}


def service(image: str, purpose: str) -> dagger.Service:
    """A server of its own for each `purpose`: two services with one definition would be the same instance."""
    options = [option for name, value in _CONFIGURATION.items() for option in ("-c", f"{name}={value}")]
    return (
        dag.container()
        .from_(image)
        .with_env_variable("POSTGRES_HOST_AUTH_METHOD", "trust")  # reached by this session's containers alone
        .with_env_variable("SLIPWAY_PURPOSE", purpose)
        .with_exposed_port(PORT)
        # The server that initialises the directory listens on its socket only, so the question goes over TCP.
        .with_docker_healthcheck(["pg_isready", "-h", "127.0.0.1", "-U", "postgres"], interval="250ms", retries=120)
        .as_service(args=["postgres", *options], use_entrypoint=True)
    )
