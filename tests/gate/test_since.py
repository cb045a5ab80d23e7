"""Old revisions: the revisions up to one, or those that were at a git ref."""

import pytest

from slipway.errors import BadInputError
from slipway.gate import history
from slipway.gate.findings import graph
from slipway.gate.prove import prove
from slipway.migration.alembic_config import Call
from slipway.migration.environment import Environment
from slipway.records.gate import Column, Model, Other, Previous, Since
from slipway.records.proof import Layer, Verdict
from slipway.records.refusal import Refusal
from tests.gate.conftest import question

ONE, TWO, THREE = (f"migrations/versions/{name}.py" for name in ("one", "two", "three"))
INDEX = "op.create_index('ix', 'a', ['id'])"
HISTORY = {
    "one": (None, "op.create_table('a', sa.Column('id', sa.Integer()))", "op.drop_table('a')"),
    "two": ("one", INDEX, "op.drop_index('ix', 'a')"),
    "three": ("two", "op.drop_index('ix', 'a')", INDEX),
}
RENAMES = {
    "one": (None, "op.create_table('a', sa.Column('id', sa.Integer()))", "op.drop_table('a')"),
    "two": ("one", "op.create_table('tags', sa.Column('label', sa.Text()))", "op.drop_table('tags')"),
    "aside": (None, "op.create_table('b', sa.Column('id', sa.Integer()))", "op.drop_table('b')"),
    "three": (("two", "aside"), "op.alter_column('tags', 'label', new_column_name='name')", ""),
}
TAGS = Model(None, "tags", (Column(name="label", written=True),))
ABOVE = "older than start-after"
UNKNOWN = Refusal(what="git has no such thing", next_step="name another", exit_code=2)


def read_history(config, server_url, since, start_after=None):
    return history.read(Environment(Call(config=config), server_url), start_after, since)


@pytest.fixture
def old(write_project, server_url):
    """Why revisions are old, by revision; new ones are left out."""

    def read(since, revisions=HISTORY, start_after=None):
        past = read_history(write_project(revisions), server_url, since, start_after)
        return {node.id: node.old for node in past.nodes if not node.new}

    return read


@pytest.fixture
def prove_since(write_project, server_url):
    return lambda since, revisions=HISTORY: prove(
        question(write_project(revisions), layers=(Layer.TRACE,), since=since), server_url
    )


def test_what_was_at_a_ref_is_old_whatever_comes_after_it(old):
    assert old(Since(name="v1", files=(ONE, TWO))) == {"one": "in v1 already", "two": "in v1 already"}


def test_a_revision_below_what_was_there_is_new(old):
    assert old(Since(name="v1", files=(TWO,))) == {"two": "in v1 already"}


def test_what_was_edited_stays_new(old):
    assert old(Since(name="v1", files=(ONE, TWO), edited=(TWO,))) == {"one": "in v1 already"}


@pytest.mark.parametrize("name", ["two", "tw"])
def test_a_name_that_is_a_revision_too_is_the_revision(old, name):
    assert old(Since(name=name, files=(ONE, TWO, THREE))).keys() == {"one", "two"}


def test_a_name_that_git_does_not_know_may_be_a_revision(old):
    assert old(Since(name="one", refusal=UNKNOWN)) == {"one": "not newer than one"}


def test_a_revision_that_begins_like_another_is_itself(old):
    assert old(Since(name="one", refusal=UNKNOWN), HISTORY | {"one_more": ("three", "", "")}).keys() == {"one"}


@pytest.mark.parametrize(
    ("since", "known"),
    [
        (Since(name="merge-base", by_default="main", files=(ONE,)), {"one"}),
        (Since(name="o", by_default="o", files=(TWO,)), {"two"}),
        (Since(name="", by_default=""), {"one", "two"}),
        (Since(name="v1", by_default="v1", files=(ONE, TWO, THREE)), {"one", "two", "three"}),
    ],
    ids=["new on a branch", "a ref that begins a revision's name", "nothing to compare with", "no revision is new"],
)
def test_by_default_what_is_compared_with_is_a_ref_or_all_but_the_newest(old, since, known):
    assert old(since).keys() == known


@pytest.mark.parametrize(
    ("since", "known"),
    [
        (Since(name="merge-base", by_default="main", files=(ONE,)), {"one": "in main already", "two": ABOVE}),
        (Since(name="", by_default=""), {"one": ABOVE, "two": ABOVE}),
        (Since(name="v1", files=(ONE,)), {"one": "in v1 already"}),
    ],
    ids=["on a branch", "with nothing to compare with", "unless --since names a ref"],
)
def test_up_to_start_after_revisions_are_old_too(old, since, known):
    assert old(since, start_after="two") == known


def test_a_name_that_could_be_several_revisions_is_the_ref(old):
    assert old(Since(name="t", files=(ONE,))).keys() == {"one"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("v1", "--since 'v1' is no revision of this history, and git has no such thing: name another"),
        ("t", "--since 't' could be several revisions, and git has no such thing: name another"),
    ],
)
def test_an_unknown_name_is_refused_with_the_reason(old, name, said):
    with pytest.raises(BadInputError) as caught:
        old(Since(name=name, refusal=UNKNOWN))
    assert str(caught.value) == said


def test_findings_at_a_ref_do_not_count(prove_since):
    proof = prove_since(Since(name="v1", files=(ONE, TWO)))
    assert proof.verdict is Verdict.PASS
    assert proof.coverage.new == 1


def test_an_edited_revision_is_a_finding_and_what_it_does_counts(prove_since):
    proof = prove_since(Since(name="v1", files=(ONE, TWO), edited=(TWO,)))
    assert {(finding.rule, finding.revision) for finding in proof.failures} == {("G05", "two"), ("L01", "two")}
    assert "two.py differs from v1" in proof.failures[0].measured


@pytest.mark.parametrize(
    ("since", "rules"),
    [
        (None, set()),
        (Since(name="one"), set()),
        (Since(name="v1", files=(ONE, TWO), edited=(TWO,)), {"G05"}),
        (Since(name="v1", files=(ONE,)), {"A01"}),
    ],
    ids=["nothing is compared", "a revision", "an edited one", "one that is new"],
)
def test_an_edit_may_be_allowed_and_that_is_of_no_use_only_where_it_was_looked_for(
    write_project, server_url, since, rules
):
    config = write_project({"one": HISTORY["one"], "two": ("one", "op.create_table('b')", "op.drop_table('b')")})
    with (config.parent / TWO).open("a") as file:
        file.write("\n# slipway: allow G05 because nothing has run it\n")
    proof = prove(question(config, layers=(Layer.TRACE,), since=since), server_url)
    assert {finding.rule for finding in proof.findings} == rules
    assert proof.verdict is Verdict.PASS


def test_the_previous_release_speaks_from_its_own_schema_on_though_an_old_revision_was_edited(
    write_project, server_url
):
    """Its databases have run what was edited, and nothing that is new beside it."""
    config = write_project(RENAMES)
    with (config.parent / ONE).open("a") as file:
        file.write("\n# slipway: allow G05 because only its words changed\n")
    since, previous = Since(name="v1", files=(ONE, TWO), edited=(ONE,)), Previous(name="v1", models=(TAGS,))
    layers = (Layer.TRACE, Layer.PREVIOUS)
    proof = prove(question(config, layers=layers, since=since, previous=previous), server_url)
    assert ("C03", "three") in {(finding.rule, finding.revision) for finding in proof.failures}
    assert not any("no statement of v1" in gap for gap in proof.coverage.gaps)
    assert [revision.id for revision in proof.revisions][:2] == ["one", "two"]


GONE = (Other("one", (), ONE), Other("two", ("one",), TWO))


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        (GONE, "not in the tree: one, two at v1, and a released database is at two"),
        (GONE[:1], "not in the tree: one at v1, and a released database is at one"),
        ((Other("two", ("one",), "other/versions/two.py"),), None),
        ((Other("old", (), ONE), Other("all", ("old",), ONE)), "not in the tree: old at v1"),
        ((), None),
    ],
    ids=["squashed", "one left", "of another history", "below a kept head", "none"],
)
def test_a_released_revision_that_is_not_in_the_tree_is_an_error(write_project, server_url, changed, measured):
    kept = "migrations/versions/all.py"
    config = write_project({"all": (None, "pass", ""), "next": ("all", "pass", "")})
    since = Since(name="v1", files=(kept,), changed=changed)
    gone = [each for each in graph.check(read_history(config, server_url, since)) if each.rule == "G07"]
    assert [finding.measured for finding in gone] == ([measured] if measured else [])
    assert all(finding.fails is ("database" in finding.measured) for finding in gone)
    remedies = [finding.remedy for finding in gone if changed == GONE]
    assert all("git checkout v1 -- " in each and 'revision = "two"' in each and "…" not in each for each in remedies)


def test_revisions_that_the_target_branch_added_are_not_gone(write_project, server_url):
    config = write_project({"one": HISTORY["one"]})
    since = Since(name="main", files=(ONE, TWO), changed=GONE[1:], ahead=GONE[1:], tip="main")
    assert "G07" not in {finding.rule for finding in graph.check(read_history(config, server_url, since))}
