"""Fixtures of many rooms: a Postgres server, and a database for each test."""

import os
import secrets
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from slipway.postgres.server import Server

pytest.register_assert_rewrite("tests.simulator.account")  # before the tests of any room import it


# In a job of GitHub Actions, commands under test must not write into the files of that job. Compiled modules are kept
# although the machine may ask otherwise: else every worker and every process under test compiles what it imports again.
for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """Start a server, and delete it after the run."""
    from slipway.postgres import binaries  # missing where the service's own tests run as a check
    from slipway.postgres.server import running

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(binaries.find(None))) as server:
        yield server


@pytest.fixture(scope="session")
def server(postgres: "Server") -> str:
    """Return the URL of a server for the tests' databases."""
    return postgres.url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """Return the URL of an empty database, which is dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
