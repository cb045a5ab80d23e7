"""Roles belong to the server: those that a revision creates are dropped with its database."""

import psycopg
import pytest

from slipway.records.form import from_json
from slipway.records.proof import Layer, Proof
from tests.gate.conftest import named

pytestmark = pytest.mark.slow

CREATES = {
    "one": (None, "op.execute('CREATE TABLE a (id int)')", "op.drop_table('a')"),
    "two": (
        "one",
        "op.execute('CREATE ROLE \"the reader\"')\nop.execute('GRANT SELECT ON a TO \"the reader\"')",
        "op.execute('REVOKE ALL ON a FROM \"the reader\"')\nop.execute('DROP ROLE \"the reader\"')",
    ),
    "three": ("two", "op.execute('ALTER TABLE a ADD b int')", "raise RuntimeError('no way back')"),
    "four": ("three", "op.execute('CREATE TABLE b (id int)')", "op.drop_table('b')"),
}


def roles(server):
    with psycopg.connect(server) as connection:
        return connection.execute("SELECT rolname FROM pg_roles").fetchall()


def test_roles_are_created_in_every_database_and_left_in_none(prove_history, server):
    before = roles(server)
    proof = prove_history(CREATES)
    assert [(each.rule, each.revision) for each in proof.findings if each.fails] == [("R02", "three")]
    assert proof.coverage.revisions == 4
    assert proof.coverage.gaps[0] == "models were not compared: env.py gives no target_metadata"
    assert roles(server) == before


@pytest.mark.parametrize(
    "up",
    [
        "op.execute('CREATE ROLE writer')\nraise RuntimeError('half')",
        "with op.get_context().autocommit_block():\n    op.execute('CREATE ROLE writer')\nraise RuntimeError('half')",
        "op.execute('DO $$ BEGIN CREATE USER writer; END $$')",
    ],
)
def test_roles_are_left_in_none_however_they_are_created(prove_history, server, up):
    before = roles(server)
    prove_history({"one": (None, up, "")})
    assert roles(server) == before


def test_a_role_that_was_there_before_stays(prove_history, server):
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE ROLE there_before")
        proof = prove_history({"one": (None, "op.execute('CREATE ROLE there_before')", "")})
        connection.execute("DROP ROLE there_before")
    assert "already exists" in proof.findings[0].measured


def test_processes_and_gates_side_by_side_take_turns(write_project, gate, server_url, server, tmp_path):
    long = {f"r{number:02}": (f"r{number - 1:02}" if number else "two", "", "") for number in range(60)}
    write_project({"one": CREATES["one"], "two": CREATES["two"], **long})
    before = roles(server)
    gates = [gate(layers=tuple(Layer), database=named(server_url), proof=f"proof-{number}.json") for number in range(2)]
    assert [process.communicate(timeout=300) for process in gates] == [("", "")] * 2
    for number in range(2):
        proof = from_json(Proof, (tmp_path / f"proof-{number}.json").read_text(), "here")
        assert (proof.coverage.revisions, [each for each in proof.findings if each.fails]) == (62, [])
    assert roles(server) == before
