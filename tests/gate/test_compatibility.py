"""The previous release on the new schema: a statement that worked before a revision must work after it."""

import pytest
import sqlalchemy as sa

from slipway.gate.prove import as_models, prove
from slipway.records.gate import Column, Previous, Recorded
from slipway.records.proof import Layer
from tests.gate.conftest import question

pytestmark = pytest.mark.slow

LAYERS = (Layer.TRACE, Layer.PREVIOUS)
TABLE = (
    None,
    "op.execute('CREATE TABLE a (id int PRIMARY KEY, b text, c text)')",
    "op.drop_table('a')",
)
DROPS_B = "op.execute('ALTER TABLE a DROP b')"
KEPT = "pass"  # as a downgrade; one that fails would cost each revision a new session


def models(*columns, name="a"):
    table = sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *columns)
    return tuple(as_models([table]))


@pytest.fixture
def replayed(write_project, server_url):
    """Proves revisions after one with a table while a release is live; returns its findings and the coverage."""

    def run(previous, **revisions):
        down, history = "one", {"one": TABLE}
        for name, upgrade in revisions.items():
            history[name] = (down, upgrade, KEPT)
            down = name
        proof = prove(question(write_project(history), layers=LAYERS, start_after="one", previous=previous), server_url)
        found = [(each.rule, each.revision, each.line) for each in proof.findings if each.rule.startswith("C")]
        return found, proof.coverage

    return run


def test_an_object_that_the_models_do_not_name_can_be_dropped(replayed):
    live = Previous(name="v1", models=models(sa.Column("c", sa.Text)))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == []
    assert (coverage.previous, coverage.phrases) == ("v1", 4)


def test_a_failure_is_reported_once_at_the_first_revision_that_causes_it(replayed):
    live = Previous(name="v1", models=models(sa.Column("b", sa.Text)))
    found, _ = replayed(live, two="op.execute('ALTER TABLE a ADD d int')", three=DROPS_B, four="op.drop_table('a')")
    assert found == [("C01", "three", 10)]


def test_the_line_is_that_of_the_statement_which_names_most_of_what_the_error_names(replayed):
    upgrade = "op.execute('ALTER TABLE a ADD d int')\nop.execute('ALTER TABLE a ADD e int NOT NULL DEFAULT 1')\nop.execute('ALTER TABLE a ALTER e DROP DEFAULT')"
    found, _ = replayed(Previous(name="v1", models=models(sa.Column("b", sa.Text))), two=upgrade)
    assert found == [("C05", "two", 11)]


def test_recorded_statements_are_replayed(replayed):
    live = Previous(name="v1", recorded=(Recorded("SELECT b FROM a WHERE id = '1'", "app.py:7"),))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == [("C01", "two", 10)]
    assert coverage.phrases == 1


def test_a_recorded_statement_about_rows_that_only_its_tests_had_is_prepared(replayed):
    taken = Recorded("INSERT INTO a (id, b) VALUES ('7001', 'x')", "app.py:9")
    found, coverage = replayed(Previous(name="v1", recorded=(taken,)), two=DROPS_B)
    assert coverage.phrases == 1
    assert found == [("C01", "two", 10)]


def test_a_statement_that_fails_before_the_first_new_revision_is_a_gap_and_no_finding(replayed):
    live = Previous(name="v1", models=models(name="others"), recorded=(Recorded("SELECT nothing FROM a", "app.py:7"),))
    found, coverage = replayed(live, two=DROPS_B)
    assert found == []
    assert coverage.gaps[-2:] == (
        "no statement of v1 on others works before the first new revision",
        "1 of 1 recorded statements do not run on filled tables",
    )


def test_a_revision_that_fails_on_rows_is_judged_on_empty_tables(replayed):
    upgrade = "op.execute('ALTER TABLE a ADD d int NOT NULL')"
    found, coverage = replayed(Previous(name="v1", models=models(sa.Column("b", sa.Text))), two=upgrade)
    assert found == [("C05", "two", 10)]
    assert "v1 was replayed on empty tables only, because the upgrade fails on rows" in coverage.gaps


def test_a_release_whose_models_are_unknown_is_a_gap(replayed):
    _, coverage = replayed(Previous(name="v1", refusal="there is no lock; run uv lock"), two=DROPS_B)
    assert coverage.gaps[-1] == "the models of v1 are not known: there is no lock; run uv lock"


def test_a_value_that_the_database_makes_is_not_written_by_insert():
    columns = [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, server_default=sa.func.now()),
        sa.Column("twice", sa.Integer, sa.Computed("n * 2")),
        sa.Column("n", sa.Integer),
    ]
    (model,) = as_models([sa.Table("t", sa.MetaData(), *columns)])
    assert model.columns == (Column("id", False), Column("at", False), Column("twice", False), Column("n", True))
