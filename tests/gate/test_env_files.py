"""The service's own env.py stays in charge, whatever it looks like; only the database is ours."""

import sys

import pytest
import sqlalchemy as sa

from slipway.errors import BadInputError
from slipway.migration.database import with_connection
from slipway.records.proof import Layer, Verdict

LAYERS = (Layer.TRACE,)

ONE = {"one": (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')")}

ASYNC = """\
import asyncio

from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine


def run_migrations(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


async def run_async_migrations():
    engine = create_async_engine("postgresql+psycopg://nobody@nowhere.invalid/nothing", poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_migrations)
    await engine.dispose()


asyncio.run(run_async_migrations())
"""

GIVEN_CONNECTION = """\
from alembic import context
from sqlalchemy import create_engine, pool

connectable = context.config.attributes.get("connection")
if connectable is None:
    connectable = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with connectable.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

# The env.py of `alembic init`, without logging.
GENERATED = """\
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
target_metadata = None


def run_migrations_offline() -> None:
    context.configure(url=config.get_main_option("sqlalchemy.url"), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_migrations_online() -> None:
    connectable = engine_from_config(config.get_section(config.config_ini_section, {}), prefix="sqlalchemy.", poolclass=pool.NullPool)
    with connectable.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_migrations_offline()
else:
    run_migrations_online()
"""

ENGINE = """\
import sqlalchemy as sa
from alembic import context

engine = sa.create_engine({engine})
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""


def at(line):
    return ENGINE.replace("{engine}", line)


@pytest.mark.parametrize(
    "env",
    [
        ASYNC,
        GIVEN_CONNECTION,
        GENERATED,
        at('"postgresql+psycopg://me:secret@nowhere.invalid:1/nothing?sslmode=verify-full&connect_timeout=1"'),
        at('"postgresql+psycopg://?host=nowhere.invalid&service=none", poolclass=sa.NullPool'),
        at('"postgresql+psycopg://", connect_args={"host": "nowhere.invalid", "port": 1, "user": "me", "dbname": "x"}'),
    ],
    ids=["async", "a given connection", "as generated", "a URL", "a URL with words", "arguments"],
)
def test_env_py_is_led_to_our_database_wherever_it_wants_to_go(prove_history, env):
    proof = prove_history(ONE, env=env)
    assert proof.findings == ()
    assert proof.coverage.revisions == 1
    assert [statement.sql for statement in proof.revisions[0].statements] == ["CREATE TABLE a (id int)"]


def test_locks_are_measured_on_an_async_connection_too(prove_history):
    proof = prove_history(
        {**ONE, "two": ("one", "op.create_index('ix', 'a', ['id'])", "op.drop_index('ix')")}, env=ASYNC
    )
    assert [finding.rule for finding in proof.findings if finding.fails] == ["L01"]


def test_an_autocommit_block_works_on_an_async_connection_too(prove_history):
    block = "with op.get_context().autocommit_block():\n    "
    again = "op.drop_index('ix', postgresql_concurrently=True, if_exists=True)\n    "
    up = block + again + "op.create_index('ix', 'a', ['id'], postgresql_concurrently=True)"
    down = block + "op.drop_index('ix', postgresql_concurrently=True)"
    assert prove_history({**ONE, "two": ("one", up, down)}, env=ASYNC).findings == ()


def test_other_parameters_of_a_connection_stay_as_env_py_sets_them(prove_history):
    env = at(
        '"postgresql+psycopg://x@y/z", connect_args={"options": "-c search_path=app,public -c application_name=mine"}'
    )
    check = """
        assert op.get_bind().scalar(sa.text("SHOW application_name")) == "mine"
        assert op.get_bind().scalar(sa.text("SHOW search_path")) == "app,public"
    """
    assert prove_history({"one": (None, check, "")}, env=env).findings == ()


def test_one_transaction_for_all_revisions_is_made_one_for_each(prove_history):
    revisions = {**ONE, "two": ("one", "op.execute('no such thing')", "")}
    proof = prove_history(revisions, options="transaction_per_migration=False")
    assert [finding.revision for finding in proof.findings] == ["two"]
    assert proof.coverage.revisions == 1


def test_options_of_env_py_reach_alembic(prove_history):
    check = "assert op.get_context().opts['compare_type'] is False"
    assert prove_history({"one": (None, check, "")}, options="compare_type=False").findings == ()


def test_revisions_see_the_time_zone_utc_and_no_parallel_workers(prove_history):
    check = """
        assert op.get_bind().scalar(sa.text("SHOW TimeZone")) == "UTC"
        assert op.get_bind().scalar(sa.text("SHOW max_parallel_maintenance_workers")) == "0"
    """
    assert prove_history({"one": (None, check, "")}).findings == ()


@pytest.mark.parametrize(
    ("env", "what", "next_step"),
    [
        ("import os\n\nos.environ['NO_SUCH_VARIABLE']\n", "migrations/env.py line 3 fails before the first revision", "KeyError: 'NO_SUCH_VARIABLE'"),
        ("raise SystemExit('not today')\n", "migrations/env.py line 1 fails before the first revision", "SystemExit: not today"),
        ("class Missing(Exception): sqlstate = '3F000'\nraise Missing('no schema')", "migrations/env.py line 2 fails before the first revision", "Missing: no schema; if production had it"),
        ("x = \n", "migrations/env.py line 1 fails before the first revision", "SyntaxError: invalid syntax"),
        ("import psycopg3_not_there\n", "migrations/env.py line 1 fails before the first revision", "ModuleNotFoundError: No module named 'psycopg3_not_there'"),
        ("raise ModuleNotFoundError('psycopg', name='psycopg')\n", "migrations/env.py line 1 fails before the first revision", "ModuleNotFoundError: psycopg; SQLAlchemy takes psycopg"),
        ("from sqlalchemy import exc\nclass MissingGreenlet(exc.MissingGreenlet): code = None\nraise MissingGreenlet('greenlet_spawn')\n", "migrations/env.py line 3 fails before the first revision", "MissingGreenlet: greenlet_spawn; env.py is synchronous and the driver of its engine is not: let env.py use an asynchronous engine, or name a synchronous driver of this"),
        (at('"sqlite://"'), "migrations/env.py line 5 fails before the first revision", "the service connects to sqlite: let it read an address of Postgres"),
    ],
    ids=["a missing variable", "an exit", "a missing schema", "a syntax error", "a missing module", "a missing driver", "an asynchronous driver", "another database"],
)  # fmt: skip
def test_an_env_py_that_fails_before_the_first_revision_is_reported_with_its_place(prove_history, env, what, next_step):
    with pytest.raises(BadInputError) as caught:
        prove_history(ONE, env=env)
    assert caught.value.what == what
    assert caught.value.next_step.startswith(next_step)


def test_a_missing_env_py_is_bad_input(prove_history, tmp_path, write_project):
    write_project(ONE)
    (tmp_path / "migrations/env.py").unlink()
    (tmp_path / "migrations").rename(tmp_path / "others")
    with pytest.raises(BadInputError, match="fails before the first revision"):
        prove_history({}, ini="[alembic]\nscript_location = %(here)s/others\npath_separator = os\n")


def test_an_env_py_that_runs_nothing_is_bad_input_and_no_proof(prove_history):
    with pytest.raises(BadInputError, match=r"env\.py ended before all revisions were run"):
        prove_history(ONE, env="from alembic import context\n")


def test_an_env_py_that_swallows_errors_is_bad_input_and_no_proof(prove_history):
    env = ENGINE.replace("{engine}", 'context.config.get_main_option("sqlalchemy.url")')
    swallow = env.replace(
        "        context.run_migrations()\n",
        "        try:\n            context.run_migrations()\n        except Exception:\n            pass\n",
    )
    with pytest.raises(BadInputError, match=r"env\.py ended before all revisions were run"):
        prove_history({"one": (None, "op.drop_table('no_such')", "")}, env=swallow)


def test_an_env_py_that_prepares_the_database_itself_is_welcome(prove_history):
    env = ENGINE.replace("{engine}", 'context.config.get_main_option("sqlalchemy.url")').replace(
        "    context.configure(",
        "    connection.execute(sa.text('CREATE SCHEMA IF NOT EXISTS app'))\n    connection.commit()\n    context.configure(version_table_schema='app', ",
    )
    proof = prove_history(
        {"one": (None, "op.execute('CREATE TABLE app.a ()')", "op.drop_table('a', schema='app')")}, env=env
    )
    assert proof.verdict is Verdict.PASS
    assert proof.findings == ()


def test_what_the_service_listens_to_on_every_engine_does_not_reach_our_own_statements(prove_history, server_url):
    own = """
import sqlalchemy as sa

inside = False


@sa.event.listens_for(sa.engine.Engine, "before_cursor_execute")
def count(*_):
    if not inside:
        raise RuntimeError("Working outside of application context.")


@sa.event.listens_for(sa.engine.Engine, "connect")
def begin(connection, _):
    connection.cursor().execute("SET TIME ZONE 'UTC'")
"""
    env = f"""import listening_service as own\nown.inside = True\n{at('context.config.get_main_option("sqlalchemy.url")')}own.inside = False\n"""
    ini = "[alembic]\nscript_location = migrations\nprepend_sys_path = %(here)s\npath_separator = os\n"
    try:
        assert prove_history(ONE, env=env, ini=ini, files={"listening_service.py": own}).findings == ()
        zone = "SELECT source FROM pg_settings WHERE name = 'TimeZone'"
        assert with_connection(server_url, lambda connection: connection.scalar(sa.text(zone))) != "session"
    finally:
        listeners = sys.modules.pop("listening_service")
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", listeners.count)
        sa.event.remove(sa.engine.Engine, "connect", listeners.begin)


SAYS_SOMETHING_FIRST = """\
from alembic import context
from sqlalchemy import create_engine, pool, text

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    connection.execute(text("SET lock_timeout = 4000"))
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
"""
BEGINS_ITSELF = """\
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.begin() as connection:
    context.configure(connection=connection)
    context.run_migrations()
"""


@pytest.mark.parametrize("env", [SAYS_SOMETHING_FIRST, BEGINS_ITSELF], ids=["autobegin", "engine.begin()"])
def test_in_a_transaction_of_env_py_a_revision_is_not_charged_with_the_locks_of_another(prove_history, env):
    changes = {
        **ONE,
        "two": ("one", "op.execute('ALTER TABLE a ADD b int')", "op.drop_column('a', 'b')"),
        "three": ("two", "op.execute('UPDATE a SET b = id')", "op.execute('UPDATE a SET b = NULL')"),
        "four": ("three", "op.execute('ALTER TABLE a ADD c int')", "op.drop_column('a', 'c')"),
    }
    proof = prove_history(changes, env=env)
    assert not [finding for finding in proof.findings if finding.rule in {"Q05", "L26", "D01"}]
    assert proof.revisions[3].statements[0].locks == {"public.a": "ACCESS EXCLUSIVE"}
    (together,) = (finding for finding in proof.findings if finding.rule == "T07")
    line = env.splitlines().index("    context.configure(connection=connection)") + 1
    assert (together.revision, together.file, together.line) == ("four", "migrations/env.py", line)


def test_the_transactions_of_env_py_are_not_guessed_when_a_revision_fails(prove_history):
    changes = {
        **ONE,
        "two": ("one", "op.execute('ALTER TABLE a ADD b int')", "op.drop_column('a', 'b')"),
        "three": ("two", "op.execute('ALTER TABLE a ADD c int')", "op.drop_column('a', 'c')"),
        "four": ("three", "op.execute('ALTER TABLE a ADD c int')", "pass"),
    }
    assert {finding.rule for finding in prove_history(changes).findings} & {"U01", "T07"} == {"U01"}


COMMITS = """
    op.execute("CREATE INDEX i ON a (id)")
    op.get_bind().commit()
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX j ON a (id)")
"""


def test_what_a_revision_commits_by_itself_does_not_stop_the_climb(prove_history):
    proof = prove_history(
        {
            **ONE,
            "two": ("one", COMMITS, "op.drop_index('j')\nop.drop_index('i')"),
            "three": ("two", "op.execute('ALTER TABLE a ADD b int')", "raise RuntimeError('no way back')"),
            "four": ("three", "op.execute('ALTER TABLE a ADD c int')", "op.drop_column('a', 'c')"),
        },
        start_after="three",
        env=SAYS_SOMETHING_FIRST,
    )
    assert proof.coverage.revisions == 4
    assert [finding.rule for finding in proof.findings if finding.revision == "four"] == ["Q11"]
