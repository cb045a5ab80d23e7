"""What many tests stand on: a Postgres server for the whole run, and a database of its own for each test that asks."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal

from slipway.postgres import binaries
from slipway.postgres.server import Server, running


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server that is thrown away after the run."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(binaries.find(None))) as server:
        yield server


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgres.url.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
