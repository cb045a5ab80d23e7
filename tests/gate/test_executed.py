"""Nothing executed is not "passed": whatever keeps a new revision from running is an error, and reports name it first."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from slipway.gate.prove import _chosen, prove
from slipway.records.gate import Previous, Since
from slipway.records.proof import Layer, Verdict
from slipway.report.proof.text import text
from tests.gate.conftest import question

LAYERS = (Layer.TRACE,)

TABLE = "op.create_table('a', sa.Column('id', sa.Integer()))"
NOTHING = "raise NotImplementedError"
NEW = ("one", "op.drop_table('nothing_of_the_kind')", NOTHING)
NO_ROLE = f"{TABLE}\nop.execute('GRANT SELECT ON a TO nobody_made_it')"


@pytest.mark.parametrize(
    ("upgrade", "line"),
    [("op.drop_table('made_by_create_all')", 10), (NO_ROLE, 11), ("open('of_the_image.csv')", 10)],
    ids=["another made its tables", "a missing role", "a missing file"],
)
def test_an_old_revision_that_fails_is_an_error_of_the_first_new_one(prove_history, upgrade, line):
    proof = prove_history({"one": (None, upgrade, NOTHING), "two": NEW}, start_after="one")
    counting = [(finding.rule, finding.revision) for finding in proof.findings if finding.fails]
    assert (proof.verdict, counting) == (Verdict.FAIL, [("U02", "two")])
    reason = f"2 of 2 revisions were not executed, the first is one (migrations/versions/one.py:{line}: "
    assert proof.failures[0].measured.startswith(reason)
    _, first, *_, last = text(proof).splitlines()
    assert first.startswith(f"not covered: {reason}")
    assert last.startswith(
        "refused, not tested: rows, env.py's transactions, interruptions, the previous release, lock queues: 1 error; 0 of 2 revisions up on"
    )


@pytest.mark.parametrize(
    ("upgrade", "old", "instead"),
    [
        ("op.execute('CREATE EXTENSION nowhere')", "one", "U02: Install the extension nowhere on this Postgres, or"),
        ("op.execute('CREATE TABLE b (c citext)')", None, "U01: Create the extension citext in an earlier revision"),
    ],
)
def test_the_finding_on_a_missing_extension_says_how_to_get_it(prove_history, upgrade, old, instead):
    (found,) = prove_history({"one": (None, upgrade, NOTHING), "two": NEW}, start_after=old).failures
    assert f"{found.rule}: {found.remedy}".startswith(instead)


def test_history_that_does_not_run_and_has_nothing_new_has_not_passed(prove_history):
    proof = prove_history({"one": (None, NO_ROLE, NOTHING)}, start_after="one")
    assert proof.verdict is Verdict.PASS
    assert text(proof).splitlines()[-1].startswith("not executed, not tested: rows, ")


@pytest.mark.parametrize("comment", ["U01", "T01"])
def test_a_failure_that_a_comment_allows_is_still_not_executed(prove_history, comment):
    fails = {"U01": "op.drop_table('gone')", "T01": "op.execute('CREATE INDEX CONCURRENTLY ix ON a (id)')"}[comment]
    allowed = f"{fails}  # slipway: allow {comment} because it is known"
    history = {"one": (None, TABLE, NOTHING), "two": ("one", allowed, NOTHING), "three": ("two", TABLE, NOTHING)}
    proof = prove_history(history)
    assert [(finding.rule, finding.revision) for finding in proof.failures] == [("U02", "two")]
    assert "1 of 3 revisions" in text(proof).splitlines()[-1]
    if comment == "T01":
        (allowed,) = (finding for finding in proof.findings if finding.rule == "T01")
        assert f"autocommit_block():\n    {fails}  # alone" in allowed.remedy


def test_what_was_not_executed_cannot_be_allowed(prove_history):
    allowed = f"{NEW[1]}  # slipway: allow U02 because the old one needs a role"
    proof = prove_history({"one": (None, NO_ROLE, NOTHING), "two": ("one", allowed, NOTHING)}, start_after="one")
    assert {finding.rule for finding in proof.failures} == {"A02", "U02"}


def test_a_revision_whose_condition_does_not_hold_here_is_named(prove_history):
    guarded = "if op.get_bind().engine.url.database == 'production':\n    op.drop_table('a')"
    merged = {"left": ("one", guarded, NOTHING), "right": ("one", "pass", NOTHING), "both": (("left", "right"), "", "")}
    gaps = prove_history({"one": (None, TABLE, NOTHING), **merged}).coverage.gaps
    assert "these revisions executed no statement, although their upgrade() has code: left" in gaps


def test_a_previous_release_that_was_not_asked_is_named_where_a_revision_is_new(write_project, server_url):
    config = write_project({"one": (None, TABLE, NOTHING)})
    layers = (Layer.ALWAYS, Layer.PREVIOUS)
    questions = (
        question(config, layers=layers),
        question(config, layers=layers, previous=Previous(name="v1")),
        question(config, layers=layers, start_after="one"),
        question(config, layers=layers, since=Since(name="", by_default="")),
    )
    gaps = [[gap for gap in prove(asked, server_url).coverage.gaps if "was not asked" in gap] for asked in questions]
    assert [len(each) for each in gaps] == [1, 0, 0, 1]
    assert "--since instead of --all-revisions" in gaps[0][0]
    assert "git has no earlier state of this service here" in gaps[3][0]


def test_older_revisions_that_did_not_run_are_not_counted_as_run():
    nodes = [SimpleNamespace(id=name, new=name == "three") for name in ("one", "two", "three")]
    history = SimpleNamespace(nodes=nodes, chosen="the newest")
    assert _chosen(history, ("two", "three")).endswith(
        "; 1 of 2 older were run without tests (--all-revisions tests them)"
    )


A = 'sa.Table("a", metadata, sa.Column("id", sa.Integer))'
FULL = "op.execute('CREATE TABLE a (id int NOT NULL CHECK (id > 1 AND id < 1))')"
COLUMN = "op.execute('ALTER TABLE a ADD COLUMN n int')"
CAST = "op.execute('CREATE TABLE a (id text)')"


@pytest.mark.parametrize(
    ("first", "second", "layers", "project", "unproven"),
    [
        (TABLE, "pass", Layer.ALWAYS, {"models": A}, ()),
        (TABLE, "pass", Layer.ALWAYS, {}, ("models",)),
        (TABLE, "pass", Layer.ALWAYS, {"models": ""}, ("models",)),
        (TABLE, "pass", Layer.ALWAYS, {"models": A, "options": "include_name=lambda *_: 1 / 0"}, ("models",)),
        (TABLE, "if not op: op.drop_table('a')", Layer.TRACE, {"models": A}, ("statements of two",)),
        (FULL, COLUMN, Layer.ROWS, {}, ("models", "rows of public.a")),
        (CAST, "op.execute('UPDATE a SET id = id::int')", Layer.ROWS, {}, ("models", "rows in two")),
    ],
)
def test_what_was_asked_for_and_could_not_be_done_is_in_the_verdict(
    prove_history, first, second, layers, project, unproven
):
    proof = prove_history(
        {"one": (None, first, "op.drop_table('a')"), "two": ("one", second, NOTHING)},
        start_after="one",
        layers=(layers,),
        **project,
    )
    assert proof.coverage.unproven == unproven
    complete = replace(proof, findings=(), verdict=Verdict.PASS, coverage=replace(proof.coverage, layers=tuple(Layer)))
    assert complete.verdict_in_words == ("passed in part" if unproven else "passed")
    assert ("not tested" in text(complete)) == bool(unproven)
    assert not unproven or f"not tested: {', '.join(unproven)}: " in text(complete)


def test_a_previous_release_whose_models_are_unknown_is_in_the_verdict(write_project, server_url):
    previous = Previous(name="v1", refusal="its lock is gone")
    asked = question(write_project({"one": (None, TABLE, NOTHING)}), layers=(Layer.PREVIOUS,), previous=previous)
    assert prove(asked, server_url).coverage.unproven == ("models", "the previous release")
