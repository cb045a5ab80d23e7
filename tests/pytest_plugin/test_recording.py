"""`pytest --slipway-record=FILE`: what the tests of a release say to the database."""

import enum
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from slipway.gate.measure.literals import literal_of, with_parameters
from slipway.records.form import from_json
from slipway.records.gate import Previous

TESTS = """
import pytest
import sqlalchemy as sa

engine = sa.create_engine({url!r}, poolclass=sa.pool.NullPool)
notes = sa.table("notes", sa.column("id"), sa.column("title"))

@pytest.mark.parametrize("number", range(4))
def test_notes(number):
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TEMPORARY TABLE notes (id int, title text)"))
        connection.execute(sa.insert(notes).values(id=number, title="it's 100%"))
        assert sa.inspect(connection).has_table("notes")
        assert connection.scalar(sa.select(notes.c.title).where(notes.c.id == number))
"""

pytest_plugins = ["pytester"]


class Mood(enum.Enum):
    GOOD = 1


@pytest.fixture
def record(pytester, server):
    pytester.makepyfile(TESTS.format(url=server.replace("postgresql://", "postgresql+psycopg://")))

    def run(*arguments):
        result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", "--slipway-record=said.json", *arguments)
        assert result.ret == 0
        return from_json(Previous, (pytester.path / "said.json").read_text(), "said.json").recorded

    return run


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "xdist"])
def test_each_statement_is_recorded_once_with_its_parameters_and_none_of_the_schemas(record, workers):
    insert, select = sorted(each.sql for each in record(*workers))
    assert insert.startswith("INSERT INTO notes (id, title) VALUES ('")
    assert "'it''s 100%'" in insert
    assert select.startswith("SELECT notes.title FROM notes WHERE notes.id = '")


@pytest.mark.parametrize(
    ("sql", "parameters", "written"),
    [
        ("SELECT %(a)s, %(b)s", {"a": 1, "b": None}, "SELECT '1', NULL"),
        ("SELECT %s, %s LIKE 'x%%'", ("a", "b"), "SELECT 'a', 'b' LIKE 'x%'"),
        ("SELECT $2, $1", ("a", "b"), "SELECT 'b', 'a'"),
        ("SELECT 1 % 2", (), "SELECT 1 % 2"),
        ("SELECT %(a)s", {"a": object()}, None),
        ("SELECT %(a)s", {"b": 1}, None),
    ],
)
def test_parameters_are_written_in_the_place_of_any_driver(sql, parameters, written):
    assert with_parameters(sql, parameters) == written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"),
        (Decimal("1.50"), "numeric"),
        (UUID(int=7), "uuid"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "timestamptz"),
        (b"\x00\xff", "bytea"),
        (["a,b", 'c"d', None, "e'f\\g", "é\n"], "text[]"),
        ([[1, 2], [3, 4]], "int[]"),
        ({"a": [1]}, "jsonb"),
        ("it's", "text"),
    ],
)
def test_postgres_reads_back_what_was_written(server, value, kind):
    with psycopg.connect(server) as connection:
        ((read,),) = connection.execute(f"SELECT {literal_of(value)}::{kind}").fetchall()
    assert read == value


def test_an_enum_is_its_name_and_json_its_text():
    assert literal_of(Mood.GOOD) == "'GOOD'"
    assert literal_of(Jsonb({"a": 1})) == """'{"a": 1}'"""
