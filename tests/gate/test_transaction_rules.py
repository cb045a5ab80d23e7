"""T: what ends a transaction, and what only looks so; models in a revision."""

import pytest

from slipway.gate.history import Node
from slipway.gate.rules import data, transactions
from slipway.records.proof import Statement

NODE = Node("one", (), (), "one.py", None, 1, 1, False, None)


@pytest.mark.parametrize(
    ("sql", "ends"),
    [
        ("COMMIT", True),
        ("UPDATE a SET b = 1; COMMIT; UPDATE a SET b = 2", True),
        ("ROLLBACK", True),
        ("ROLLBACK TO SAVEPOINT s", False),
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$", False),
        ("DO $body$ BEGIN PERFORM 1; COMMIT; END $body$", False),
        ("SELECT 'a; COMMIT;'", False),
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; cut off", False),
    ],
)
def test_only_a_statement_ends_the_transaction(sql, ends):
    statement = Statement(sql, 1, True, {}, (), (), (), {}, True, 0.1)
    assert bool([each for each in transactions.check(NODE, [statement]) if each.rule == "T05"]) is ends


def test_a_proxy_that_answers_only_within_a_request_is_no_model():
    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("outside of a request")

        def __getattr__(self, name):
            raise RuntimeError("outside of a request")

    assert not data._is_mapped(Proxy())
