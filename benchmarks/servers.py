"""A running server for peers, with the gate's own settings, and empty databases."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from anyio.from_thread import start_blocking_portal

from slipway.postgres import binaries
from slipway.postgres.server import running
from slipway.settings import Migrations

BINARIES = binaries.find(Migrations().major)  # those with which the gate tests the generated histories


@contextmanager
def server(installation: binaries.Binaries = BINARIES) -> Iterator[str]:
    """Start a server and return its URL."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(running(installation)) as started:
        yield started.url


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """Create an empty database, return its URL, and drop it at the end."""
    engine = sqlalchemy.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    name = f"bench_{uuid.uuid4().hex}"
    _tell(engine, f"CREATE DATABASE {name}")
    try:
        yield engine.url.set(database=name).render_as_string(hide_password=False)
    finally:
        _tell(engine, f"DROP DATABASE {name} WITH (FORCE)")


def _tell(engine: sqlalchemy.Engine, sql: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(sql)
