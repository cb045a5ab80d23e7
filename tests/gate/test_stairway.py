"""Every revision up, down and up again, whatever the shape of the history and whatever fails on the way."""

import builtins

from slipway.records.proof import Layer, Verdict

LAYERS = (Layer.TRACE,)

TABLE = "op.create_table('{0}', sa.Column('id', sa.Integer()))"
DROP = "op.drop_table('{0}')"


def a_table(down, name):
    return down, TABLE.format(name), DROP.format(name)


def steps(proof):
    return {revision.id: list(revision.fingerprints) for revision in proof.revisions}


def fingerprints(proof):
    return {revision.id: revision.fingerprints for revision in proof.revisions}


def rules(proof):
    return {(finding.revision, finding.rule) for finding in proof.findings}


def test_every_revision_goes_up_and_down_and_up_again(prove_history):
    proof = prove_history({"one": a_table(None, "a"), "two": a_table("one", "b")})
    assert steps(proof) == {"one": ["up", "down", "again"], "two": ["up", "down", "again"]}
    assert proof.findings == ()
    assert proof.verdict is Verdict.PASS


def test_a_revision_may_define_a_table_in_metadata_that_outlives_its_upgrade(prove_history, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    old = "import sqlalchemy as sa\nmetadata = sa.MetaData()\n"
    define = "from old import metadata\ntable = sa.Table('a', metadata, sa.Column('id', sa.Integer()))\n"
    proof = prove_history(
        {"one": (None, f"{define}table.create(op.get_bind())", DROP.format("a"))}, files={"old.py": old}
    )
    assert steps(proof) == {"one": ["up", "down", "again"]}
    assert proof.findings == ()


def test_a_fingerprint_names_the_schema_after_a_step(prove_history):
    one, two = fingerprints(prove_history({"one": a_table(None, "a"), "two": a_table("one", "b")})).values()
    assert one["up"] == one["again"] == two["down"]
    assert two["up"] == two["again"] != one["up"]
    assert one["down"] not in (one["up"], two["up"])


def test_a_grant_on_a_column_is_part_of_the_schema(prove_history):
    grant, revoke = (
        "op.execute('GRANT SELECT (id) ON a TO PUBLIC')",
        "op.execute('REVOKE SELECT (id) ON a FROM PUBLIC')",
    )
    one, two = fingerprints(prove_history({"one": a_table(None, "a"), "two": ("one", grant, revoke)})).values()
    assert two["up"] == two["again"] != one["up"] == two["down"]


def test_the_same_history_has_the_same_fingerprints_every_time(prove_history, write_project, tmp_path):
    history = {"one": a_table(None, "a")}
    first = fingerprints(prove_history(history))
    (tmp_path / "migrations").rename(tmp_path / "earlier")
    assert fingerprints(prove_history(history)) == first


def test_branches_and_their_merge_are_ordinary(prove_history):
    proof = prove_history(
        {
            "root": a_table(None, "a"),
            "left": a_table("root", "b"),
            "right": a_table("root", "c"),
            "merge": (("left", "right"), "", ""),
            "last": a_table("merge", "d"),
        }
    )
    assert proof.findings == ()
    assert proof.heads == ("last",)
    assert proof.coverage.revisions == 5


def test_several_bases_that_meet_are_ordinary(prove_history):
    proof = prove_history(
        {
            "one": a_table(None, "a"),
            "two": a_table(None, "b"),
            "merge": (("one", "two"), TABLE.format("c"), DROP.format("c")),
        }
    )
    assert proof.findings == ()
    assert steps(proof)["merge"] == ["up", "down", "again"]


def test_a_revision_may_depend_on_one_of_another_branch(prove_history):
    refer = "op.create_table('b', sa.Column('id', sa.Integer(), sa.ForeignKey('a.id')))"
    proof = prove_history(
        {
            "needs": (None, refer, DROP.format("b"), "needed"),
            "needed": (None, "op.create_table('a', sa.Column('id', sa.Integer(), primary_key=True))", DROP.format("a")),
            "merge": (("needs", "needed"), "", ""),
        }
    )
    assert [revision.id for revision in proof.revisions] == ["needed", "needs", "merge"]
    assert [(finding.rule, finding.measured) for finding in proof.findings] == [("G08", "depends on needed")]


def test_a_revision_may_leave_the_transaction(prove_history):
    concurrently = """
        with op.get_context().autocommit_block():
            op.drop_index('ix', 'a', postgresql_concurrently=True, if_exists=True)
            op.create_index('ix', 'a', ['id'], postgresql_concurrently=True)
    """
    undo = """
        with op.get_context().autocommit_block():
            op.drop_index('ix', 'a', postgresql_concurrently=True)
    """
    proof = prove_history({"one": a_table(None, "a"), "two": ("one", concurrently, undo), "three": a_table("two", "b")})
    assert proof.findings == ()
    assert proof.coverage.revisions == 3
    one, two, three = fingerprints(proof).values()
    assert two["up"] == two["again"] == three["down"] != one["up"] == two["down"]


def test_a_new_value_of_an_enum_in_an_autocommit_block_passes(prove_history):
    add = """
        with op.get_context().autocommit_block():
            op.execute("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'wild'")
    """
    proof = prove_history(
        {
            "one": (None, "op.execute(\"CREATE TYPE mood AS ENUM ('calm')\")", "op.execute('DROP TYPE mood')"),
            "two": ("one", add, "raise NotImplementedError('a value cannot be removed')"),
            "three": ("two", "op.execute(\"CREATE TABLE a (m mood DEFAULT 'wild')\")", DROP.format("a")),
        }
    )
    assert rules(proof) == {("two", "R06")}
    assert proof.verdict is Verdict.PASS


def test_a_failing_upgrade_ends_the_climb_with_the_error_that_it_caught_first(prove_history):
    catches = """
        try:
            op.drop_table("no_such")
        except sa.exc.ProgrammingError:
            op.execute("SELECT 1")
    """
    proof = prove_history({"one": a_table(None, "a"), "two": ("one", catches, ""), "three": a_table("two", "b")})
    assert rules(proof) == {("two", "U01")}
    assert proof.findings[0].measured.endswith('the error was caught: UndefinedTable: table "no_such" does not exist')
    assert steps(proof) == {"one": ["up", "down", "again"], "two": [], "three": []}
    assert proof.coverage.revisions == 1
    assert proof.coverage.gaps[0].startswith(
        "2 of 3 revisions were not executed, the first is two (migrations/versions/two.py:13"
    )


def test_an_upgrade_that_fails_at_its_commit_is_a_finding(prove_history):
    defer = """
        op.execute("CREATE TABLE p (id int PRIMARY KEY)")
        op.execute("CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO c VALUES (1)")
    """
    (finding,) = prove_history({"one": (None, defer, "op.drop_table('c'); op.drop_table('p')")}).findings
    assert finding.rule == "U01"
    assert "ForeignKeyViolation" in finding.measured


def test_a_failing_downgrade_does_not_stop_the_others(prove_history):
    proof = prove_history(
        {
            "one": a_table(None, "a"),
            "two": ("one", TABLE.format("b"), "op.drop_table('no_such')"),
            "three": a_table("two", "c"),
            "four": ("three", TABLE.format("d"), "op.drop_table('neither')"),
            "five": a_table("four", "e"),
        }
    )
    assert rules(proof) == {("two", "R02"), ("four", "R02")}
    assert steps(proof)["two"] == ["up"]
    assert steps(proof)["three"] == steps(proof)["five"] == ["up", "down", "again"]
    assert proof.coverage.revisions == 5


def test_a_second_upgrade_that_fails_does_not_stop_the_others(prove_history):
    keyed = "op.execute('CREATE TABLE a (id int PRIMARY KEY)')"
    proof = prove_history(
        {
            "one": (None, keyed, DROP.format("a")),
            "two": ("one", "op.execute('INSERT INTO a VALUES (1)')", "op.execute('SELECT 1')"),
            "three": a_table("two", "b"),
        }
    )
    assert rules(proof) == {("two", "R04")}
    assert steps(proof)["two"] == ["up", "down"]
    assert steps(proof)["three"] == ["up", "down", "again"]


def test_a_downgrade_that_fails_half_way_outside_a_transaction_leaves_nothing_to_the_next(prove_history):
    half = """
        with op.get_context().autocommit_block():
            op.execute("DROP TABLE b")
        op.drop_table("no_such")
    """
    uses = "op.execute('CREATE TABLE c AS SELECT * FROM b')"
    proof = prove_history(
        {"one": a_table(None, "a"), "two": ("one", TABLE.format("b"), half), "three": ("two", uses, DROP.format("c"))}
    )
    assert rules(proof) == {("two", "R02")}
    assert steps(proof)["three"] == ["up", "down", "again"]


def test_three_steps_that_only_fail_in_one_transaction_are_nobodys_fault(prove_history):
    # A table with pending trigger events cannot be dropped in the same transaction.
    defer = """
        op.execute("CREATE TABLE p (id int PRIMARY KEY)")
        op.execute("CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
        op.execute("INSERT INTO c VALUES (1)")
        op.execute("INSERT INTO p VALUES (1)")
    """
    proof = prove_history({"one": (None, defer, "op.drop_table('c'); op.drop_table('p')"), "two": a_table("one", "a")})
    assert proof.findings == ()
    assert steps(proof) == {"one": ["up", "down", "again"], "two": ["up", "down", "again"]}


DECLARES_CLASSES = """\
import sqlalchemy as sa
from alembic import op
from sqlalchemy.orm import Session, declarative_base, relationship

revision, down_revision = "one", None
Base = declarative_base()


def upgrade():
    class Parent(Base):
        __tablename__ = "parents"
        id = sa.Column(sa.Integer, primary_key=True)
        children = relationship("Child")

    class Child(Base):
        __tablename__ = "children"
        id = sa.Column(sa.Integer, primary_key=True)
        parent_id = sa.Column(sa.ForeignKey("parents.id"), index=True)

    Base.metadata.create_all(op.get_bind())
    session = Session(op.get_bind())
    session.add(Parent(children=[Child()]))
    session.flush()


def downgrade():
    op.drop_table("children")
    op.drop_table("parents")
"""


def test_an_upgrade_that_declares_classes_runs_twice(prove_history):
    proof = prove_history({}, files={"migrations/versions/one.py": DECLARES_CLASSES}, layers=tuple(Layer))
    assert steps(proof) == {"one": ["up", "down", "again"]}
    assert rules(proof) == set()


def test_a_downgrade_that_does_nothing_is_not_run(prove_history):
    proof = prove_history({"one": (None, TABLE.format("a"), ""), "two": a_table("one", "b")})
    assert steps(proof) == {"one": ["up"], "two": ["up", "down", "again"]}


def test_a_revision_that_ends_the_process_becomes_a_finding(prove_history):
    proof = prove_history({"one": (None, "raise SystemExit('enough')", "")})
    assert [finding.measured for finding in proof.findings] == ["SystemExit: enough"]


def test_a_revision_that_waits_in_vain_for_a_lock_becomes_a_finding(prove_history):
    wait = """
        with op.get_bind().engine.connect() as other:
            other.execute(sa.text("LOCK TABLE a"))
            op.execute("SET LOCAL lock_timeout = '100ms'")
            op.execute("LOCK TABLE a")
    """
    finding, *_ = prove_history({"one": a_table(None, "a"), "two": ("one", wait, "")}).findings
    assert finding.rule == "U01"
    assert (
        "lock timeout; another session holds ACCESS EXCLUSIVE on public.a by `LOCK TABLE a` on line 11"
        in finding.measured
    )


def test_old_revisions_are_only_upgraded(prove_history):
    proof = prove_history({"one": a_table(None, "a"), "two": a_table("one", "b")}, start_after="one")
    assert steps(proof) == {"one": ["up"], "two": ["up", "down", "again"]}
    assert proof.executed == "2 revisions up, 1 of them down and up again"


def test_new_revisions_that_were_not_reached_fail_the_gate_though_nothing_was_found(prove_history):
    """The history runs once and not again."""
    once = """
        import builtins
        if getattr(builtins, "has_run", False):
            raise RuntimeError("not again")
        builtins.has_run = True
    """
    fails = ("two", "op.execute('ALTER TABLE a ADD b int')", "op.execute('COMMIT')\nraise RuntimeError('half done')")
    try:
        proof = prove_history(
            {"one": a_table(None, "a"), "two": ("one", once, ""), "three": fails, "four": a_table("three", "d")},
            start_after="one",
        )
    finally:
        del builtins.has_run
    assert [(finding.rule, finding.revision) for finding in proof.findings if finding.fails] == [("U02", "three")]
    assert proof.verdict is Verdict.FAIL
