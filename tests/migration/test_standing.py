"""The revision of a database, read without changing it."""

import psycopg
import pytest

from slipway.errors import RefusedError
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.migration.upgrade import read_standing, upgrade
from slipway.records.migration import Standing

ONE = {"one": (None, "op.execute('CREATE TABLE a (id int)')")}
TWO = {**ONE, "two": ("one", "op.execute('ALTER TABLE a ADD COLUMN b int')")}
THREE = {**TWO, "three": ("two", "")}
ENV = """
import sqlalchemy as sa
from alembic import context

with sa.create_engine("postgresql+psycopg://", poolclass=sa.pool.NullPool).connect() as connection:
    context.configure(connection=connection, {options})
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def environment(write_project, url):
    return lambda revisions, **project: Environment(Call(config=write_project(revisions, **project)), url)


@pytest.mark.parametrize("options", ["transaction_per_migration=True", "compare_type=True"])
def test_an_empty_database_lacks_everything_and_stays_empty(environment, url, database, options):
    assert read_standing(environment(TWO, env=ENV.format(options=options)), url) == Standing(
        (), ("two",), (), ("one", "two")
    )
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'alembic_version'").fetchone() == (0,)


def test_a_database_on_its_way_lacks_what_is_left(environment, url):
    upgrade(environment(ONE), url)
    assert read_standing(environment(THREE), url) == Standing(("one",), ("three",), (), ("two", "three"))


def test_a_database_at_the_head_lacks_nothing(environment, url):
    upgrade(environment(TWO), url)
    assert read_standing(environment(TWO), url) == Standing(("two",), ("two",))


def test_a_head_that_the_release_does_not_know_is_named(environment, url):
    upgrade(environment(THREE), url)
    assert read_standing(environment(ONE, without=["two", "three"]), url) == Standing(("three",), ("one",), ("three",))


def test_a_head_is_not_known_by_the_beginning_of_its_name(environment, url):
    upgrade(environment({"beginning": (None, "")}), url)
    others = {"beginning_of_another": (None, "")}
    assert read_standing(environment(others, without=["beginning"]), url).unknown == ("beginning",)


def test_heads_of_several_branches_are_all_told(environment, url):
    branches = {**ONE, "left": ("one", ""), "right": ("one", "")}
    upgrade(environment(branches), url)
    seen = read_standing(environment(branches), url)
    assert set(seen.database) == set(seen.image) == {"left", "right"}
    assert seen.missing == ()


def test_a_database_that_cannot_be_asked_is_one_sentence(environment, url):
    away = url.set(port=1)
    with pytest.raises(RefusedError, match="the database cannot be reached: OperationalError: "):
        read_standing(environment(ONE), away)
