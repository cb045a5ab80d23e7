"""The application; no I/O before the first request."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from app import health, logs, notes
from app.settings import MissingSettingError, Settings


async def refuse(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def create_app(settings: Settings) -> Starlette:
    """Build the application; it connects to the database at the first request."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await app.state.engine.dispose()

    app = Starlette(
        routes=[*health.routes, *notes.routes], lifespan=lifespan, exception_handlers={HTTPException: refuse}
    )
    app.state.engine = create_async_engine(settings.database_url, pool_pre_ping=True)
    app.state.readiness = health.Readiness(health.History.of_this_image(), settings.git_revision)
    return app


def from_environment() -> Starlette:
    """Build the application from the environment, for `uvicorn --factory`."""
    logs.configure()
    try:
        return create_app(Settings.from_environment(os.environ))
    except MissingSettingError as error:
        sys.exit(f"notes: {error}")
