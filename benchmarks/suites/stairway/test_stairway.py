"""The stairway test as published: a test and a database for each revision.

Rewritten from the description in alvassin/alembic-quickstart, which also gives each test an empty database. Every test first
upgrades to its revision, so the total time grows with the square of the history.
"""

import os
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

CONFIG = Config("alembic.ini")
HISTORY = [script.revision for script in ScriptDirectory.from_config(CONFIG).walk_revisions()][::-1]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty database, to which env.py connects."""
    server = sqlalchemy.create_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT")
    name = f"bench_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        monkeypatch.setenv("DATABASE_URL", server.url.set(database=name).render_as_string(hide_password=False))
        yield
        connection.exec_driver_sql(f"DROP DATABASE {name}")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("revision", HISTORY)
def test_up_down_up(revision: str) -> None:
    command.upgrade(CONFIG, revision)
    command.downgrade(CONFIG, "-1")
    command.upgrade(CONFIG, revision)
