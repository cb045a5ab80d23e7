"""The reference service, on a database whose schema a test chooses."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from alembic import command
from alembic.config import Config

from app.main import create_app
from app.settings import Settings

Serving = Callable[[str], AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> str:
    """The URL of the server that a container of checks is told, or else of the run's own."""
    return os.environ.get("DATABASE_URL") or request.getfixturevalue("postgres").url


@pytest.fixture
def history(database: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    """What alembic's commands are given; they work on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database)
    return Config(Path(__file__).parents[2] / "alembic.ini")


@pytest.fixture
def serving() -> Serving:
    """The service on the database of a URL, as a client sees it."""

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
async def service(history: Config, database: str, serving: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a database that is level with it."""
    command.upgrade(history, "head")
    async with serving(database) as client:
        yield client
