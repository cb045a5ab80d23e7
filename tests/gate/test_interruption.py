"""A revision that commits on its way is stopped there, and run again."""

from textwrap import indent

import pytest

from slipway.gate.layers import stairway
from slipway.gate.rulebook import transactions as rules
from slipway.records.proof import Layer
from tests.gate.conftest import ENV

pytestmark = pytest.mark.slow

LAYERS = (Layer.INTERRUPTION,)

TABLE = (None, "op.execute('CREATE TABLE a (id int, b int)')", "op.drop_table('a')")


def block(*lines):
    return "\n".join(["with op.get_context().autocommit_block():", *(f"    {line}" for line in lines)])


@pytest.fixture
def interrupted(prove_history):
    """Proves a revision after one with a table; answers what was found of transactions, and how often it was stopped."""

    def run(upgrade, **project):
        proof = prove_history({"one": TABLE, "two": ("one", upgrade, "raise NotImplementedError")}, **project)
        found = [(finding.rule, finding.measured) for finding in proof.findings if finding.rule in {"T03", "T04"}]
        return found, proof.revisions[-1].interruptions

    return run


def test_what_is_one_transaction_need_not_be_interrupted(interrupted):
    assert interrupted("op.execute('ALTER TABLE a ADD c int')") == ([], 0)


def test_each_statement_outside_a_transaction_is_a_place_to_stop(interrupted):
    lines = [f"op.execute('CREATE INDEX IF NOT EXISTS i{number} ON a (b)')" for number in range(3)]
    assert interrupted(block(*lines)) == ([], 3)


def test_what_was_committed_before_the_block_is_there_the_second_time(interrupted):
    found, _ = interrupted("op.execute('ALTER TABLE a ADD c int')\n" + block("op.execute('CREATE INDEX i ON a (b)')"))
    assert [rule for rule, _ in found] == ["T03"]
    assert 'column "c" of relation "a" already exists' in found[0][1]


def test_a_concurrent_index_is_also_stopped_in_the_middle_and_then_is_invalid(interrupted):
    found, times = interrupted(block("op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)')"))
    assert found == [
        ("T04", "interrupted in the middle of the statement on line 11 and run again, it leaves i invalid"),
    ]
    assert times == 2


def test_an_env_file_that_tries_again_by_itself_keeps_the_invalid_index_too(interrupted):
    tries_again = f"""
from sqlalchemy.exc import OperationalError

for _ in range(3):
    try:
{indent(ENV, "        ")}
    except OperationalError:
        continue
    break
"""
    found, times = interrupted(
        block("op.execute('CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (b)')"), env=tries_again
    )
    assert ([rule for rule, _ in found], times) == (["T04"], 2)


def test_a_revision_that_takes_long_is_interrupted_less_often_and_a_gap_names_its_slowest_statement(
    prove_history, monkeypatch
):
    monkeypatch.setattr(stairway, "_REPEATING_SECONDS", 0.1)
    slow = block("op.execute('SELECT pg_sleep(0.06)')", "op.execute('CREATE INDEX IF NOT EXISTS i ON a (b)')")
    proof = prove_history({"one": TABLE, "two": ("one", slow, "raise NotImplementedError")})
    taking = "0 of 2 interruptions of two were tried: its upgrade takes 0 s on empty tables, 0 s of it `SELECT pg_sleep(0.06)` on line 11"
    assert taking in proof.coverage.gaps
    assert proof.revisions[-1].interruptions == 0


def test_a_second_run_that_ends_in_another_schema_is_reported(interrupted):
    lines = ["op.execute('CREATE TABLE IF NOT EXISTS once (id int)')", "op.execute('CREATE INDEX ON a (b)')"]
    found, _ = interrupted(block(*lines))
    assert found == [("T03", "interrupted after the statement on line 12 and run again: it ends in another schema")]


def test_a_revision_cannot_catch_the_interruption(interrupted):
    body = "try:\n" + "\n".join(f"    {line}" for line in block("op.execute('CREATE INDEX i ON a (b)')").splitlines())
    assert interrupted(f"{body}\nexcept Exception:\n    pass") == ([], 1)


def test_the_revisions_before_are_there_whatever_they_did(prove_history):
    proof = prove_history(
        {
            "one": TABLE,
            "two": ("one", "op.execute('ALTER TABLE a ADD c int')", "op.drop_column('a', 'c')"),
            "three": ("two", block("op.execute('CREATE INDEX i ON a (c)')"), "op.drop_index('i')"),
            "four": ("three", "op.execute('ALTER TABLE a ADD d int')", "op.drop_column('a', 'd')"),
            "five": ("four", block("op.execute('CREATE INDEX j ON a (d)')"), "op.drop_index('j')"),
        }
    )
    assert [finding.revision for finding in proof.findings if finding.rule == "T03"] == ["three", "five"]


def test_a_block_that_the_template_puts_around_every_revision_is_one_finding(prove_history):
    built = {
        name: (down, block(f"op.create_table('{name}', sa.Column('id', sa.Integer))"), f"op.drop_table('{name}')")
        for name, down in (("one", None), ("two", "one"), ("three", "two"))
    }
    mako = {"migrations/script.py.mako": block("${upgrades}")}
    (found,) = (each for each in prove_history(built, files=mako).findings if each.rule == "T03")
    assert found.revisions == ("one", "two", "three")
    assert found.remedy.startswith(
        "Write upgrade() without the autocommit block, and remove it from migrations/script.py.mako"
    )


def test_old_revisions_are_not_interrupted(prove_history):
    revisions = {"one": TABLE, "two": ("one", block("op.execute('CREATE INDEX i ON a (b)')"), "op.drop_index('i')")}
    proof = prove_history(revisions, start_after="two")
    assert [revision.interruptions for revision in proof.revisions] == [0, 0]


@pytest.mark.parametrize(
    ("insert", "twice"),
    [
        ("INSERT INTO a VALUES (1, 2)", "a has 5 rows and not 4"),
        ("INSERT INTO a SELECT id + 1, b FROM a", "a has 12 rows and not 6"),
        ("INSERT INTO a SELECT 1, 2 WHERE NOT EXISTS (SELECT FROM a WHERE id = 1)", None),
    ],
)
def test_rows_that_are_there_twice_after_a_second_run_are_reported(prove_history, insert, twice):
    proof = prove_history({"one": TABLE, "two": ("one", block(f"op.execute('{insert}')"), "pass")})
    found = [(each.measured, each.message, each.remedy_is_code) for each in proof.findings if each.rule == "T03"]
    measured = f"interrupted after the statement on line 11 and run again: {twice}"
    message = "The revision commits midway; run again after an interruption, it leaves other rows."
    assert found == ([(measured, message, False)] if twice else [])


@pytest.mark.parametrize(
    ("upgrade", "remedy"),
    [
        ("op.execute('ALTER TABLE a ADD c int')\n" + block("op.execute('VACUUM a')"), rules.BLOCK_APART),
        (block("op.execute('ALTER TABLE a ADD c int')"), rules.IN_TRANSACTION),
        (block("op.execute('CREATE INDEX i ON a (b)')"), 'op.drop_index("i", "a", '),
        (block("""op.execute("ALTER TYPE t ADD VALUE 'y'")"""), "op.execute('''ALTER TYPE t ADD VALUE IF NOT EXISTS 'y\\'''')"),
        (block("op.execute('DROP INDEX CONCURRENTLY b')"), "op.execute('''DROP INDEX CONCURRENTLY IF EXISTS b''')"),
    ],
    ids=["before the block", "a column", "an index", "a label", "a drop"],
)  # fmt: skip
def test_the_remedy_is_for_the_statement_that_a_second_run_cannot_repeat(prove_history, upgrade, remedy):
    table = "op.execute(\"CREATE TYPE t AS ENUM ('x')\"); op.execute('CREATE TABLE a (id int, b int)'); op.execute('CREATE INDEX b ON a (b)')"
    proof = prove_history({"one": (None, table, ""), "two": ("one", upgrade, "raise NotImplementedError")})
    (stuck,) = (each for each in proof.findings if each.rule == "T03")
    assert remedy in stuck.remedy
    assert stuck.remedy_is_code is ("op." in remedy)


def test_a_transaction_that_the_revision_begins_itself_is_one_place_and_not_one_for_each_statement(prove_history):
    body = """
with op.get_context().autocommit_block():
    op.execute("BEGIN")
    op.execute("CREATE TABLE IF NOT EXISTS b (id int)")
    op.execute("COMMIT")
    op.execute("CREATE TABLE c (id int)")
"""
    proof = prove_history({"one": (None, body, "raise NotImplementedError")})
    (stuck,) = (finding for finding in proof.findings if finding.rule == "T03")
    assert stuck.measured.startswith("interrupted after the statement on line 14 and run again: ")
    assert 'relation "c" already exists' in stuck.measured
