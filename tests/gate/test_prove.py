"""History -> Proof, as a whole: what it says, what it leaves behind."""

import platform
import re
import secrets

import alembic
import psycopg
import pytest
import sqlalchemy as sa

from slipway.errors import BadInputError
from slipway.gate.prove import prove
from slipway.records.form import from_json, to_json
from slipway.records.proof import Level, Proof, Verdict
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

TABLE = "op.create_table('{0}', sa.Column('id', sa.Integer()))"
DROP = "op.drop_table('{0}')"
ONE = {"one": (None, TABLE.format("a"), DROP.format("a"))}
OF_ALL_SORTS = {
    **ONE,
    "two": ("one", "op.create_index('ix', 'a', ['id'])", "op.execute('SELECT 1')"),
    "three": ("two", TABLE.format("b"), ""),
    "four": ("three", TABLE.format("c"), "raise NotImplementedError"),
}


def databases(server):
    with psycopg.connect(server.url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_a_proof_survives_its_json_form_and_no_database_is_left_behind(prove_history, postgres):
    before = databases(postgres)
    proof = prove_history(OF_ALL_SORTS, models="sa.Table('a', metadata)", start_after="one")
    assert from_json(Proof, to_json(proof), "here") == proof
    assert databases(postgres) == before


def test_a_proof_says_what_it_was_made_with(prove_history, postgres):
    proof = prove_history(ONE)
    assert proof.gate.python == platform.python_version()
    assert (proof.gate.sqlalchemy, proof.gate.alembic) == (sa.__version__, alembic.__version__)
    assert proof.gate.driver == "psycopg"
    assert proof.postgres.split(".")[0] == str(postgres.major)
    assert set(proof.seconds) == {
        "load",
        "stairway and drift",
        "models",
        "rows, together, interruptions, previous release, concurrency",
    }


def test_a_proof_counts_what_was_looked_at(prove_history):
    coverage = prove_history({**ONE, "two": ("one", "op.execute('SELECT 1')\nop.execute('SELECT 2')", "")}).coverage
    assert (coverage.revisions, coverage.new, coverage.statements) == (2, 2, 3)


def test_errors_come_before_warnings_before_notes_and_those_that_count_fail_the_gate(prove_history):
    proof = prove_history(OF_ALL_SORTS)
    assert proof.verdict is Verdict.FAIL
    assert {finding.rule for finding in proof.failures} == {"L01", "R03"}
    weights = [finding.level for finding in proof.findings if finding.suppressed is None]
    assert weights == sorted(weights, key=[Level.ERROR, Level.WARNING, Level.NOTE].index)
    assert {finding.level for finding in proof.findings} == set(Level)


def test_suppressed_findings_come_last(prove_history):
    proof = prove_history({**OF_ALL_SORTS, "five": ("four", TABLE.format("d"), "")}, start_after="four")
    suppressed = [finding.suppressed is not None for finding in proof.findings]
    assert suppressed == sorted(suppressed)
    assert set(suppressed) == {True, False}


def test_a_project_that_starts_today_is_green_on_day_one(prove_history):
    proof = prove_history(OF_ALL_SORTS, start_after="four")
    assert proof.verdict is Verdict.PASS
    assert proof.failures == ()
    assert proof.coverage.new == 0


def test_revisions_after_start_after_are_judged(prove_history):
    bad = ("four", "op.alter_column('a', 'id', nullable=False)", "op.alter_column('a', 'id', nullable=True)")
    proof = prove_history({**OF_ALL_SORTS, "five": bad}, start_after="four")
    assert [finding.rule for finding in proof.failures] == ["L10"]


@pytest.mark.parametrize("env", ["raise RuntimeError\n", "from alembic import context\n"])
def test_no_database_is_left_behind_by_a_gate_that_gives_up(prove_history, postgres, env):
    before = databases(postgres)
    with pytest.raises(BadInputError):
        prove_history(ONE, env=env)
    assert databases(postgres) == before


def test_no_database_is_left_behind_by_a_revision_that_keeps_a_connection(prove_history, postgres):
    before = databases(postgres)
    keep = "global kept\nkept = op.get_bind().engine.connect()\nkept.execute(sa.text('SELECT 1'))"
    close = "try:\n    kept.close()\nexcept Exception:\n    pass"
    prove_history({"one": (None, keep, close)})
    assert databases(postgres) == before


def test_other_databases_on_the_server_are_left_alone(prove_history, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE a (id int)")
        connection.execute("INSERT INTO a VALUES (1)")
        prove_history(ONE)
        assert connection.execute("SELECT id FROM a").fetchall() == [(1,)]
        assert connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,)


def test_extensions_are_there_before_the_first_revision(prove_history):
    proof = prove_history(
        {"one": (None, "op.execute('CREATE TABLE a (x citext)')", DROP.format("a"))}, extensions=("citext",)
    )
    assert proof.findings == ()


def test_an_extension_that_the_server_lacks_is_bad_input(prove_history, postgres):
    before = databases(postgres)
    with pytest.raises(BadInputError, match="the extension no_such cannot be created on this server"):
        prove_history(ONE, extensions=("no_such",))
    assert databases(postgres) == before


# A server of Debian's says where it looked, and so which major it is; others do not.
PACKAGE = re.compile(r"with the package postgresql-(\d+|NN)-rum$")


def test_an_extension_that_the_settings_name_is_reported_with_its_package(prove_history):
    with pytest.raises(BadInputError, match=PACKAGE):
        prove_history(ONE, extensions=("rum",))


def test_an_extension_that_a_revision_wants_is_reported_with_its_package(prove_history):
    (finding,) = prove_history({"one": (None, "op.execute('CREATE EXTENSION rum')", "")}).findings
    assert finding.rule == "U01"
    assert PACKAGE.search(finding.measured)


def test_a_server_that_does_not_answer_is_bad_input(write_project, server_url):
    with pytest.raises(BadInputError, match="the Postgres server does not answer"):
        prove(question(write_project(ONE)), server_url.set(port=1))


def test_a_user_who_may_not_create_databases_is_bad_input(write_project, server_url, postgres):
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hunter2'")
        try:
            with pytest.raises(BadInputError, match="permission denied to create database"):
                prove(question(write_project(ONE)), server_url.set(username=name, password="hunter2"))
        finally:
            connection.execute(f"DROP ROLE {name}")
