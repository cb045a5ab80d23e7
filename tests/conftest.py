"""Fixtures of many rooms: a Postgres server, and a database for each test."""

import gc
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from slipway.postgres.server import Server

pytest.register_assert_rewrite("tests.simulator.account")  # before the tests of any room import it
with suppress(ImportError):  # missing where the service's own tests run as a check
    from hypothesis import settings

    settings.register_profile("slipway", deadline=None)  # no verdict depends on how busy the machine is
    settings.load_profile("slipway")

# Bytecode is kept, whatever the machine says: each of hundreds of processes under test would compile its imports again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# In a job of GitHub Actions, commands under test must not write into the files of that job.
for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Server]":
    """Start a server, and delete it after the run."""
    from slipway.postgres import binaries  # missing where the service's own tests run as a check
    from slipway.postgres.server import running

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(binaries.find(None))) as server:
        # The first session of a database writes its cache of the catalog, which copies of template1 then have from the beginning.
        psycopg.connect(f"{server.url.rpartition('/')[0]}/template1").close()
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
        copied = " STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""  # a third of the time
        connection.execute(f"CREATE DATABASE {name}{copied}")
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later garbage collection, and out of the memory that a fork copies."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests beside Postgres are slow: each worker starts a server of its own."""
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
