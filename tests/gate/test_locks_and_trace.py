"""Every statement of a revision: its line, its locks, its effects on existing tables."""

import psycopg
import pytest

from slipway.gate.measure.locks import Table, effect
from slipway.records.proof import Blocked, Layer

LAYERS = (Layer.TRACE,)

FIRST = 10  # the line of the first statement of upgrade()
BASE = """
    op.execute("CREATE TABLE p (id int PRIMARY KEY, a int, t text)")
    op.execute("CREATE TABLE c (id int PRIMARY KEY, p_id int)")
    op.execute("CREATE INDEX ix ON p (a)")
"""
UNDO = "op.drop_table('c'); op.drop_table('p')"
READERS_AND_WRITERS, WRITERS = Blocked(read=True, write=True), Blocked(read=False, write=True)


@pytest.fixture
def statements(prove_history):
    """The statements of a revision that follows one with two tables."""

    def run(upgrade):
        proof = prove_history({"zero": (None, BASE, UNDO), "one": ("zero", upgrade, "")})
        return proof.revisions[1].statements

    return run


def alone(statement):
    return f"with op.get_context().autocommit_block():\n    op.execute({statement!r})"


def test_a_statement_is_recorded_with_its_line_and_its_text(statements):
    first, second = statements("op.execute('SELECT 1')\n\nop.execute('SELECT  2\\n, 3')")
    assert (first.line, first.sql) == (FIRST, "SELECT 1")
    assert (second.line, second.sql) == (FIRST + 2, "SELECT 2 , 3")
    assert first.ms > 0


def test_a_statement_that_alembic_writes_has_the_line_of_the_operation(statements):
    (statement,) = statements("x = 1\nop.add_column(\n    'p',\n    sa.Column('b', sa.Integer()),\n)")
    assert statement.line == FIRST + 1
    assert statement.sql == "ALTER TABLE p ADD COLUMN b INTEGER"


def test_a_statement_in_a_function_of_the_revision_has_the_line_in_that_function(prove_history):
    one = "from alembic import op\nrevision = 'one'\ndown_revision = None\ndef fill():\n    op.execute('SELECT 1')\n\ndef upgrade():\n    fill()\n"
    ((statement,),) = (r.statements for r in prove_history({}, files={"migrations/versions/one.py": one}).revisions)
    assert statement.line == 5


def test_lines_are_known_whatever_alembic_calls_the_file(prove_history):
    ini = "[alembic]\nscript_location = migrations\npath_separator = os\n"
    (revision,) = prove_history({"one": (None, "op.execute('SELECT 1')", "")}, ini=ini).revisions
    assert revision.file == "migrations/versions/one.py"
    assert [statement.line for statement in revision.statements] == [FIRST]


def test_only_the_upgrade_is_recorded_and_only_once(prove_history):
    (revision,) = prove_history({"one": (None, "op.execute('CREATE TABLE a ()')", "op.drop_table('a')")}).revisions
    assert [statement.sql for statement in revision.statements] == ["CREATE TABLE a ()"]


def test_statements_of_old_revisions_are_not_recorded(prove_history):
    create, drop = "op.execute('CREATE TABLE {0} ()')", "op.drop_table('{0}')"
    order = {"root": None, "y_new": "root", "z_new": "y_new", "a_old": "root", "b_old": "a_old"}
    revisions = {name: (down, create.format(name), drop.format(name)) for name, down in order.items()}
    proof = prove_history(revisions, start_after="b_old")
    assert [revision.id for revision in proof.revisions] == ["root", "a_old", "b_old", "y_new", "z_new"]
    assert {revision.id for revision in proof.revisions if revision.statements} == {"y_new", "z_new"}


def test_bookkeeping_of_alembic_is_not_recorded(statements):
    assert statements("") == ()


def test_locks_on_alembics_own_table_are_not_recorded(statements):
    (statement,) = statements("op.execute('LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE')")
    assert (statement.locks, statement.blocks) == ({}, {})


def test_statements_on_a_connection_of_the_revisions_own_are_recorded(statements):
    own = """
        with op.get_bind().engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE p ADD COLUMN b int"))
        op.execute("ALTER TABLE c ADD COLUMN b int")
    """
    first, second = statements(own)
    assert (first.line, first.locks) == (FIRST + 1, {"public.p": "ACCESS EXCLUSIVE"})
    assert (second.line, second.blocks) == (FIRST + 2, {"public.c": READERS_AND_WRITERS})


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ("SELECT * FROM p", {}),
        ("SELECT * FROM p FOR UPDATE", {"public.p": "ROW SHARE"}),
        ("INSERT INTO p VALUES (1)", {"public.p": "ROW EXCLUSIVE"}),
        ("COMMENT ON TABLE p IS 'said'", {"public.p": "SHARE UPDATE EXCLUSIVE"}),
        ("CREATE INDEX ON p (t)", {"public.p": "SHARE"}),
        ("ALTER TABLE p ADD COLUMN b int", {"public.p": "ACCESS EXCLUSIVE"}),
        ("DROP TABLE c", {"public.c": "ACCESS EXCLUSIVE"}),
        ("DROP INDEX ix", {"public.p": "ACCESS EXCLUSIVE"}),
        ("CREATE TABLE n (p_id int REFERENCES p)", {"public.p": "SHARE ROW EXCLUSIVE"}),
        (
            "ALTER TABLE c ADD FOREIGN KEY (p_id) REFERENCES p",
            {"public.c": "SHARE ROW EXCLUSIVE", "public.p": "SHARE ROW EXCLUSIVE"},
        ),
        ("CREATE TABLE n (id int)", {}),
    ],
)
def test_the_strongest_new_lock_on_each_table_is_named(statements, sql, locks):
    (statement,) = statements(f"op.execute({sql!r})")
    assert statement.locks == locks
    assert statement.transaction
    assert statement.measured


def test_a_lock_is_named_at_the_statement_that_took_it_and_blocks_until_the_end(statements):
    first, second = statements("op.execute('ALTER TABLE p ADD COLUMN b int')\nop.execute('SELECT 1')")
    assert (first.locks, first.blocks) == ({"public.p": "ACCESS EXCLUSIVE"}, {"public.p": READERS_AND_WRITERS})
    assert (second.locks, second.blocks) == ({}, {"public.p": READERS_AND_WRITERS})


@pytest.mark.parametrize("sql", ["REINDEX INDEX ix", "REINDEX TABLE p"])
def test_a_lock_on_an_index_blocks_all_readers_of_its_table(statements, sql):
    (statement,) = statements(f"op.execute({sql!r})")
    assert statement.locks == {"public.p": "ACCESS EXCLUSIVE"}
    assert statement.blocks == {"public.p": READERS_AND_WRITERS}


def test_a_new_index_is_not_yet_in_a_readers_way(statements):
    (statement,) = statements("op.execute('CREATE INDEX ON p (t)')")
    assert statement.blocks == {"public.p": WRITERS}


def test_a_reader_waits_for_every_index_of_its_table(database):
    with psycopg.connect(database) as rebuilding, psycopg.connect(database) as reader:
        rebuilding.execute("CREATE TABLE p (id int PRIMARY KEY, a int)")
        rebuilding.execute("CREATE INDEX ix ON p (a)")
        rebuilding.commit()
        rebuilding.execute("REINDEX INDEX ix")
        reader.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            reader.execute("SELECT id FROM p WHERE id = 1")


def test_a_lock_ends_with_its_transaction(statements):
    body = "op.execute('ALTER TABLE p ADD COLUMN b int')\n" + alone("SELECT 1") + "\nop.execute('SELECT 2')"
    _, second, third = statements(body)
    assert (second.transaction, second.blocks) == (False, {})
    assert (third.transaction, third.blocks) == (True, {})


@pytest.mark.parametrize(
    ("sql", "work"),
    [
        ("ALTER TABLE p ALTER a TYPE bigint", ("rewrites", "builds", "scans")),
        ("ALTER TABLE p ADD COLUMN b uuid DEFAULT gen_random_uuid()", ("rewrites", "scans")),
        ("CREATE INDEX ON p (t)", ("builds", "scans")),
        ("ALTER TABLE p ADD UNIQUE (t)", ("builds", "scans")),
        ("ALTER TABLE p ALTER t SET NOT NULL", ("scans",)),
        ("ALTER TABLE p ADD CHECK (a > 0)", ("scans",)),
        ("UPDATE p SET a = 1", ("scans",)),
        ("ALTER TABLE p ADD CHECK (a > 0) NOT VALID", ()),
        ("ALTER TABLE p ADD COLUMN b int DEFAULT 1", ()),
        ("ALTER TABLE p RENAME COLUMN a TO b", ()),
        ("ALTER TABLE p DROP COLUMN a", ()),
    ],
)
def test_work_on_rows_is_named_by_table(statements, sql, work):
    (statement,) = statements(f"op.execute({sql!r})")
    done = {name: getattr(statement, name) for name in ("rewrites", "builds", "scans")}
    assert done == {name: ("public.p",) if name in work else () for name in done}


def test_rows_that_an_update_finds_by_an_index_are_a_scan_unless_it_is_unique(prove_history):
    table = "op.execute('CREATE TABLE a (id bigint PRIMARY KEY, v text)'); op.execute('CREATE INDEX ON a (v)')"
    updates = ("UPDATE a SET v = 'x' WHERE v IS NULL", "SELECT FROM a WHERE v = 'x'", "DELETE FROM a WHERE id = 1")
    body = "\n".join(f"op.execute({sql!r})" for sql in updates)
    proof = prove_history({"one": (None, table, "op.drop_table('a')"), "two": ("one", body, "pass")})
    assert [statement.scans for statement in proof.revisions[-1].statements] == [("public.a",), (), ()]


def test_an_index_that_takes_over_the_file_of_the_one_before_is_not_built(prove_history):
    table = "op.execute('CREATE TABLE a (id bigint PRIMARY KEY, v varchar(10))'); op.execute('CREATE INDEX ON a (v)')"
    wider = "op.execute('ALTER TABLE a ALTER id TYPE bigint, ALTER v TYPE varchar(20)')"
    proof = prove_history(
        {"one": (None, table, "op.drop_table('a')"), "two": ("one", wider, "raise NotImplementedError")}
    )
    (statement,) = proof.revisions[-1].statements
    assert (statement.builds, statement.rewrites, statement.scans) == ((), (), ())


def test_work_on_a_table_of_the_same_revision_is_not_recorded(statements):
    body = (
        "op.execute('CREATE TABLE n (id int)')\nop.execute('CREATE INDEX ON n (id)')\nop.execute('UPDATE n SET id = 1')"
    )
    for statement in statements(body):
        assert (statement.locks, statement.blocks, statement.scans, statement.builds) == ({}, {}, (), ())


def test_work_of_earlier_revisions_is_not_counted_again(prove_history):
    read = "op.execute('UPDATE p SET a = 1')"
    proof = prove_history(
        {
            "zero": (None, BASE, UNDO),
            "one": ("zero", read, ""),
            "two": ("one", "op.execute('INSERT INTO c VALUES (1)')\nop.execute('INSERT INTO p VALUES (1)')", ""),
        }
    )
    assert proof.revisions[1].statements[0].scans == ("public.p",)
    assert [statement.scans for statement in proof.revisions[2].statements] == [(), ()]


def test_a_dropped_sequence_locks_no_session_out(prove_history):
    drop = "op.execute('DROP SEQUENCE s')\nop.execute('CREATE INDEX ON p (t)')"
    proof = prove_history(
        {"zero": (None, f"{BASE}\n    op.execute('CREATE SEQUENCE s')", UNDO), "one": ("zero", drop, "")}
    )
    assert [list(statement.blocks) for statement in proof.revisions[1].statements] == [[], ["public.p"]]


def test_a_statement_that_is_its_own_transaction_is_measured(statements):
    (statement,) = statements(alone("CREATE INDEX ON p (t)"))
    assert not statement.transaction
    assert statement.measured
    assert statement.locks == {"public.p": "SHARE"}
    assert statement.blocks == {"public.p": WRITERS}
    assert statement.builds == ("public.p",)


def test_a_statement_that_refuses_a_transaction_is_run_but_not_measured(prove_history):
    concurrent = alone("CREATE INDEX CONCURRENTLY ON p (t)")  # its locks are known, and block no reader and no writer
    proof = prove_history(
        {
            "zero": (None, BASE, UNDO),
            "one": ("zero", concurrent, ""),
            "two": ("one", alone("VACUUM p"), ""),
            "three": ("two", alone("VACUUM FULL p"), ""),
        }
    )
    for revision in proof.revisions[1:3]:
        (statement,) = revision.statements
        assert (statement.transaction, statement.measured, statement.locks) == (False, False, {})
    (full,) = proof.revisions[3].statements  # by the table's new file
    assert (full.locks, full.lock_timeout) == ({"public.p": "ACCESS EXCLUSIVE"}, "2s")
    assert "the locks of 1 statement that Postgres runs only outside a transaction" in proof.coverage.gaps


@pytest.mark.parametrize("first", ["SET lock_timeout = '1s'", "SELECT 1", "UPDATE p SET a = 1"])
def test_a_text_of_several_statements_is_measured_whatever_it_begins_with(statements, first):
    (statement,) = statements(alone(f"{first}; ALTER TABLE p ALTER a TYPE bigint"))
    assert statement.measured
    assert (statement.locks, statement.rewrites) == ({"public.p": "ACCESS EXCLUSIVE"}, ("public.p",))


@pytest.mark.parametrize("begin", ["BEGIN; ", ""])
def test_a_text_that_commits_is_not_run_beforehand_and_not_measured(statements, begin):
    (statement,) = statements(alone(f"{begin}INSERT INTO p VALUES (1); COMMIT"))
    assert (statement.measured, statement.locks) == (False, {})


OWN_TRANSACTION = """
with op.get_context().autocommit_block():
    op.execute("BEGIN")
    op.execute("LOCK TABLE p IN ACCESS EXCLUSIVE MODE NOWAIT")
    op.execute("ALTER TABLE p ADD COLUMN b int")
    op.execute("COMMIT")
    op.execute("ALTER TABLE c ADD COLUMN b int")
"""


def test_a_transaction_that_a_revision_begins_itself_is_its_own(statements):
    begin, lock, alter, commit, after = statements(OWN_TRANSACTION)
    assert [each.transaction for each in (begin, lock, alter, commit, after)] == [False, True, True, True, False]
    assert lock.locks == {"public.p": "ACCESS EXCLUSIVE"}
    assert alter.blocks == {"public.p": READERS_AND_WRITERS}
    assert (after.locks, after.blocks) == ({"public.c": "ACCESS EXCLUSIVE"}, {"public.c": READERS_AND_WRITERS})


def test_it_is_taken_back_by_the_revision_itself_when_it_fails(statements):
    retried = """
with op.get_context().autocommit_block():
    op.execute("BEGIN")
    try:
        op.execute("SELECT 1 / 0")
    except sa.exc.DBAPIError:
        op.execute("ROLLBACK")
    op.execute("ALTER TABLE p ADD COLUMN b int")
"""
    *_, alter = statements(retried)
    assert not alter.transaction
    assert alter.locks == {"public.p": "ACCESS EXCLUSIVE"}


def test_a_rehearsed_statement_is_executed_once(statements):
    both = statements(f"{alone('CREATE TABLE n (id int)')}\n{alone('DROP TABLE n')}")
    assert [statement.sql for statement in both] == ["CREATE TABLE n (id int)", "DROP TABLE n"]


def test_a_failing_statement_outside_a_transaction_is_a_finding_of_its_own(prove_history):
    (finding,) = prove_history({"one": (None, alone("DROP TABLE n"), "")}).findings
    assert finding.rule == "U01"
    assert 'table "n" does not exist' in finding.measured


def test_parameters_are_no_part_of_the_text(statements):
    body = 'op.get_bind().execute(sa.text("INSERT INTO p (t) VALUES (:secret)"), {"secret": "hunter2"})'
    (statement,) = statements(body.replace("(t)", "(id, t)").replace("(:secret)", "(1, :secret)"))
    assert "hunter2" not in statement.sql


def test_a_very_long_statement_is_cut_with_a_sign(statements):
    (statement,) = statements("op.execute('SELECT ' + '1' * 5000 + '::numeric')")
    assert (len(statement.sql), statement.sql[-4:]) == (4000, "11 …")


OLD = 100


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (Table(filenode=50), Table(filenode=101), "rewrites"),
        (Table(), Table(filenode=101), "rewrites"),
        (Table(scans=1), Table(scans=2), "scans"),
        (Table(), Table(indexes=frozenset({101})), "builds"),
    ],
)
def test_an_effect_is_what_changed_between_two_looks(before, after, name):
    done = effect({"1": before}, {"1": after}, OLD)
    assert getattr(done, name) == ("1",)
    assert not any(getattr(done, other) for other in {"rewrites", "scans", "builds"} - {name})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Table(), Table(filenode=50)),
        (Table(), Table(indexes=frozenset({50}))),
        (Table(filenode=101), Table(filenode=101)),
        (Table(scans=2), Table(scans=2)),
        (Table(indexes=frozenset({101})), Table(indexes=frozenset({101}))),
    ],
    ids=["an old file", "an old index", "the same file", "no more scans", "the same index"],
)
def test_an_unchanged_table_has_no_effect(before, after):
    done = effect({"1": before}, {"1": after}, OLD)
    assert (done.rewrites, done.scans, done.builds) == ((), (), ())
