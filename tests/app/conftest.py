"""Fixtures for the reference service, on a database whose schema a test chooses."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from alembic import command
from alembic.config import Config

from app.main import create_app
from app.settings import Settings

CONFIG = Config(Path(__file__).parents[2] / "alembic.ini")
Serving = Callable[[str], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> str:
    """Return the server's URL: beside a container of checks, otherwise the test run's."""
    return os.environ.get("DATABASE_URL") or request.getfixturevalue("postgres").url


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """Return the name of a migrated database; copying it is faster than upgrading again."""
    name = f"template_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection, pytest.MonkeyPatch.context() as patch:
        connection.execute(f"CREATE DATABASE {name}")
        patch.setenv("DATABASE_URL", f"{server.rpartition('/')[0]}/{name}")
        command.upgrade(CONFIG, "head")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated(server: str, template: str) -> Iterator[str]:
    """Return the URL of a database for one test, at the head."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield f"{server.rpartition('/')[0]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def history(database: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return the configuration for alembic's commands, on the test's empty database."""
    monkeypatch.setenv("DATABASE_URL", database)
    return CONFIG


@pytest.fixture
def serving() -> Serving:
    """Return a client of the service for a database URL."""

    @asynccontextmanager
    async def client_of(url: str) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(Settings(url, git_revision="0123abc"))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://notes") as client,
        ):
            yield client

    return client_of


@pytest.fixture
async def service(migrated: str, serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client of the service on the database `migrated`."""
    async with serving(migrated) as client:
        yield client
