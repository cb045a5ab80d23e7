import socket
import time
from contextlib import contextmanager

import psycopg
import pytest
from alembic import command
from sqlalchemy import make_url

HEAD = "e7318ac4d059"
PLATFORM_WAITS_SECONDS = 2


@contextmanager
def listener(*, answers):
    """A port of this machine where nobody says a word, or where nobody is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if answers:
            taken.listen()
        yield taken, f"postgresql://notes:secret@127.0.0.1:{taken.getsockname()[1]}/notes"


async def test_a_service_that_is_alive_says_so_without_asking_its_database(serving):
    with listener(answers=True) as (port, url):
        async with serving(url) as service:
            answer = await service.get("/healthz")
        port.setblocking(False)
        with pytest.raises(BlockingIOError):
            port.accept()
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_service_is_alive_where_no_database_is(serving):
    with listener(answers=False) as (_, url):
        async with serving(url) as service:
            assert (await service.get("/healthz")).status_code == 200


async def test_a_database_that_is_level_is_ready_and_both_heads_and_the_commit_are_said(service):
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
async def test_a_database_that_is_behind_is_not_ready(history, database, serving, revision):
    command.upgrade(history, revision)
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"status": "unready", "database": "behind", "database_head": revision} == answer.json()


async def test_a_database_without_any_schema_is_behind(database, serving):
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"database": "behind", "database_head": None} == answer.json()


async def test_a_database_that_was_taken_back_to_nothing_is_behind(history, database, serving):
    command.upgrade(history, "head")
    command.downgrade(history, "base")
    async with serving(database) as service:
        answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "behind")


async def test_a_database_that_is_ahead_is_ready_and_said_to_be_ahead(service, database):
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'f00dfeed0001'")
    answer = await service.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() | {"status": "ready", "database": "ahead", "database_head": "f00dfeed0001"} == answer.json()


async def test_an_instance_becomes_ready_when_the_migration_has_run(history, database, serving):
    async with serving(database) as service:
        before = await service.get("/readyz")
        command.upgrade(history, "head")
        after = await service.get("/readyz")
    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_database_that_was_never_reached_is_not_ready(serving):
    with listener(answers=False) as (_, url):
        async with serving(url) as service:
            answer = await service.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() | {"database": "unreachable", "database_head": None} == answer.json()


async def test_a_database_that_lets_nobody_in_is_not_ready(database, serving):
    stranger = make_url(database).set(username="stranger")
    async with serving(stranger.render_as_string(hide_password=False)) as service:
        answer = await service.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")


async def test_a_database_that_comes_back_is_seen_again(service, server, database):
    name = database.rpartition("/")[2]
    with psycopg.connect(server, autocommit=True) as connection:
        assert (await service.get("/readyz")).json()["database"] == "level"
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        away = await service.get("/readyz")
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        back = await service.get("/readyz")
    assert (away.status_code, away.json()["database"]) == (200, "unreachable")
    assert (back.status_code, back.json()["database"]) == (200, "level")


@pytest.mark.slow
async def test_a_database_that_takes_the_connection_and_hangs_is_told_in_the_time_a_platform_gives(serving):
    with listener(answers=True) as (_, url):
        async with serving(url) as service:
            started = time.monotonic()
            answer = await service.get("/readyz")
            assert time.monotonic() - started < PLATFORM_WAITS_SECONDS
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")


@pytest.mark.slow
async def test_a_version_that_is_locked_is_told_in_the_time_a_platform_gives(service, database):
    assert (await service.get("/readyz")).status_code == 200
    with psycopg.connect(database) as migration:
        migration.execute("LOCK TABLE alembic_version")
        started = time.monotonic()
        answer = await service.get("/readyz")
        assert time.monotonic() - started < PLATFORM_WAITS_SECONDS
    assert (answer.status_code, answer.json()["database"]) == (200, "unreachable")
