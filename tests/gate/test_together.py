"""New revisions in one run of env.py, in its own transactions: as production runs them."""

import pytest

from slipway.local.certificate import certify
from slipway.records.form import to_json
from slipway.records.proof import Layer, Verdict

LAYERS = (Layer.ROWS, Layer.TOGETHER)
OWN = "transaction_per_migration=True"

BASE = {
    "one": (
        None,
        """
        op.execute("CREATE TYPE kind AS ENUM ('user')")
        op.execute("CREATE TABLE owners (id int PRIMARY KEY)")
        op.execute("CREATE TABLE notes (id int PRIMARY KEY, kind kind, owner int REFERENCES owners DEFERRABLE INITIALLY DEFERRED)")
        """,
        "op.execute('DROP TABLE notes, owners')\nop.execute('DROP TYPE kind')",
    )
}
NEW_LABEL = ("one", "op.execute(\"ALTER TYPE kind ADD VALUE IF NOT EXISTS 'robot'\")", "pass")
USES_LABEL = ("two", "op.execute(\"UPDATE notes SET kind = 'robot' WHERE id < 0\")", "pass")
# On empty tables no check of a foreign key is left for the end of the transaction.
OWNS = ("one", "op.execute('UPDATE notes SET owner = (SELECT max(id) FROM owners)')", "pass")
ADDS = ("two", "op.execute('ALTER TABLE notes ADD title text')", "op.drop_column('notes', 'title')")


def errors(proof):
    return [(finding.rule, finding.revision) for finding in proof.findings if finding.fails]


def test_a_label_of_an_enum_used_in_the_next_revision_fails_where_env_py_runs_both_in_one_transaction(prove_history):
    revisions = {**BASE, "two": NEW_LABEL, "three": USES_LABEL}
    proof = prove_history(revisions, start_after="one")
    (found,) = [finding for finding in proof.findings if finding.fails]
    assert (found.rule, found.revision, found.line) == ("T08", "three", 10)
    assert found.measured.endswith("; env.py runs 2 new revisions in one transaction for all revisions")


def test_labels_that_are_committed_first_pass_and_the_certificate_names_the_transactions(prove_history):
    revisions = {**BASE, "two": NEW_LABEL, "three": USES_LABEL}
    proof = prove_history(revisions, start_after="one", options=OWN, layers=tuple(Layer))
    assert proof.verdict is Verdict.PASS
    assert certify(to_json(proof), 1).transactions == "one transaction for each revision"


def test_what_only_rows_leave_for_the_end_of_the_transaction_is_found(prove_history):
    proof = prove_history({**BASE, "two": OWNS, "three": ADDS}, start_after="one")
    assert errors(proof) == [("T12", "three")]
    assert "pending trigger events" in next(finding.measured for finding in proof.findings if finding.fails)


def test_a_revision_that_fails_on_rows_by_itself_is_not_a_finding_on_the_transactions_too(prove_history):
    fails = ("three", "op.execute('ALTER TABLE notes ADD age int NOT NULL')", "op.drop_column('notes', 'age')")
    proof = prove_history(
        {**BASE, "two": NEW_LABEL, "three": USES_LABEL, "four": fails}, start_after="two", options=OWN
    )
    assert [(rule, revision) for rule, revision in errors(proof) if rule[0] in "DT"] == [("D01", "four")]


@pytest.mark.parametrize("env_lines", ['connection.execute(sa.text("SELECT 1"))\n', "connection.begin()\n"])
def test_an_env_py_that_never_commits_is_the_only_error(prove_history, env_lines):
    adds = ("one", ADDS[1], ADDS[2])
    proof = prove_history({**BASE, "two": adds}, start_after="one", env_lines=env_lines)
    assert errors(proof) == [("T13", "two")]
    (found,) = [finding.measured for finding in proof.findings if finding.fails]
    assert found == "after env.py's own run a new connection reads one in alembic_version, not two"


def test_a_table_of_versions_in_the_search_path_of_env_py_is_found_again(prove_history):
    schema = 'connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS app"))\nconnection.execute(sa.text("SET search_path = app"))\nconnection.commit()\n'
    proof = prove_history({"one": (None, "op.execute('CREATE TABLE a ()')", "op.drop_table('a')")}, env_lines=schema)
    assert errors(proof) == []
