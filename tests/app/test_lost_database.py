import os
import signal
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest
from alembic import command

running = pytest.importorskip("slipway.postgres.server", reason="a server that may be stopped is slipway's").running
binaries = pytest.importorskip("slipway.postgres.binaries")

PLATFORM_WAITS_SECONDS = 2


@asynccontextmanager
async def server_that_is_level(history, monkeypatch):
    """A server of the test's own, which may be stopped."""
    async with running(binaries.find(None)) as server:
        monkeypatch.setenv("DATABASE_URL", server.url)
        command.upgrade(history, "head")
        yield server


@contextmanager
def frozen(url):
    """A server that stands still: the kernel takes connections for it, and nobody answers."""
    with psycopg.connect(url) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone()
        processes = [
            pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        ]
    processes.append(int(Path(data, "postmaster.pid").read_text().splitlines()[0]))
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)
        psycopg.connect(url).close()  # a server that is stopped while it wakes up takes five seconds


async def test_a_database_that_is_lost_later_is_reported_and_the_instance_stays_ready(history, monkeypatch, serving):
    async with AsyncExitStack() as longer:
        async with server_that_is_level(history, monkeypatch) as server:
            service = await longer.enter_async_context(serving(server.url))
            before = await service.get("/readyz")
        after = await service.get("/readyz")
    assert (before.status_code, before.json()["database"]) == (200, "level")
    assert after.status_code == 200
    assert after.json() | {"status": "ready", "database": "unreachable", "database_head": None} == after.json()


@pytest.mark.slow
async def test_a_database_that_hangs_after_it_answered_is_told_in_the_time_a_platform_gives(
    history, monkeypatch, serving
):
    async with server_that_is_level(history, monkeypatch) as server, serving(server.url) as service:
        await service.get("/readyz")
        with frozen(server.url):
            for _ in ("on the connection that was open", "on a new one"):
                started = time.monotonic()
                answer = await service.get("/readyz")
                assert time.monotonic() - started < PLATFORM_WAITS_SECONDS
                assert (answer.status_code, answer.json()["database"]) == (200, "unreachable")
