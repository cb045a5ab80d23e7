"""A server that looks like production is refused before anything is done there."""

import psycopg
import pytest
from sqlalchemy import make_url

from slipway.errors import BadInputError
from slipway.gate import databases
from slipway.gate.databases import refuse_production, server_version


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://me@notes.c1x2.eu-west-1.rds.amazonaws.com/notes", "notes.c1x2.eu-west-1.rds.amazonaws.com belongs to a managed"),
        ("postgresql://me@Notes.Postgres.Database.Azure.com./notes", "belongs to a managed service"),
        ("postgresql://me@ep-cool-1.eu-central-1.aws.neon.tech/notes", "belongs to a managed service"),
        ("postgresql://me@db.abc.supabase.co:6543/postgres", "belongs to a managed service"),
        ("postgresql://me@/notes?host=db.abc.supabase.co", "belongs to a managed service"),
        ("postgresql://me@/notes?host=localhost:5432&host=db.abc.supabase.co:5432", "belongs to a managed service"),
        ("postgresql://me@/notes?host=/cloudsql/project:region:notes", "belongs to a managed service"),
        ("postgresql://me@db.prod.example.com/notes", "its host db.prod.example.com contains prod"),
        ("postgresql://me@localhost/notes_production", "its database notes_production contains production"),
        ("postgresql://live@localhost/notes", "its user live contains live"),
    ],
)  # fmt: skip
def test_a_url_that_looks_like_production_is_refused_and_says_why(url, why):
    with pytest.raises(BadInputError, match="--allow-production-like") as caught:
        refuse_production(make_url(url))
    assert why in caught.value.what


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@127.0.0.1:5432/postgres",
        "postgresql://postgres@/postgres?host=/var/run/postgresql",
        "postgresql://product@products.example.com/delivery",
        "postgresql://reproducer@olive.example.com/alive",
    ],
)
def test_a_word_that_only_contains_another_is_no_production(url):
    refuse_production(make_url(url))


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE notes (id int)", "CREATE VIEW notes AS SELECT 1", "CREATE SCHEMA s CREATE SEQUENCE notes"],
)
def test_a_database_that_is_not_empty_is_refused(database, statement):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement)
    with pytest.raises(BadInputError, match=r"is not empty, it holds 1 tables.*\.notes: name an empty database"):
        server_version(make_url(database).set(drivername="postgresql+psycopg"))


@pytest.mark.parametrize("supported", [(10, 12), (98, 99)])
def test_a_server_of_another_major_is_refused_with_those_that_are_supported(database, supported, monkeypatch):
    monkeypatch.setattr(databases, "MAJORS", supported)
    with pytest.raises(
        BadInputError, match="the server is PostgreSQL [0-9]+: supported are {} to {}".format(*supported)
    ):
        server_version(make_url(database).set(drivername="postgresql+psycopg"))


def test_what_an_extension_brought_is_nobodys(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
    assert server_version(make_url(database).set(drivername="postgresql+psycopg"))
