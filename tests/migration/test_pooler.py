"""A pooler that shares sessions is noticed before anything is set or locked there; one that keeps them is not."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from slipway.errors import BadInputError
from slipway.gate.databases import server_version
from slipway.migration.database import with_connection
from slipway.migration.pooler import check_own_session

INI = """\
[databases]
shared = host={url.host} port={url.port} user={url.username} password={url.password} dbname={url.database} pool_mode=transaction
kept = host={url.host} port={url.port} user={url.username} password={url.password} dbname={url.database} pool_mode=session
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
"""


@pytest.fixture
def pooler(database):
    """The URL of a running PgBouncer, without a database."""
    if not (program := shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")):
        pytest.skip("pgbouncer is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "pgbouncer.ini")
        settings.write_text(INI.format(url=make_url(database), port=port))
        for readable in (settings.parent, settings):
            readable.chmod(0o755)
        user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        with subprocess.Popen([program, settings], user=user, stderr=subprocess.DEVNULL) as process:
            try:
                yield listening(make_url(f"postgresql+psycopg://postgres@127.0.0.1:{port}"))
            finally:
                process.terminate()


def listening(url):
    for _ in range(200):
        try:
            psycopg.connect(host=url.host, port=url.port, user="postgres", dbname="kept").close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return url
    raise AssertionError("PgBouncer does not answer")


def check(url):
    return with_connection(url, lambda connection: check_own_session(url, connection))


@pytest.mark.parametrize("drivername", ["postgresql+psycopg", "postgresql+psycopg_async"])
def test_a_pooler_that_shares_sessions_is_bad_input_and_one_that_keeps_them_is_not(pooler, drivername):
    check(pooler.set(database="kept", drivername=drivername))
    with pytest.raises(BadInputError, match=f"a pooler at 127.0.0.1:{pooler.port}, .*: give the host and the port of"):
        check(pooler.set(database="shared", drivername=drivername))


def test_the_gate_notices_one_too(pooler):
    with pytest.raises(BadInputError, match="leads to a pooler"):
        server_version(pooler.set(database="shared"))


def test_postgres_itself_is_no_pooler(url):
    check(url)


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        (
            "postgresql://me@notes.proxy-c1x2.eu-west-1.rds.amazonaws.com/notes",
            "the endpoint of the instance or the cluster",
        ),
        (
            "postgresql://me@ep-cool-1-pooler.eu-central-1.aws.neon.tech/notes",
            "host ep-cool-1.eu-central-1.aws.neon.tech",
        ),
        ("postgresql://me@aws-0-eu-west-1.pooler.supabase.com:6543/postgres", "give port 5432 of the same host"),
    ],
)
def test_the_poolers_of_known_services_are_named_with_the_url_to_give(url, instead):
    with pytest.raises(BadInputError, match=instead):
        check_own_session(make_url(url), None)
