"""T: statements that end a transaction, and statements that only look like it; models in a revision."""

import sys
from types import SimpleNamespace

import pytest

from slipway.gate.findings import data, transactions
from tests.gate.test_blocking_rules import NODE, statement


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
    found = transactions.check(NODE, [statement(sql=sql)])
    assert bool([each for each in found if each.rule == "T05"]) is ends


def test_a_revision_may_end_a_transaction_that_it_began():
    said = [("BEGIN", False), ("UPDATE a SET b = 1", True), ("COMMIT", True), ("BEGIN", False), ("ROLLBACK", True)]
    statements = [statement(sql=sql, line=line, transaction=inside) for line, (sql, inside) in enumerate(said)]
    assert [each.rule for each in transactions.check(NODE, statements) if each.rule == "T05"] == []
    alembics = [statement(sql="COMMIT", line=9)]
    assert [each.line for each in transactions.check(NODE, statements + alembics) if each.rule == "T05"] == [9]


def test_foreign_keys_are_not_checked_together_and_indexes_are_not_built_together():
    def alter(line, action, **work):
        return statement(sql=f"ALTER TABLE a {action}", line=line, scans=("public.a",), **work)

    keys = [alter(1, "ADD CONSTRAINT x FOREIGN KEY(b) REFERENCES b (id)"), alter(2, "ADD CONSTRAINT y FOREIGN KEY(c) REFERENCES c (id)")]  # fmt: skip
    assert [each.rule for each in transactions.check(NODE, keys)] == []
    built = [alter(line, f"ADD UNIQUE ({line})", builds=("public.a",)) for line in "bc"]
    assert [each.rule for each in transactions.check(NODE, built)] == []
    nulls = [alter(3, "ALTER b SET NOT NULL"), alter(4, "ALTER c SET NOT NULL")]
    assert [each.rule for each in transactions.check(NODE, keys + nulls)] == ["T10"]


def test_a_revision_that_another_one_imports_is_no_model(monkeypatch):
    class Lazy(SimpleNamespace):
        def __getattr__(self, name):
            return {}[name]

    module = Lazy(__file__="versions/zero.py", User=type("User", (), {"__table__": None}))
    monkeypatch.setitem(sys.modules, "zero", module)
    importing = SimpleNamespace(source=b"from zero import User", id="one", file="one.py", old=None)

    def found():
        return [each.rule for each in data.check_imports(importing, data.mapped_modules("versions/zero.py".__eq__))]

    assert found() == ["D06"]
    module.down_revision = None
    assert not found()


def test_a_proxy_that_works_only_within_a_request_is_not_a_model():
    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("outside of a request")

        def __getattr__(self, name):
            raise RuntimeError("outside of a request")

    assert not data._is_mapped(Proxy())
