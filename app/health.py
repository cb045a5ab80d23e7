"""Liveness and readiness, the two health checks of a platform.

Readiness connects image, migrations and deployment. An instance is unready only while the database is *behind* the image, or
was never reached. A database that is ahead is normal: the next release has migrated it, or this image was rolled back. A
database lost later is reported and the instance stays ready, because restarting every instance does not repair a database.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import anyio
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TIMEOUT_SECONDS = 1.5  # the default timeout of a health check is 2 s


@dataclass(frozen=True)
class History:
    """The revisions in this image: its head, and every revision before it."""

    head: str | None
    known: frozenset[str]

    @classmethod
    def of_this_image(cls) -> "History":
        script = ScriptDirectory.from_config(Config(Path(__file__).parent.parent / "alembic.ini"))
        return cls(script.get_current_head(), frozenset(revision.revision for revision in script.walk_revisions()))


class Database(Enum):
    """The database's revision compared with this image's."""

    LEVEL = "level"
    BEHIND = "behind"
    AHEAD = "ahead"
    UNREACHABLE = "unreachable"


def compare(history: History, database_head: str | None) -> Database:
    if database_head == history.head:
        return Database.LEVEL
    if database_head is None or database_head in history.known:
        return Database.BEHIND
    return Database.AHEAD


class Readiness:
    """The state of the database as this instance has observed it since its start."""

    def __init__(self, history: History, git_revision: str) -> None:
        self.history = history
        self.git_revision = git_revision
        self.reached = False

    async def check(self, engine: AsyncEngine) -> tuple[bool, dict[str, str | None]]:
        """Return whether the instance is ready, and the answer that explains it."""
        database_head: str | None = None
        try:
            with anyio.fail_after(TIMEOUT_SECONDS):
                database_head = await read_head(engine)
        except (DBAPIError, TimeoutError, OSError):
            database = Database.UNREACHABLE
        else:
            self.reached = True
            database = compare(self.history, database_head)
        ready = self.reached and database is not Database.BEHIND
        return ready, {
            "status": "ready" if ready else "unready",
            "database": database.value,
            "database_head": database_head,
            "image_head": self.history.head,
            "git_revision": self.git_revision,
        }


async def read_head(engine: AsyncEngine) -> str | None:
    """Return the database's revision; None before the first migration."""
    async with engine.connect() as connection:
        try:
            return (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar()
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) == "42P01":  # undefined_table
                return None
            raise


async def healthz(_request: Request) -> JSONResponse:
    return JSONResponse({"status": "alive"})


async def readyz(request: Request) -> JSONResponse:
    ready, answer = await request.app.state.readiness.check(request.app.state.engine)
    return JSONResponse(answer, 200 if ready else 503)


routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
