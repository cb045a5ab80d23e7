"""Spellings that mean the same are equal, others are not; Postgres decides."""

import itertools

import psycopg
import pytest

from slipway.gate.measure.meaning import Meaning

pytestmark = pytest.mark.slow

# By type: groups of spellings with one meaning; those of different groups differ.
DEFAULTS = {
    "timestamptz": [
        ["now()", "CURRENT_TIMESTAMP", "transaction_timestamp()", "now()::timestamptz", "localtimestamp"],
        ["statement_timestamp()"],
        ["clock_timestamp()"],
        ["'2026-01-01 00:00:00+00'", "timestamptz '2026-01-01 01:00+01'"],
        ["now() + interval '1 day'", "CURRENT_TIMESTAMP + '1 day'::interval"],
        [None, "NULL", "NULL::timestamptz"],
    ],
    "timestamp": [["timezone('utc', now())", "now() AT TIME ZONE 'utc'", "now()"], ["'2026-01-01'"]],
    "date": [["CURRENT_DATE", "now()::date", "('now'::text)::date"], ["'2026-01-01'"], ["date_trunc('year', now())::date"]],
    "int": [["0", "'0'", "0::bigint", "(0)", "1 - 1"], ["1"], ["-1", "'-1'::integer"], [None]],
    "numeric(12,2)": [["0", "'0'::numeric", "0.00", "'0.0'"], ["0.01"]],
    "numeric": [["0", "0.00"], ["1"]],
    "boolean": [["true", "'t'", "'true'::boolean", "1 = 1", "NOT false"], ["false", "'f'"], [None, "NULL::boolean"]],
    "varchar(20)": [["'new'", "'new'::text", "'new'::varchar(20)"], ["'New'"], ["''", "''::character varying"], [None, "NULL::varchar"],
                    ["gen_random_uuid()", "gen_random_uuid()::text", "(gen_random_uuid())::varchar"],
                    ["md5(random()::text)"], ["md5(clock_timestamp()::text)"]],
    "text": [["'it''s 5%: {a}'", r"E'it\'s 5%: {a}'"], ["'5%'"]],
    "citext": [["'a'"], ["'A'"]],
    "text[]": [["'{}'", "ARRAY[]::text[]", "'{}'::varchar[]"], ["'{a}'", "ARRAY['a']"]],
    "jsonb": [["'{}'", "'{}'::json", "'{ }'::jsonb"], ["'[]'"], ["'null'"], [None]],
    "json": [["""'{"a": 1, "b": 2}'""", """'{"b":2,"a":1}'"""], ["'{}'"]],
    "interval": [["'1 day'", "interval '1 day'", "make_interval(days => 1)"], ["'24 hours'"]],
    "uuid": [["gen_random_uuid()", "(gen_random_uuid())", "gen_random_uuid()::uuid"], ["'00000000-0000-0000-0000-000000000000'"], [None]],
    "mood": [["'calm'", "'calm'::mood"], ["'wild'"]],
    "bigint": [["nextval('one')"], ["nextval('other')"], ["(random() * 10)"], ["(random() * 9)"], ["extract(year FROM now())"], ["2026"]],
    "bytea": [["'\\x00'", "decode('00', 'hex')"], ["'\\x01'"]],
    "inet": [["'127.0.0.1'", "'127.0.0.1/32'::inet"], ["'::1'"]],
}  # fmt: skip

CHECKS = [
    ["age > 0", "(age) > 0", "age > '0'", "NOT age <= 0", "age > 1 - 1"],
    ["age >= 0"],
    ["age BETWEEN 0 AND 5", "age >= 0 AND age <= 5"],
    [
        "name IN ('a', 'b')",
        "name = ANY (ARRAY['b', 'a'])",
        "name::text IN ('a'::text, 'b'::varchar)",
        "name = ANY ('{a,b}')",
    ],
    ["name IN ('a', 'b', 'c')"],
    ["name NOT IN ('a', 'b')", "NOT (name IN ('b', 'a'))", "name <> ALL (ARRAY['a', 'b'])"],
    ["name IN ('a,b', 'c,d')"],
    ["name IN ('a,d', 'c,b')"],
    ["name <> 'x'", "name != 'x'::text", "NOT (name = 'x')"],
    ["name IS NOT NULL", "NOT (name IS NULL)"],
    ["name LIKE 'a%'", "name ~~ 'a%'"],
    ["length(name) > 3", "length((name)::text) > 3"],
    ["paid", "paid = true", "NOT (NOT paid)"],
    ["NOT paid", "paid = false", "paid <> true"],
    ["paid IS TRUE"],
    ["paid OR NULL"],
    ["true", "true OR paid"],
    ["NULL"],
    ["m = 'calm'", "m IN ('calm'::mood)"],
    ["m IN ('calm', 'wild')", "m = ANY (ARRAY['wild', 'calm']::mood[])"],
]


@pytest.fixture(scope="module")
def meaning(postgres):
    with psycopg.connect(postgres.url, autocommit=True) as server:
        server.execute("CREATE DATABASE test_meaning")
        with psycopg.connect(f"{postgres.url.rpartition('/')[0]}/test_meaning", autocommit=True) as connection:
            for statement in (
                "SET TimeZone = 'UTC'",
                "CREATE EXTENSION citext",
                "CREATE SEQUENCE one",
                "CREATE SEQUENCE other",
                "CREATE TYPE mood AS ENUM ('calm', 'wild')",
                "CREATE TABLE t (age int, name varchar(9), paid boolean, m mood)",
            ):
                connection.execute(statement)
            yield Meaning(connection)
        server.execute("DROP DATABASE test_meaning")


def pairs(groups):
    """Every pair of spellings, and whether they are of one group."""
    for (one, first), (other, second) in itertools.combinations_with_replacement(enumerate(groups), 2):
        for left, right in itertools.product(first, second):
            yield left, right, one == other


@pytest.mark.parametrize("type_", DEFAULTS)
def test_defaults_are_equal_when_they_give_a_column_the_same_value(meaning, type_):
    wrong = [
        (left, right, same)
        for left, right, same in pairs(DEFAULTS[type_])
        if meaning.same_default(type_, left, right) is not same
    ]
    assert wrong == []


def test_checks_are_equal_when_they_allow_the_same_rows(meaning):
    wrong = [
        (left, right, same)
        for left, right, same in pairs(CHECKS)
        if meaning.same_expression("t", left, right) is not same
    ]
    assert wrong == []
