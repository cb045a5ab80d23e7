"""The models become the SQL file of a baseline, on which their own history has nothing left to do."""

from pathlib import Path

import psycopg
import pytest

from slipway.errors import BadInputError
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.migration.initial_schema import Beginning
from slipway.migration.snapshot import snapshot
from slipway.migration.upgrade import upgrade

ENV = """\
import sqlalchemy as sa
from alembic import context

models = sa.MetaData(schema="shop")
users = sa.Table("users", models, sa.Column("id", sa.Integer, primary_key=True), sa.Column("mood", sa.Enum("good", name="mood")),
    sa.Column("share", sa.Text, sa.CheckConstraint("share = '100%' OR share LIKE '%\\\\:'"), server_default="100%"), sa.Index("by_share", "share"))
with sa.create_engine("postgresql+psycopg://", poolclass=sa.pool.NullPool).connect() as connection:
    context.configure(connection=connection, target_metadata={metadata}, version_table="versions of it")
    with context.begin_transaction():
        context.run_migrations()
"""
HISTORY = {"one": (None, "raise ZeroDivisionError"), "two": ("one", "raise ZeroDivisionError")}


def test_a_database_that_begins_with_the_models_is_at_the_head(write_project, url, database):
    config = write_project(HISTORY, env=ENV.replace("{metadata}", "models"))
    sql = snapshot(Environment(Call(config=config), url), url).sql
    Path("baseline.sql").write_text(sql)
    migration = upgrade(Environment(Call(config=config), url), url, beginning=Beginning(baseline="baseline.sql"))
    assert (migration.before, migration.after, migration.applied) == (("two",), ("two",), ())
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO shop.users (mood, share) VALUES ('good', DEFAULT), ('good', 'a%:')")
    assert " \n" not in sql


def test_models_that_cannot_be_read_are_refused(write_project, url):
    environment = Environment(Call(config=write_project(HISTORY, env=ENV.replace("{metadata}", "None"))), url)
    with pytest.raises(BadInputError, match=r"env.py sets no target_metadata with tables"):
        snapshot(environment, url)
