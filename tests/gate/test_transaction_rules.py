"""T: statements that end a transaction, and statements that only look like it; models in a revision."""

import sys
from types import SimpleNamespace

import pytest

from slipway.gate.findings import data, transactions
from slipway.gate.history import Node
from slipway.records.proof import Statement

NODE = Node(
    id="one",
    down=(),
    parents=(),
    file="one.py",
    old=None,
    upgrade_line=1,
    downgrade_line=1,
    keeps_on_upgrade=False,
    keeps_on_downgrade=False,
    script=None,
)


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
    statement = Statement(
        sql=sql, line=1, transaction=True, locks={}, rewrites=(), builds=(), scans=(), blocks={}, measured=True, ms=0.1
    )
    assert bool([each for each in transactions.check(NODE, [statement]) if each.rule == "T05"]) is ends


def test_a_revision_may_end_a_transaction_that_it_began():
    said = [("BEGIN", False), ("UPDATE a SET b = 1", True), ("COMMIT", True), ("BEGIN", False), ("ROLLBACK", True)]
    statements = [
        Statement(
            sql=sql,
            line=line,
            transaction=inside,
            locks={},
            rewrites=(),
            builds=(),
            scans=(),
            blocks={},
            measured=True,
            ms=0.1,
        )
        for line, (sql, inside) in enumerate(said)
    ]
    assert [each.rule for each in transactions.check(NODE, statements) if each.rule == "T05"] == []
    alembics = [
        Statement(
            sql="COMMIT",
            line=9,
            transaction=True,
            locks={},
            rewrites=(),
            builds=(),
            scans=(),
            blocks={},
            measured=True,
            ms=0.1,
        )
    ]
    assert [each.line for each in transactions.check(NODE, statements + alembics) if each.rule == "T05"] == [9]


def test_foreign_keys_are_not_checked_together():
    def alter(line, action):
        return Statement(
            sql=f"ALTER TABLE a {action}",
            line=line,
            transaction=True,
            locks={},
            rewrites=(),
            builds=(),
            scans=("public.a",),
            blocks={},
            measured=True,
            ms=0.1,
        )

    keys = [alter(1, "ADD CONSTRAINT x FOREIGN KEY(b) REFERENCES b (id)"), alter(2, "ADD CONSTRAINT y FOREIGN KEY(c) REFERENCES c (id)")]  # fmt: skip
    assert [each.rule for each in transactions.check(NODE, keys)] == []
    nulls = [alter(3, "ALTER b SET NOT NULL"), alter(4, "ALTER c SET NOT NULL")]
    assert [each.rule for each in transactions.check(NODE, keys + nulls)] == ["T10"]


def test_a_revision_that_another_one_imports_is_no_model(monkeypatch):
    module = SimpleNamespace(__file__="versions/zero.py", User=type("User", (), {"__table__": None}))
    monkeypatch.setitem(sys.modules, "zero", module)
    importing = SimpleNamespace(source=b"from zero import User", id="one", file="one.py", old=None)
    assert [each.rule for each in data.check_imports(importing, lambda _file: True)] == ["D06"]
    module.down_revision = None
    assert not [*data.check_imports(importing, lambda _file: True)]


def test_a_proxy_that_works_only_within_a_request_is_not_a_model():
    class Proxy:
        @property
        def __class__(self):
            raise RuntimeError("outside of a request")

        def __getattr__(self, name):
            raise RuntimeError("outside of a request")

    assert not data._is_mapped(Proxy())
