"""New revisions beside concurrent sessions, on a copy of the database."""

import pytest

from slipway.gate.layers import concurrency
from slipway.gate.prove import prove
from slipway.records.gate import Column, Model, Previous, Recorded
from slipway.records.proof import Layer, Queue
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

LAYERS = (Layer.PREVIOUS, Layer.CONCURRENCY)
TABLES = (
    None,
    "op.execute('CREATE TABLE a (id int PRIMARY KEY, n int)')\nop.execute('CREATE TABLE b (id int PRIMARY KEY, n int)')",
    "raise NotImplementedError",
)

ONE_AT_A_TIME = """
import sqlalchemy as sa
from alembic import context

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    connection.execute(sa.text("SELECT pg_advisory_lock(7)"))
    connection.commit()
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def block(*lines):
    return "\n".join(["with op.get_context().autocommit_block():", *(f"    op.execute({line!r})" for line in lines)])


@pytest.fixture
def proven(prove_history):
    """Proves a revision after one with two tables; returns its record and the proof."""

    def run(*sql, upgrade=None, **project):
        body = upgrade or "\n".join(f"op.execute({line!r})" for line in sql)
        proof = prove_history(
            {"one": TABLES, "two": ("one", body, "raise NotImplementedError")}, start_after="one", **project
        )
        return proof.revisions[-1], proof

    return run


def test_readers_and_writers_wait_behind_a_revision_that_waits_for_a_strong_lock(proven):
    revision, _ = proven("ALTER TABLE a ADD c int")
    assert revision.queue == Queue(behind="public.a", readers=("public.a",), writers=("public.a",))


def test_only_writers_wait_behind_a_weaker_lock(proven):
    revision, _ = proven("CREATE INDEX ON a (n)")
    assert revision.queue == Queue(behind="public.a", readers=(), writers=("public.a",))


def test_no_session_waits_behind_an_index_that_is_built_concurrently(proven):
    revision, _ = proven(upgrade=block("CREATE INDEX CONCURRENTLY i ON a (n)"))
    assert revision.queue is None


def test_earlier_locks_block_too_and_a_transaction_that_then_writes_there_ends_in_a_deadlock(proven):
    revision, _ = proven("ALTER TABLE a ADD c int", "ALTER TABLE b ADD c int")
    assert revision.queue == Queue(
        behind="public.b", readers=("public.a", "public.b"), writers=("public.a", "public.b"), deadlock="public.a"
    )


def test_a_revision_that_gives_up_before_a_session_could_wait_has_no_queue(proven):
    revision, _ = proven("SET LOCAL lock_timeout = '1ms'", "ALTER TABLE a ADD c int")
    assert revision.queue is None or not revision.queue.deadlock


def test_the_time_of_work_on_all_rows_is_measured_at_two_counts_of_them(proven):
    revision, _ = proven("ALTER TABLE a ALTER n TYPE bigint", "ALTER TABLE b ADD c int")
    (growth,) = revision.growth
    assert (growth.line, growth.tables, growth.rows) == (10, ("public.a",), (1_000, 20_000))
    assert len(growth.ms) == 2


def test_a_table_that_cannot_hold_many_rows_is_a_gap(prove_history):
    table = (None, "op.execute('CREATE TABLE a (flag bool UNIQUE, n int)')", "op.drop_table('a')")
    grow = ("one", "op.execute('ALTER TABLE a ALTER n TYPE bigint')", "op.execute('ALTER TABLE a ALTER n TYPE int')")
    proof = prove_history({"one": table, "two": grow}, start_after="one")
    assert (
        "the growth of the time of two with rows is unknown: public.a could not be filled with 1000 rows"
        in proof.coverage.gaps
    )


def test_a_revision_that_fails_only_on_many_rows_is_a_finding_and_no_gap(proven):
    body = "op.execute('ALTER TABLE a ADD m int')\nop.execute('UPDATE a SET m = n')\nop.create_index('i', 'a', ['m'], unique=True)"
    _, proof = proven(upgrade=body)
    ((rule, line),) = [(each.rule, each.line) for each in proof.findings if each.rule == "D01"]
    assert (rule, line) == ("D01", 12)
    assert not [gap for gap in proof.coverage.gaps if "growth" in gap]


def test_the_findings_say_who_waited_and_what_stopped(proven):
    _, proof = proven("ALTER TABLE a ADD c int", "ALTER TABLE b ALTER n TYPE bigint", lock_timeout=None)
    measured = {finding.rule: finding.measured for finding in proof.findings}
    assert "readers and writers of public.a, public.b waited behind it" in measured["Q01"]
    assert "a transaction that wrote to public.b and then to public.a deadlocked with it" in measured["Q04"]


def test_statements_of_the_previous_release_wait_too(write_project, server_url):
    config = write_project(
        {"one": TABLES, "two": ("one", "op.execute('ALTER TABLE a ADD c int')", "raise NotImplementedError")}
    )
    said = (
        Recorded("SELECT n FROM a JOIN b USING (n) WHERE n::text LIKE '9%'", "app.py:7"),
        Recorded("SELECT n FROM b", "app.py:8"),
    )
    proof = prove(
        question(config, layers=LAYERS, start_after="one", previous=Previous(name="v1", models=(), recorded=said)),
        server_url,
    )
    assert proof.revisions[-1].queue.statements == ("recorded at app.py:7",)


def test_a_writer_of_a_row_that_refers_to_a_locked_table_waits_too(write_project, server_url):
    refers = "op.execute('CREATE TABLE c (id int PRIMARY KEY, a_id int REFERENCES a)')"
    _, upgrade, down = TABLES
    config = write_project(
        {"one": (None, f"{upgrade}\n{refers}", down), "two": ("one", "op.execute('ALTER TABLE a ADD d int')", down)}
    )
    models = (Model(None, "c", (Column(name="id", written=True), Column(name="a_id", written=True))),)
    previous = Previous(name="v1", models=models)
    proof = prove(question(config, layers=LAYERS, start_after="one", previous=previous), server_url)
    assert proof.revisions[-1].queue.statements == tuple(
        f"INSERT of a {kind} row, derived from the model of public.c" for kind in ("full", "bare")
    )


def test_two_runners_at_once_are_tried_after_each_statement_outside_a_transaction(proven):
    revision, proof = proven(upgrade=block("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (n)", "ANALYZE a"))
    assert revision.encounters == 2
    assert [finding.rule for finding in proof.findings if finding.rule == "T11"] == []


def test_two_runners_that_leave_another_database_than_one_are_reported(proven):
    _, proof = proven(upgrade=block("INSERT INTO a SELECT count(*), 1 FROM a"))
    (measured,) = [finding.measured for finding in proof.findings if finding.rule == "T11"]
    assert measured.startswith(
        "a second runner ran it while the first paused after line 11: a has 2 rows and not 1 (the first failed: "
    )


def test_a_lock_that_env_py_takes_keeps_two_runners_apart(proven):
    revision, proof = proven(upgrade=block("INSERT INTO a SELECT count(*), 1 FROM a"), env=ONE_AT_A_TIME)
    assert revision.encounters == 1
    assert [finding.rule for finding in proof.findings if finding.rule == "T11"] == []


def test_with_many_new_revisions_the_layer_is_skipped_and_a_gap_names_it(prove_history, monkeypatch):
    monkeypatch.setattr(concurrency, "_MOST_REVISIONS", 1)
    more = {
        f"r{number}": (f"r{number - 1}", f"op.execute('ALTER TABLE a ADD c{number} int')", "raise NotImplementedError")
        for number in (1, 2)
    }
    proof = prove_history({"r0": TABLES, **more}, start_after="r0")
    assert not any(revision.queue for revision in proof.revisions)
    assert any(
        gap.startswith("lock queues and concurrent runners were not examined: 2 revisions are new, and the limit is 1")
        for gap in proof.coverage.gaps
    )


def test_a_revision_in_one_transaction_needs_no_second_runner(proven):
    revision, _ = proven("ALTER TABLE a ADD c int")
    assert revision.encounters == 0
