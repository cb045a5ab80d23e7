import socket
from contextlib import contextmanager

import anyio
import psycopg
import pytest
from alembic import command
from sqlalchemy import make_url

from app import health

HEAD = "e7318ac4d059"
PLATFORM_TIMEOUT_SECONDS = 2


@contextmanager
def listener(*, accepts):
    """Bind a local port that accepts connections and stays silent, or that refuses them."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if accepts:
            taken.listen()
        yield taken, f"postgresql://notes:secret@127.0.0.1:{taken.getsockname()[1]}/notes"


async def test_liveness_does_not_query_the_database(serving):
    with listener(accepts=True) as (port, url):
        async with serving(url) as service:
            answer = await service.get("/healthz")
        port.setblocking(False)
        with pytest.raises(BlockingIOError):
            port.accept()
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_service_without_a_database_is_alive(serving):
    with listener(accepts=False) as (_, url):
        async with serving(url) as service:
            assert (await service.get("/healthz")).status_code == 200


async def test_a_database_at_the_head_is_ready_and_the_answer_has_both_heads_and_the_commit(service):
    answer = await service.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "database": "level",
        "database_head": HEAD,
        "image_head": HEAD,
        "git_revision": "0123abc",
    }


@pytest.mark.parametrize("revision", ["5b0a7d1c42ef", "8c1f6e93ab20", "a4d27b5e8f13", "c95e0f7a61bd"])
async def test_a_database_behind_the_image_is_not_ready(history, database, serving, revision):
    command.upgrade(history, revision)
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"status": "unready", "database": "behind", "database_head": revision} == answer.json()


async def test_an_empty_database_is_behind(database, serving):
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"database": "behind", "database_head": None} == answer.json()


async def test_a_database_downgraded_to_base_is_behind(history, database, serving):
    command.upgrade(history, "head")
    command.downgrade(history, "base")
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "behind")


async def test_a_database_ahead_of_the_image_is_ready(service, migrated):
    with psycopg.connect(migrated) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00dfeed0001'")
    answer = await service.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() | {"status": "ready", "database": "ahead", "database_head": "f00dfeed0001"} == answer.json()


async def test_an_instance_becomes_ready_after_the_migration(history, database, serving):
    async with serving(database) as service:
        before = await service.get("/readyz")
        command.upgrade(history, "head")
        after = await service.get("/readyz")
    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_database_never_reached_is_not_ready(serving):
    with listener(accepts=False) as (_, url):
        async with serving(url) as service:
            answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"database": "unreachable", "database_head": None} == answer.json()


async def test_a_database_that_refuses_the_login_is_not_ready(database, serving):
    stranger = make_url(database).set(username="stranger")
    async with serving(stranger.render_as_string(hide_password=False)) as service:
        answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")


async def test_a_database_that_returns_is_level_again(service, server, migrated):
    name = migrated.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        assert (await service.get("/readyz")).json()["database"] == "level"
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        away = await service.get("/readyz")
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        back = await service.get("/readyz")
    assert (away.status_code, away.json()["database"]) == (200, "unreachable")
    assert (back.status_code, back.json()["database"]) == (200, "level")


def test_the_service_gives_up_before_the_platform_does():
    assert health.TIMEOUT_SECONDS < PLATFORM_TIMEOUT_SECONDS


async def test_a_database_that_accepts_and_stays_silent_is_reported_at_the_timeout(serving, monkeypatch):
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.1)
    with listener(accepts=True) as (_, url), anyio.fail_after(60):
        async with serving(url) as service:
            answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")


async def test_a_locked_version_table_is_reported_at_the_timeout(service, migrated, monkeypatch):
    assert (await service.get("/readyz")).status_code == 200
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.1)
    with psycopg.connect(migrated) as migration, anyio.fail_after(60):
        migration.execute("LOCK TABLE alembic_version")
        answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (200, "unreachable")
