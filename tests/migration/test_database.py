"""Every connection goes to the database that we name, and to no other."""

import asyncio
import io
import json
import os
from contextlib import suppress

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from slipway.errors import BadInputError
from slipway.gate.forks import Fork
from slipway.migration.database import (
    VARIABLE,
    closed_afterwards,
    elsewhere,
    every_connection_to,
    for_driver,
    keeping_connections,
    named_in_environment,
    sqlstate,
    with_connection,
    with_driver,
)

URL = "postgresql+psycopg://me:hunter2@here:5433/mine"


def where(connection):
    return connection.scalar(sa.text("SELECT current_database()"))


def current_database(*arguments, **keywords):
    engine = sa.create_engine(*arguments, poolclass=sa.NullPool, **keywords)
    with engine.connect() as connection:
        return where(connection)


@pytest.fixture
def name(monkeypatch):
    """Names a database in the environment."""
    monkeypatch.setenv("DATABASE_URL", "none yet")  # and have it restored
    return lambda text: monkeypatch.setenv(VARIABLE, text)


def test_the_database_is_named_in_one_variable_with_those_of_the_service(name):
    name(json.dumps({"url": URL, "variables": {"DATABASE_URL": "postgresql://there"}}))
    assert named_in_environment().render_as_string(hide_password=False) == URL
    assert os.environ["DATABASE_URL"] == "postgresql://there"


def test_the_variable_is_gone_once_it_was_read(name):
    name(json.dumps({"url": URL, "variables": {}}))
    named_in_environment()
    assert VARIABLE not in os.environ


def test_a_dash_means_the_first_line_of_standard_input(name, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"url": URL, "variables": {}}) + "\nmore\n"))
    name("-")
    assert named_in_environment().host == "here"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"url": "postgresql://x"}',
        '{"variables": {}}',
        '{"url": "postgresql://x", "variables": {"A": 1}}',
        '{"url": "postgresql://x", "variables": null}',
    ],
)
def test_anything_else_in_the_variable_is_bad_input(name, text):
    name(text)
    with pytest.raises(BadInputError, match=f"{VARIABLE} does not name a database"):
        named_in_environment()


@pytest.mark.parametrize("url", [None, 5, "hunter2", "postgresql://me:hunter2@here:port/x"])
def test_a_url_that_cannot_be_read_is_bad_input_and_not_repeated(name, url):
    name(json.dumps({"url": url, "variables": {}}))
    with pytest.raises(BadInputError) as caught:
        named_in_environment()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("postgresql", "postgresql"),
        ("postgresql+psycopg", "postgresql+psycopg"),
        ("postgresql+asyncpg", "postgresql+psycopg"),
        ("postgresql+no_such_driver", "postgresql+psycopg"),
    ],
)
def test_a_driver_that_the_service_lacks_is_replaced_by_one_that_it_has(asked, got):
    assert with_driver(sa.URL.create(asked, host="here")).drivername == got


@pytest.mark.parametrize(
    ("url", "driver", "query"),
    [
        (
            "postgresql+asyncpg://h/d?ssl=require&command_timeout=5&application_name=a",
            "psycopg",
            {"sslmode": "require", "application_name": "a"},
        ),
        ("postgresql://h/d?sslmode=require", "asyncpg", {"ssl": "require"}),
        ("postgresql://h/d?sslmode=require&options=-csearch_path%3Da&connect_timeout=5", "asyncpg", {"ssl": "require"}),
        ("postgresql://h/d?sslmode=require&options=-ca%3Db&application_name=a", "pg8000", {"application_name": "a"}),
        ("postgresql://h/d?options=-ca%3Db", "psycopg", {"options": "-ca=b"}),
        (
            "postgresql+asyncpg://h/d?ssl=require&command_timeout=5",
            "asyncpg",
            {"ssl": "require", "command_timeout": "5"},
        ),
    ],
)
def test_a_url_has_the_parameters_that_its_driver_accepts(url, driver, query):
    assert dict(for_driver(sa.make_url(url), f"postgresql+{driver}").query) == query


@pytest.mark.parametrize("drivername", ["sqlite", "mysql", "mysql+pymysql"])
def test_another_kind_of_database_is_bad_input(drivername):
    with pytest.raises(BadInputError, match="allowed is postgresql"):
        with_driver(sa.URL.create(drivername))


def test_a_service_without_any_driver_is_bad_input(monkeypatch):
    monkeypatch.setattr("slipway.migration.database.DRIVERS", ())
    with pytest.raises(BadInputError, match="the service has no driver for Postgres"):
        with_driver(sa.URL.create("postgresql+no_such_driver"))


@pytest.mark.parametrize(
    ("theirs", "arguments"),
    [
        ("postgresql+psycopg://nobody:nothing@nowhere.invalid:1/none", {}),
        ("postgresql+psycopg://nowhere.invalid/none?sslmode=verify-full&sslrootcert=/no/such", {}),
        ("postgresql+psycopg:///none?host=nowhere.invalid&service=none&passfile=/no/such", {}),
        (
            "postgresql+psycopg://",
            {"connect_args": {"host": "nowhere.invalid", "dbname": "none", "hostaddr": "192.0.2.1"}},
        ),
        ("postgresql+psycopg://", {"connect_args": {"conninfo": "host=nowhere.invalid"}}),
    ],
)
def test_every_engine_is_led_to_the_one_database(url, theirs, arguments):
    with every_connection_to(url):
        assert current_database(theirs, **arguments) == url.database


def test_an_engine_made_before_the_block_is_led_there_too(url):
    engine = sa.create_engine("postgresql+psycopg://nowhere.invalid/none", poolclass=sa.NullPool)
    with every_connection_to(url), engine.connect() as connection:
        assert where(connection) == url.database


def test_after_the_block_engines_go_where_they_want(url):
    with every_connection_to(url):
        pass
    assert current_database(url.set(database="postgres")) == "postgres"


def test_the_redirection_ends_when_the_block_fails(url):
    with pytest.raises(ZeroDivisionError), every_connection_to(url):
        raise ZeroDivisionError
    assert current_database(url.set(database="postgres")) == "postgres"


def test_what_says_no_place_stays(url):
    theirs = "postgresql+psycopg://nowhere.invalid/none?application_name=mine"
    with every_connection_to(url):
        engine = sa.create_engine(theirs, poolclass=sa.NullPool, connect_args={"options": "-c work_mem=123kB"})
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SHOW application_name")) == "mine"
            assert connection.scalar(sa.text("SHOW work_mem")) == "123kB"


def test_a_session_begins_with_our_statements(url):
    with every_connection_to(url, ("SET lock_timeout = '7s'", "SET work_mem = '1MB'")):
        engine = sa.create_engine("postgresql+psycopg://", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.rollback()
            assert connection.scalar(sa.text("SHOW lock_timeout")) == "7s"
            assert connection.scalar(sa.text("SHOW work_mem")) == "1MB"


def test_an_engine_for_another_database_is_bad_input(url):
    with every_connection_to(url), pytest.raises(BadInputError, match="the service connects to sqlite"):
        current_database("sqlite://")


def test_a_connection_that_leads_elsewhere_is_bad_input_before_its_first_statement_even_when_caught(url, server):
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(server), poolclass=sa.NullPool)
    refused = r"connects to the database postgres .*: let the engine connect by the URL"
    with pytest.raises(BadInputError, match=refused), every_connection_to(url), suppress(BadInputError):
        engine.connect()


@pytest.mark.parametrize("drivername", ["postgresql+psycopg", "postgresql+psycopg_async"])
def test_work_is_done_on_a_sync_or_an_async_driver(url, drivername):
    assert with_connection(url.set(drivername=drivername), where) == url.database


def session(connection):
    return connection.scalar(sa.text("SELECT pg_backend_pid()"))


def is_open(connection, session):
    return connection.scalar(sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid"), {"pid": session}) == 1


def test_a_connection_is_kept_for_the_next_call_until_the_end_of_the_block(url):
    with keeping_connections(url):
        kept = with_connection(url, session)
        with keeping_connections(url), every_connection_to(url.set(database="postgres")):
            assert with_connection(url, session) == kept  # exempt from the redirection
        assert Fork(lambda: with_connection(url, session), "the fork").result() != kept
        assert elsewhere(url, session) != kept
        assert with_connection(url, session) == kept
    assert not with_connection(url, lambda connection: is_open(connection, kept))


def test_a_kept_connection_that_was_terminated_is_replaced(url):
    with keeping_connections(url):
        kept = with_connection(url, session)
        elsewhere(url, lambda connection: connection.exec_driver_sql(f"SELECT pg_terminate_backend({kept}, 5000)"))
        assert with_connection(url, session) != kept


def test_each_statement_of_such_work_is_its_own_transaction(url, database):
    def work(connection):
        connection.execute(sa.text("CREATE TABLE a ()"))
        with psycopg.connect(database) as other:
            return other.execute("SELECT to_regclass('a') IS NOT NULL").fetchone()

    assert with_connection(url, work) == (True,)


@pytest.mark.parametrize("drivername", ["postgresql+psycopg", "postgresql+psycopg_async"])
def test_postgres_own_code_of_an_error_is_known(url, drivername):
    with pytest.raises(DBAPIError) as caught:
        with_connection(
            url.set(drivername=drivername), lambda connection: connection.execute(sa.text("SELECT no_such"))
        )
    assert sqlstate(caught.value) == "42703"
    by_pg8000 = DBAPIError("", {}, Exception({"S": "ERROR", "M": "no such column", "C": "42703"}))
    assert sqlstate(by_pg8000) == "42703"


def test_an_error_without_a_code_has_none(url):
    with pytest.raises(DBAPIError) as caught:
        with_connection(url.set(port=1), where)
    assert sqlstate(caught.value) is None


def test_a_pool_of_an_async_engine_keeps_no_connection_of_a_loop_that_has_ended(postgres):
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(sa.make_url(postgres.url).set(drivername="postgresql+psycopg"))

    async def session():
        async with engine.connect() as connection:
            return await connection.scalar(sa.text("SELECT pg_backend_pid()"))

    pids = []
    for _ in range(2):
        with closed_afterwards():
            pids.append(asyncio.run(session()))
    assert len(set(pids)) == 2


def test_the_sqlstate_of_pg8000_is_among_its_fields():
    error = sa.exc.ProgrammingError("", {}, Exception({"S": "ERROR", "C": "55P03", "M": "canceling statement"}))
    assert sqlstate(error) == "55P03"
