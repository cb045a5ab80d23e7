"""The stairway of a long history in several processes."""

import itertools
import os
import sys

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.gate.layers.in_parts import parts
from slipway.records.form import from_json
from slipway.records.proof import Layer, Proof
from slipway.records.refusal import Refusal
from tests.gate.conftest import named


@given(st.integers(0, 3000), st.integers(1, 50))
def test_parts_cover_all_revisions_in_order_and_none_twice(revisions, processes):
    cut = parts(revisions, processes)
    assert len(cut) == processes
    assert (cut[0][0], cut[-1][1]) == (0, revisions)
    assert all(first <= last for first, last in cut)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(cut))


@given(st.integers(100, 3000), st.integers(2, 4))
def test_a_later_part_is_never_longer_because_it_has_more_to_catch_up_with(revisions, processes):
    lengths = [last - first for first, last in parts(revisions, processes)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(lengths))
    assert min(lengths) > 0


LENGTH = 44
several_processes = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="a history is split on several cores only"
)


def history(changed=None):
    """A table a revision, in one line; `changed` are bodies of upgrade and downgrade by number."""
    names = [f"r{number:02}" for number in range(LENGTH)]
    return {
        name: (
            names[number - 1] if number else None,
            *(changed or {}).get(number, (f"op.execute('CREATE TABLE t{number} ()')", f"op.drop_table('t{number}')")),
        )
        for number, name in enumerate(names)
    }


def databases(server):
    with psycopg.connect(server.url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture
def run_gate(write_project, run_gate, server_url):
    """Proves a history in a fork, which may fork; returns its output file."""

    def run(revisions, layers=(Layer.ALWAYS, Layer.TRACE), **project):
        write_project(revisions, **project)
        _, written = run_gate(layers=layers, database=named(server_url))
        return written

    return run


@pytest.fixture
def prove_long(run_gate):
    return lambda revisions, **more: from_json(Proof, run_gate(revisions, **more), "here")


@pytest.mark.slow
def test_a_history_in_parts_has_the_same_proof_as_one_in_a_single_process(prove_long):
    models = f"for number in range({LENGTH}):\n    sa.Table(f't{{number}}', metadata)"
    proof = prove_long(history(), models=models)
    assert [revision.id for revision in proof.revisions] == list(history())
    assert proof.findings == ()
    assert proof.coverage.revisions == LENGTH
    for before, after in itertools.pairwise(proof.revisions):
        assert before.fingerprints["up"] == before.fingerprints["again"] == after.fingerprints["down"]
    assert all(len(revision.statements) == 1 for revision in proof.revisions)


@pytest.mark.slow
def test_a_failing_upgrade_in_the_other_part_is_found_once(prove_long):
    number = LENGTH - 3
    proof = prove_long(history({number: ("op.drop_table('no_such')", "")}))
    assert [(finding.rule, finding.revision) for finding in proof.findings] == [("U01", f"r{number:02}")]
    assert proof.coverage.revisions == number
    assert proof.coverage.gaps[0].startswith(
        f"{LENGTH - number} of {LENGTH} revisions were not executed, the first is r{number:02} ("
    )


@pytest.mark.slow
def test_one_proof_has_the_findings_of_all_parts(prove_long):
    trace = ("op.execute('CREATE SCHEMA IF NOT EXISTS s')", "op.execute('SELECT 1')")
    proof = prove_long(history({2: trace, LENGTH - 2: ("op.execute('CREATE SCHEMA IF NOT EXISTS z')", trace[1])}))
    assert [(finding.rule, finding.revision) for finding in proof.findings] == [
        ("R03", "r02"),
        ("R03", f"r{LENGTH - 2}"),
    ]


@pytest.mark.slow
@several_processes
@pytest.mark.parametrize("filling", ["", "op.execute('UPDATE t3 SET kept = 1')\n"], ids=["fails", "succeeds"])
def test_parts_of_a_history_on_rows_find_what_one_process_finds(prove_long, monkeypatch, tmp_path, filling):
    revisions = history(
        {
            3: ("op.execute('CREATE TABLE t3 (id serial PRIMARY KEY, kept int)')", "op.drop_table('t3')"),
            5: (
                f"{filling}op.execute('ALTER TABLE t3 ALTER kept SET NOT NULL')",
                "op.execute('ALTER TABLE t3 ALTER kept DROP NOT NULL')",
            ),
            LENGTH - 2: ("op.drop_column('t3', 'kept')", "op.add_column('t3', sa.Column('kept', sa.Integer()))"),
        }
    )
    in_parts = prove_long(revisions, layers=(Layer.ROWS,))
    (tmp_path / "migrations").rename(tmp_path / "earlier")
    monkeypatch.setattr("slipway.gate.layers.in_parts.processors", lambda: 1)
    alone = prove_long(revisions, layers=(Layer.ROWS,))
    assert in_parts.findings == alone.findings
    assert in_parts.coverage == alone.coverage
    assert [each.rows for each in in_parts.revisions] == [each.rows for each in alone.revisions]
    assert ("D01", "r05") in {(each.rule, each.revision) for each in alone.findings} or filling
    assert ("D03", f"r{LENGTH - 2}") in {(each.rule, each.revision) for each in alone.findings}


@pytest.mark.slow
@several_processes
def test_a_process_that_dies_is_a_refusal_and_no_half_proof(run_gate, postgres):
    die = "import multiprocessing, os\nif multiprocessing.current_process().name.count(':') == 2:\n    os._exit(1)"
    before = databases(postgres)
    refusal = from_json(Refusal, run_gate(history({1: (die, "")})), "here")
    assert (refusal.exit_code, refusal.what) == (1, "a part of the history could not be tested")
    assert refusal.next_step.startswith("its process ended with the exit code 1 in revision r01")
    assert databases(postgres) == before


@pytest.mark.slow
@several_processes
def test_stopped_processes_drop_their_databases(run_gate, postgres):
    # The process that was started gives up while its fork is in the middle of the first revision.
    env = """\
import multiprocessing
import time

import sqlalchemy as sa
from alembic import context

if multiprocessing.current_process().name.count(":") < 2:
    time.sleep(0.5)
    raise RuntimeError("enough")
engine = sa.create_engine("postgresql+psycopg://", poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
    before = databases(postgres)
    refusal = from_json(Refusal, run_gate(history({0: ("op.execute('SELECT pg_sleep(300)')", "")}), env=env), "here")
    assert "RuntimeError: enough" in refusal.next_step
    assert databases(postgres) == before
