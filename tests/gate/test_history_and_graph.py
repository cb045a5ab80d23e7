"""The graph of revisions: findings where it is broken, never a traceback."""

from types import SimpleNamespace

import pytest

from slipway.errors import BadInputError
from slipway.gate import history
from slipway.gate.findings import graph
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.records.proof import Layer, Level, Verdict
from slipway.report.proof.text import text

LAYERS = (Layer.ALWAYS,)

TABLE = "op.create_table('{0}', sa.Column('id', sa.Integer()))"
DROP = "op.drop_table('{0}')"


def a_table(down, name):
    return down, TABLE.format(name), DROP.format(name)


def rules(proof):
    return [finding.rule for finding in proof.findings]


def test_several_heads_are_a_finding_that_names_them(prove_history):
    proof = prove_history({"one": a_table(None, "a"), "left": a_table("one", "b"), "right": a_table("one", "c")})
    (finding,) = proof.findings
    assert (finding.rule, finding.level, finding.measured) == ("G01", Level.ERROR, "heads: left, right")
    assert finding.file in ("migrations/versions/left.py", "migrations/versions/right.py")
    assert proof.verdict is Verdict.FAIL
    in_baseline = history.History(nodes=(), heads=("left", "right"), digest="")
    assert [finding.measured for finding in graph.check(in_baseline)] == ["heads: left, right"]


def test_a_history_with_several_heads_is_executed(prove_history):
    proof = prove_history({"one": a_table(None, "a"), "left": a_table("one", "b"), "right": a_table("one", "c")})
    assert proof.coverage.revisions == 3
    assert all(revision.fingerprints.keys() == {"up", "down", "again"} for revision in proof.revisions)


def test_two_files_with_one_revision_id_are_a_finding(prove_history):
    twin = "revision = 'one'\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"
    proof = prove_history({"one": a_table(None, "a")}, files={"migrations/versions/twin.py": twin}, start_after="one")
    assert rules(proof) == ["G04"]
    assert "one is present more than once" in proof.findings[0].measured
    assert proof.verdict is Verdict.FAIL


def test_a_parent_that_is_not_there_is_a_finding(prove_history):
    proof = prove_history({"one": a_table("gone", "a")})
    assert set(rules(proof)) == {"G06"}
    assert any("gone" in finding.measured for finding in proof.findings)


def test_a_dependency_that_is_not_there_is_a_finding(prove_history):
    proof = prove_history({"one": (*a_table(None, "a"), "gone")})
    assert set(rules(proof)) == {"G06"}
    assert any("gone" in finding.measured for finding in proof.findings)


@pytest.mark.parametrize(
    "revisions",
    [
        {"one": a_table("one", "a")},
        {"one": a_table("two", "a"), "two": a_table("one", "b")},
        {"one": a_table(None, "a"), "two": a_table(("one", "three"), "b"), "three": a_table("two", "c")},
    ],
    ids=["its own parent", "two in a ring", "a ring beside the base"],
)
def test_a_cycle_is_a_finding(prove_history, revisions):
    proof = prove_history(revisions)
    assert set(rules(proof)) == {"G06"}
    assert proof.verdict is Verdict.FAIL


def test_nothing_of_a_broken_graph_is_executed(prove_history):
    proof = prove_history({"one": a_table(None, "a"), "two": a_table("gone", "b")})
    assert proof.revisions == ()
    assert proof.coverage.revisions == 0


def test_a_history_without_any_revision_has_not_passed_and_says_so_first(prove_history):
    proof = prove_history({}, files={"tests/versions/one.py": "down_revision = None\n"})
    assert (proof.verdict_in_words, proof.findings) == ("not executed", ())
    gap = "models were not compared: no revision was executed, because migrations has none"
    assert text(proof).splitlines()[1] == f"not covered: {gap}"


def test_a_revision_that_alembic_does_not_read_is_bad_input(prove_history):
    files = {"migrations/2026/one.py": "revision: str = 'one'\ndown_revision: str | None = None\n"}
    with pytest.raises(
        BadInputError, match=r"reads no revision in migrations, although migrations/2026/one\.py is a revision"
    ):
        prove_history({}, files=files)


def test_a_revision_with_a_syntax_error_is_reported_with_file_and_line(prove_history):
    with pytest.raises(BadInputError, match=r"migrations/versions/one\.py line 11 does not load: SyntaxError"):
        prove_history({"one": (None, "x = 1\nif x\n    pass", "")})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module'; pass a virtual environment of the service",
        ),
        ("import os; os.environ['NO_SUCH_VARIABLE']", "KeyError: 'NO_SUCH_VARIABLE'"),
        ("raise SystemExit('not here')", "SystemExit: not here"),
        (
            "from alembic.config import Config; from alembic.script import ScriptDirectory as D; D.from_config(Config())",
            "CommandError: No 'script_location' key found in configuration",
        ),
    ],
)
def test_a_revision_that_does_not_load_is_reported_with_file_and_line(prove_history, line, said):
    broken = f"revision = 'one'\ndown_revision = None\n\n{line}\n"
    with pytest.raises(BadInputError) as caught:
        prove_history({}, files={"migrations/versions/one.py": broken})
    assert caught.value.what == "migrations/versions/one.py line 4 does not load"
    assert caught.value.next_step.startswith(said)


def test_a_revision_may_ask_for_the_connection_when_it_is_imported(prove_history, monkeypatch):
    asks = (
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = 'one'\ndown_revision = None\nbind = op.get_bind()\n\n"
        "def upgrade():\n    bind.execute(sa.text('CREATE TABLE one (id bigint)'))\n\n"
        "def downgrade():\n    bind.execute(sa.text('DROP TABLE one'))\n"
    )
    monkeypatch.setattr("alembic.op._proxy", SimpleNamespace(get_bind=str))  # as alembic leaves it after a failed run
    proof = prove_history({}, files={"migrations/versions/one.py": asks})
    assert [finding for finding in proof.findings if finding.fails] == []
    assert proof.coverage.revisions == 1


def test_no_settings_file_is_bad_input(tmp_path, monkeypatch, server_url):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=r"there is no .*alembic\.ini"):
        Environment(Call(config=tmp_path / "alembic.ini"), server_url)


def test_a_settings_file_without_script_location_is_bad_input(prove_history):
    with pytest.raises(BadInputError, match=r"alembic\.ini cannot be used"):
        prove_history({}, ini="[alembic]\n")


@pytest.fixture
def read(write_project, server_url):
    def run(revisions, start_after=None):
        return history.read(Environment(Call(config=write_project(revisions)), server_url), start_after)

    return run


def test_parents_come_first_whatever_the_names(read):
    past = read(
        {
            "a_merge": a_table(("z_left", "b_right"), "a"),
            "z_left": a_table("m_base", "b"),
            "b_right": a_table("m_base", "c"),
            "m_base": a_table(None, "d"),
        }
    )
    order = [node.id for node in past.nodes]
    assert order[0] == "m_base"
    assert order[-1] == "a_merge"
    assert past.heads == ("a_merge",)


def test_what_a_revision_depends_on_comes_before_it(read):
    past = read({"needs": (*a_table(None, "a"), "z_needed"), "z_needed": a_table(None, "b")})
    assert [node.id for node in past.nodes] == ["z_needed", "needs"]
    assert past.nodes[1].parents == ("z_needed",)
    assert past.nodes[1].down == ()


def test_up_to_a_head_means_all_that_leads_to_it(read):
    past = read(
        {
            "root": a_table(None, "a"),
            "left": a_table("root", "b"),
            "right": a_table("root", "c"),
            "alone": a_table(None, "d"),
            "needs": (*a_table("right", "e"), "alone"),
        }
    )
    assert past.upto(["left"]) == {"root", "left"}
    assert past.upto(["needs"]) == {"root", "right", "alone", "needs"}
    assert past.upto([]) == set()


def test_start_after_makes_a_revision_and_all_before_it_old(read):
    past = read(
        {
            "one": a_table(None, "a"),
            "two": a_table("one", "b"),
            "three": a_table("two", "c"),
            "side": a_table("one", "d"),
        },
        start_after="two",
    )
    assert {node.id: node.new for node in past.nodes} == {"one": False, "two": False, "three": True, "side": True}


def test_start_after_may_be_shortened_as_far_as_it_is_clear(read):
    past = read({"abc": a_table(None, "a"), "abd": a_table("abc", "b")}, start_after="abd")
    assert not any(node.new for node in past.nodes)


@pytest.mark.parametrize(
    ("name", "what"),
    [("xyz", "'xyz' is no revision of this history"), ("ab", "'ab' could be several revisions")],
)
def test_a_start_after_that_names_no_revision_is_bad_input(read, name, what):
    with pytest.raises(BadInputError, match=what):
        read({"abc": a_table(None, "a"), "abd": a_table("abc", "b")}, start_after=name)


def test_the_digest_is_of_the_files_and_their_names(read, tmp_path, server_url):
    before = read({"one": a_table(None, "a")}).digest
    again = history.read(Environment(Call(config=tmp_path / "alembic.ini"), server_url), None).digest
    with (tmp_path / "migrations/versions/one.py").open("a") as file:
        file.write("# one more line\n")
    changed = history.read(Environment(Call(config=tmp_path / "alembic.ini"), server_url), None).digest
    assert before == again
    assert before != changed


@pytest.mark.parametrize(
    ("downgrade", "keeps"),
    [
        ("pass", True),
        ('"""There is nothing to undo."""', True),
        ("return None", True),
        ("op.drop_table('a')", False),
        ("raise NotImplementedError", False),
        ("assert False, 'there is no way back'", False),
    ],
)
def test_a_downgrade_that_does_nothing_is_known_by_its_code(read, downgrade, keeps):
    (node,) = read({"one": (None, "pass", downgrade)}).nodes
    assert node.keeps_on_downgrade is keeps
