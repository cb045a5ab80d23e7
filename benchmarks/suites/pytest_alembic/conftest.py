"""The fixtures of pytest-alembic: alembic's settings and an engine on an empty database."""

import os
import uuid

import pytest
import sqlalchemy
from pytest_alembic.config import Config


@pytest.fixture
def alembic_config() -> Config:
    return Config(config_options={"file": "alembic.ini"})


@pytest.fixture
def alembic_engine() -> sqlalchemy.Engine:
    server = sqlalchemy.create_engine(os.environ["DATABASE_URL"], isolation_level="AUTOCOMMIT")
    name = f"bench_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return sqlalchemy.create_engine(server.url.set(database=name))
