"""The details that Postgres adds to an error reach the reader, values of rows do not."""

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from slipway.migration.database import with_connection
from slipway.migration.environment import sentence
from slipway.migration.reasons import details, remedy

SECRET = "hunter2"
TABLES = (
    "CREATE TEMP TABLE b (id int PRIMARY KEY, a text NOT NULL UNIQUE); CREATE TEMP TABLE c (a text REFERENCES b (a))"
)


def test_details_of_an_error_are_in_its_sentence_without_the_values_of_rows(url):
    said = {}

    def work(connection):
        connection.execute(sa.text(TABLES))
        for name, sql in {
            "depends": "DROP TABLE b",
            "twice": f"INSERT INTO b VALUES (1, '{SECRET} (x)'), (2, '{SECRET} (x)')",
            "null": f"INSERT INTO b SELECT ascii('{SECRET}'), NULL",
            "key": f"INSERT INTO c VALUES ('{SECRET}')",
            "raised": r"DO $$ BEGIN RAISE E'one\ntwo' USING DETAIL = E'three\nfour', HINT = 'five.'; END $$",
            "json": f"""SELECT '{{"password": "{SECRET}"'::json""",
        }.items():
            with pytest.raises(DBAPIError) as caught:
                connection.exec_driver_sql(sql)
            said[name] = sentence(caught.value)

    with_connection(url, work)
    assert SECRET not in "".join(said.values())
    assert said["depends"].endswith(
        "; DETAIL: constraint c_a_fkey on table c depends on table b; HINT: Use DROP ... CASCADE to drop the dependent objects too"
    )
    assert said["twice"].endswith("; DETAIL: Key (a) already exists")
    assert said["null"].endswith("violates not-null constraint")
    assert said["key"].endswith('; DETAIL: Key (a) is not present in table "b"')
    assert (
        " one two; DETAIL: three, four; HINT: five; CONTEXT: PL/pgSQL function inline_code_block line 1 at RAISE"
        in said["raised"]
    )
    assert "; CONTEXT: JSON data, line 1" in said["json"]


class AsyncpgsError(Exception):
    detail, hint, context = "Key (a)=(1) already exists.", None, 'COPY b, line 3, column a: "hunter2"'


def test_details_are_found_with_every_driver():
    adapted = Exception("said")
    adapted.__cause__ = AsyncpgsError()
    adapted.__cause__.__notes__ = adapted.__notes__ = [f"the service's code adds {SECRET}"]
    assert list(details(DBAPIError("", {}, adapted))) == [
        "DETAIL: Key (a) already exists",
        "CONTEXT: COPY b, line 3, column a",
    ]
    by_pg8000 = DBAPIError("", {}, Exception({"S": "ERROR", "M": "no such table", "H": "look again"}))
    assert sentence(by_pg8000) == "DBAPIError: no such table; HINT: look again"
    by_psycopg = SimpleNamespace(message_detail="Key (a)=(1) already exists.", message_hint=None, context=None)
    assert list(details(type("E", (Exception,), {"diag": by_psycopg})())) == ["DETAIL: Key (a) already exists"]


@pytest.mark.parametrize(
    ("said", "extension"),
    [
        ('type "public.geometry" does not exist', "postgis"),
        ('type "citext[]" does not exist', "citext"),
        ("function uuid_generate_v4() does not exist", "uuid-ossp"),
        ("function public.gen_random_bytes(integer) does not exist", "pgcrypto"),
        ('operator class "gin_trgm_ops" does not exist for access method "gin"', "pg_trgm"),
        ('access method "hnsw" does not exist', "vector"),
        ('data type integer has no default operator class for access method "gist"', "btree_gist"),
    ],
)
def test_the_extension_behind_a_missing_type_or_function_is_named(said, extension):
    assert remedy(said).startswith(f"the extension {extension} brings it: create it")
    assert not remedy('type "mood" does not exist')
