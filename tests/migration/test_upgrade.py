"""A database is brought to its head: by one runner at a time, and never waiting long for a lock."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from slipway.errors import BadInputError, RefusedError
from slipway.migration import upgrade as module
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.migration.initial_schema import Beginning
from slipway.migration.upgrade import alone, read_standing, upgrade
from slipway.records.form import from_json, to_json
from slipway.records.migration import Migration

FIRST = 8  # the line of the first statement of upgrade()
TWO = {
    "one": (None, "op.execute('CREATE TABLE a (id int)')"),
    "two": ("one", "op.execute('ALTER TABLE a ADD COLUMN b int')"),
}

ASYNC = """\
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine


def run_migrations(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def main():
    async with create_async_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool).connect() as connection:
        await connection.run_sync(run_migrations)


asyncio.run(main())
"""

ONE_TRANSACTION = """\
import sqlalchemy as sa
from alembic import context

with sa.create_engine("postgresql+psycopg://", poolclass=sa.pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture
def migrate(write_project, url):
    """Writes a project and brings the database to its head."""

    def run(revisions, **project):
        return upgrade(Environment(Call(config=write_project(revisions, **project)), url), url)

    return run


@pytest.fixture
def ask(database):
    """The first column of a query's rows."""

    def run(query):
        with psycopg.connect(database) as connection:
            return [value for (value, *_) in connection.execute(query)]

    return run


@pytest.fixture
def locked(database, monkeypatch):
    """Locks a table in another session until the upgrade waits for its next attempt."""

    @contextmanager
    def lock(table):
        with psycopg.connect(database) as connection:
            connection.execute(f"LOCK TABLE {table}")
            monkeypatch.setattr(module.time, "sleep", lambda _: connection.rollback())
            yield

    return lock


def test_an_empty_database_is_brought_to_the_head(migrate, ask):
    migration = migrate(TWO)
    assert (migration.before, migration.after, migration.applied) == ((), ("two",), ("one", "two"))
    assert migration.attempts == 1
    assert migration.seconds > 0
    assert ask("SELECT version_num FROM alembic_version") == ["two"]
    assert ask("SELECT attname FROM pg_attribute WHERE attrelid = 'a'::regclass AND attnum > 0") == ["id", "b"]


def test_other_transactions_than_the_proven_ones_are_refused_before_the_first_revision(write_project, url, ask):
    environment = Environment(Call(config=write_project(TWO)), url)
    named = "one transaction for each revision, and the certificate is for one transaction for all revisions"
    with pytest.raises(RefusedError, match=named):
        upgrade(environment, url, proven="one transaction for all revisions")
    assert ask("SELECT to_regclass('a')") == [None]
    assert upgrade(environment, url, proven="one transaction for each revision").after == ("two",)


def test_a_database_at_the_head_stays_as_it_is(migrate):
    migrate(TWO)
    migration = migrate(TWO)
    assert (migration.before, migration.after, migration.applied) == (("two",), ("two",), ())


def test_only_what_is_missing_is_run(migrate, ask):
    migrate({"one": TWO["one"]})
    migration = migrate(TWO)
    assert (migration.before, migration.applied) == (("one",), ("two",))


def test_all_heads_are_reached(migrate):
    migration = migrate({**TWO, "side": ("one", "op.execute('CREATE TABLE c ()')")})
    assert set(migration.after) == {"two", "side"}
    assert migration.applied[0] == "one"
    assert set(migration.applied[1:]) == {"two", "side"}


def test_an_async_env_py_gets_the_url_with_an_async_driver(write_project, url, ask):
    environment = Environment(Call(config=write_project(TWO, env=ASYNC)), url.set(drivername="postgresql+psycopg2"))
    assert upgrade(environment, url).applied == ("one", "two")
    assert ask("SELECT version_num FROM alembic_version") == ["two"]


def test_a_migration_survives_its_json_form(migrate):
    migration = migrate(TWO)
    assert from_json(Migration, to_json(migration), "here") == migration


def test_the_head_is_read_back_and_not_assumed(migrate):
    begun = ONE_TRANSACTION.replace(
        "    context.configure", "    connection.execute(sa.text('SELECT 1'))\n    context.configure", 1
    )
    said = r"after the upgrade the database is at no revision, not at two: make env\.py commit"
    with pytest.raises(RefusedError, match=said):
        migrate(TWO, env=begun)


TWO_PLACES = """\
import sqlalchemy as sa
from alembic import context

for place in ("notes@production/notes", "notes@production/reports"):
    with sa.create_engine(f"postgresql+psycopg://{place}", poolclass=sa.pool.NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""


def test_an_env_py_that_names_a_second_database_is_bad_input_before_anything_is_done_there(migrate):
    named = "env.py connects to notes on production:5432 and to reports on production:5432, and a migration changes one"
    with pytest.raises(BadInputError, match=named):
        migrate(TWO, env=TWO_PLACES)


def test_an_env_py_that_asks_the_server_first_whether_its_database_exists_may_do_so(migrate):
    engine = "sa.create_engine('postgresql+psycopg://notes@production/postgres', poolclass=sa.pool.NullPool)"
    asks = f"import sqlalchemy as sa\n{engine}.connect().close()\n"
    assert migrate(TWO, env=asks + TWO_PLACES.replace(' "notes@production/reports"', "")).applied == ("one", "two")


def test_an_env_py_whose_creator_leads_to_another_database_is_bad_input_and_writes_nothing_there(migrate, server):
    creator = ONE_TRANSACTION.replace('psycopg://", ', f'psycopg://", creator=lambda: psycopg.connect({server!r}), ')
    with pytest.raises(BadInputError, match="connects to the database postgres of another server or name"):
        migrate(TWO, env=f"import psycopg\n{creator}")
    with psycopg.connect(server) as connection:
        assert connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,)


def test_a_database_of_a_newer_release_is_reported_in_one_sentence(migrate, ask):
    migrate(TWO)
    with pytest.raises(RefusedError) as caught:
        migrate({"one": TWO["one"]}, without=["two"])
    assert str(caught.value) == (
        "the database is at two, which this release does not know: a newer release migrated it: "
        "deploy a commit that has this revision, such as the newest one; a release that was live before may return without a migration by `slipway rollback`"
    )
    assert ask("SELECT version_num FROM alembic_version") == ["two"]


def test_each_revision_is_reported_when_it_begins(write_project, url):
    told = []
    upgrade(Environment(Call(config=write_project(TWO)), url), url, told.append)
    assert told == ["revision one", "revision two"]


def test_a_failing_revision_is_refused_with_file_and_line(migrate, ask):
    with pytest.raises(RefusedError) as caught:
        migrate({**TWO, "three": ("two", "op.execute('SELECT 1')\nop.drop_table('no_such')")})
    assert caught.value.what.startswith(f"the migration failed at migrations/versions/three.py line {FIRST + 1}: ")
    assert 'table "no_such" does not exist' in caught.value.what
    assert caught.value.next_step.endswith("; the database came from no revision to two")
    assert (caught.value.migration.applied, caught.value.migration.after) == (("one", "two"), ("two",))
    assert ask("SELECT version_num FROM alembic_version") == ["two"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit('no')", "SystemExit: no"),
        ("raise ValueError('bad rows\\nand more')", "ValueError: bad rows"),
        ("raise NotImplementedError", "NotImplementedError"),
    ],
)
def test_a_revision_that_raises_is_refused_with_what_it_said_first(migrate, body, said):
    with pytest.raises(RefusedError) as caught:
        migrate({"one": (None, body)})
    assert caught.value.what == f"the migration failed at migrations/versions/one.py line {FIRST}: {said}"
    assert caught.value.next_step == "correct the revision and deploy again; the database stays at no revision"
    assert caught.value.migration.failed


def test_an_env_py_that_fails_is_refused_with_its_line(migrate):
    with pytest.raises(
        RefusedError,
        match=r"the migration failed at migrations/env\.py line 2: KeyError: 'NO_SUCH'; variables it needs",
    ):
        migrate(TWO, env="import os\nos.environ['NO_SUCH']\n")


def test_a_migration_that_failed_can_be_run_again(migrate):
    with pytest.raises(RefusedError):
        migrate({**TWO, "three": ("two", "op.drop_table('no_such')")})
    assert migrate({**TWO, "three": ("two", "op.execute('SELECT 1')")}).applied == ("three",)


def test_locks_are_not_waited_for_longer_than_two_seconds(migrate):
    migrate({"one": (None, "assert op.get_bind().scalar(sa.text('SHOW lock_timeout')) == '2s'")})


@pytest.mark.slow
def test_a_locked_table_is_waited_for_in_several_attempts(migrate, locked, ask):
    migrate({"one": TWO["one"]})
    with locked("a"):
        migration = migrate(TWO)
    assert migration.attempts > 1
    assert (migration.before, migration.applied) == (("one",), ("two",))
    assert ask("SELECT version_num FROM alembic_version") == ["two"]


@pytest.mark.slow
def test_what_was_applied_before_the_locked_table_is_reported_once(migrate, locked):
    migrate({"one": TWO["one"]})
    defines_a_table = """
        metadata = vars(upgrade).setdefault('metadata', sa.MetaData())
        sa.Table('c', metadata, sa.Column('id', sa.Integer)).create(op.get_bind())
    """
    between = {
        "one": TWO["one"],
        "middle": ("one", defines_a_table),
        "two": ("middle", TWO["two"][1]),
    }
    with locked("a"):
        migration = migrate(between, env=ONE_TRANSACTION)
    assert migration.attempts > 1
    assert (migration.before, migration.applied) == (("one",), ("middle", "two"))


@pytest.mark.slow
def test_a_table_that_stays_locked_is_refused_in_the_end(migrate, locked, monkeypatch):
    monkeypatch.setattr(module, "_ATTEMPTS", 1)
    migrate({"one": TWO["one"]})
    with locked("a"), pytest.raises(RefusedError, match="lock timeout") as caught:
        migrate(TWO)
    assert caught.value.what.startswith(f"the migration failed at migrations/versions/two.py line {FIRST}: ")


def test_an_index_built_concurrently_does_not_wait_for_ourselves(migrate):
    build = """
        with op.get_context().autocommit_block():
            op.create_index("ix", "a", ["id"], postgresql_concurrently=True)
    """
    assert migrate({**TWO, "three": ("two", build)}).applied == ("one", "two", "three")


def test_a_failure_outside_of_a_transaction_says_what_it_has_left(migrate, database):
    build = """
        with op.get_context().autocommit_block():
            op.execute("INSERT INTO a VALUES (1), (1)")
            op.create_index("ix", "a", ["id"], unique=True, postgresql_concurrently=True)
    """
    with pytest.raises(RefusedError, match="could not create unique index") as caught:
        migrate({**TWO, "three": ("two", build)})
    assert caught.value.next_step.endswith("; drop what a failed build has left first, INVALID: DROP INDEX public.ix")
    with psycopg.connect(database) as connection:
        connection.execute("DROP INDEX ix")
    fails = build.replace("create_index", "no_such")
    with pytest.raises(RefusedError, match="no_such") as caught:
        migrate({**TWO, "three": ("two", fails)})
    assert "; what the revision did outside of a transaction stays" in caught.value.next_step


def test_one_runner_keeps_others_out(url, database):
    with alone(url), psycopg.connect(database) as connection:
        assert connection.execute("SELECT pg_try_advisory_lock(%s)", [module._LOCK]).fetchone() == (False,)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT pg_try_advisory_lock(%s)", [module._LOCK]).fetchone() == (True,)


def test_the_next_runner_begins_when_the_first_has_ended(url):
    order = []

    def second():
        with alone(url):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(url):
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_runner_that_waited_too_long_is_refused(url, monkeypatch):
    with alone(url):
        monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.1)
        with pytest.raises(RefusedError, match="another migration of this database is still running"), alone(url):
            pass


def test_the_lock_is_released_when_the_migration_fails(url):
    with pytest.raises(ZeroDivisionError), alone(url):
        raise ZeroDivisionError
    with alone(url):
        pass


def test_an_async_driver_can_hold_the_lock_too(url, database):
    with alone(url.set(drivername="postgresql+psycopg_async")), psycopg.connect(database) as connection:
        assert connection.execute("SELECT pg_try_advisory_lock(%s)", [module._LOCK]).fetchone() == (False,)


def test_a_database_that_cannot_be_reached_is_refused(url):
    with pytest.raises(RefusedError, match="the database cannot be reached"), alone(url.set(port=1)):
        pass


BASELINE = """\
SET transaction_timeout_of_18 = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA public;
CREATE TABLE public.a (id int);
GRANT SELECT ON public.a TO nobody_here;
"""
AT_ONE = "CREATE TABLE public.alembic_version (version_num text);\nCOPY public.alembic_version FROM stdin;\none\n\\.\n"


@pytest.fixture
def on_baseline(write_project, url):
    """Writes a history that begins on an SQL file, and does `work` with it."""

    def run(sql, work=upgrade, revisions=TWO, **options):
        environment = Environment(Call(config=write_project(revisions)), url)
        Path("baseline.sql").write_text(sql)
        if work is read_standing:
            return read_standing(environment, url, "baseline.sql")
        beginning = Beginning(baseline="baseline.sql", extensions=("uuid-ossp",))
        return upgrade(environment, url, beginning=beginning, **options)

    return run


def test_an_empty_database_begins_with_the_baseline_and_only_an_empty_one(on_baseline, ask):
    sql, said = BASELINE + AT_ONE + "ALTER TABLE public.a ADD COLUMN key uuid DEFAULT public.uuid_generate_v1mc();", []
    before = on_baseline(sql, read_standing)
    assert (before.database, before.missing) == ((), ("two",))
    began = on_baseline(sql, report=said.append)
    assert (began.baseline, began.before, began.applied) == ("baseline.sql", ("one",), ("two",))
    assert said[:2] == [
        "baseline baseline.sql",
        "baseline.sql grants privileges to roles that this server lacks (line 5)",
    ]
    again = on_baseline("this is no SQL", report=said.append)
    assert (again.baseline, again.before, on_baseline("no SQL", read_standing).missing) == ("", ("two",), ())
    assert ask("SELECT count(*) FROM information_schema.columns WHERE table_name = 'a'") == [3]


def test_a_baseline_that_fails_leaves_the_database_empty(on_baseline, ask):
    with pytest.raises(BadInputError, match=r"baseline.sql line 6 fails: .*UndefinedTable"):
        on_baseline(BASELINE + "ALTER TABLE public.b ADD COLUMN c int;")
    assert ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [0]
    assert on_baseline(BASELINE, revisions={"one": (None, "op.add_column('a', sa.Column('c', sa.Text()))")}).applied
