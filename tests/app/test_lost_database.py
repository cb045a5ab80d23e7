import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import psycopg
import pytest
from alembic import command

from app import health

running = pytest.importorskip("slipway.postgres.server", reason="only slipway can start and stop a server").running
binaries = pytest.importorskip("slipway.postgres.binaries")


@asynccontextmanager
async def migrated_server(history, monkeypatch):
    """Start a server of the test's own, which it may stop."""
    async with running(binaries.find(None)) as server:
        monkeypatch.setenv("DATABASE_URL", server.url)
        command.upgrade(history, "head")
        yield server


@contextmanager
def frozen(url):
    """Suspend a server: the kernel accepts connections, and no process answers them."""
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
        psycopg.connect(url).close()  # stopping a server that is just resuming takes five seconds


@pytest.mark.slow
async def test_a_lost_database_is_reported_and_the_instance_stays_ready(history, monkeypatch, serving):
    async with AsyncExitStack() as longer:
        async with migrated_server(history, monkeypatch) as server:
            service = await longer.enter_async_context(serving(server.url))
            before = await service.get("/readyz")
        after = await service.get("/readyz")
    assert (before.status_code, before.json()["database"]) == (200, "level")
    assert after.status_code == 200
    assert after.json() | {"status": "ready", "database": "unreachable", "database_head": None} == after.json()


@pytest.mark.slow
async def test_a_hanging_database_is_reported_at_the_timeout(history, monkeypatch, serving):
    async with migrated_server(history, monkeypatch) as server, serving(server.url) as service:
        await service.get("/readyz")
        monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.1)
        with frozen(server.url), anyio.fail_after(60):
            for _ in ("on the open connection", "on a new one"):
                answer = await service.get("/readyz")
                assert (answer.status_code, answer.json()["database"]) == (200, "unreachable")
