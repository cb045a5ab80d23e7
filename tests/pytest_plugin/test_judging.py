import dataclasses

import pytest

from slipway.gate import rulebook
from slipway.gate.steps import UP
from slipway.pytest_plugin.gate import DRIFT, GRAPH, LOCKS, ROWS, UP_DOWN_UP, check_of, judge
from slipway.pytest_plugin.run import name_of
from slipway.records.gate import Listed
from slipway.records.proof import Coverage, Finding, Level, Proof, Revision, Statement, Verdict, Versions


def revision(name, *statements, reached=True):
    return Revision(
        id=name, down=(), file=f"{name}.py", new=True, statements=statements, fingerprints={UP: "0"} if reached else {}
    )


def proof(*revisions, findings=(), gaps=()):
    versions = Versions(gate="0", python="3", sqlalchemy="2", alembic="1", driver="psycopg")
    coverage = Coverage(revisions=len(revisions), new=len(revisions), statements=0, gaps=gaps)
    return Proof(
        gate=versions,
        postgres="18.0",
        history="0",
        heads=("b",),
        revisions=revisions,
        findings=findings,
        coverage=coverage,
        verdict=Verdict.PASS,
    )


ERROR = Finding(
    rule="L01",
    level=Level.ERROR,
    message="Locks.",
    revision="a",
    file="a.py",
    line=9,
    measured="it locks",
    remedy="lock less",
)
WARNING = dataclasses.replace(ERROR, level=Level.WARNING)
SUPPRESSED = dataclasses.replace(ERROR, suppressed="older than start-after")
FAILS = dataclasses.replace(ERROR, rule="U01")
UNMEASURED = Statement(
    sql="DROP INDEX CONCURRENTLY i",
    line=9,
    transaction=False,
    locks={},
    rewrites=(),
    builds=(),
    scans=(),
    blocks={},
    measured=False,
    ms=0.1,
)


CHECKS = {
    rulebook.GRAPH: GRAPH,
    rulebook.COMMENTS: GRAPH,
    rulebook.REVERSIBILITY: UP_DOWN_UP,
    rulebook.TRANSACTIONS: UP_DOWN_UP,
    rulebook.LOCKS: LOCKS,
    rulebook.WAITING: LOCKS,
    rulebook.COMPATIBILITY: ROWS,
    rulebook.ROWS: ROWS,
    rulebook.DRIFT: DRIFT,
    rulebook.ADVICE: UP_DOWN_UP,
}


def test_every_rule_belongs_to_the_check_of_its_family():
    assert CHECKS.keys() == set(rulebook.FAMILIES)
    assert {family: {check_of(rule.id) for rule in family.rules} for family in CHECKS} == {
        family: {check} for family, check in CHECKS.items()
    }


def test_a_finding_fails_its_check_of_each_revision_that_it_concerns():
    found = proof(*map(revision, "abc"), findings=(dataclasses.replace(ERROR, also=("c",)),))
    assert [name for name in "abc" if judge(found, LOCKS, name).failures] == ["a", "c"]


def test_what_is_of_no_known_family_fails_the_history_so_that_no_finding_is_lost():
    unknown = dataclasses.replace(ERROR, rule="X01")
    assert judge(proof(revision("a"), findings=(unknown,)), GRAPH).failures == (unknown,)


def test_a_finding_fails_its_check_of_its_revision_and_no_other():
    found = proof(revision("a"), revision("b"), findings=(ERROR,))
    outcomes = {(check, name): judge(found, check, name).failures for check in (LOCKS, UP_DOWN_UP) for name in "ab"}
    assert [place for place, failures in outcomes.items() if failures] == [(LOCKS, "a")]


def test_the_text_has_place_fact_and_safe_form():
    said = judge(proof(revision("a"), findings=(ERROR,)), LOCKS, "a").text
    assert said == "L01 Locks.\nat a.py:9\nmeasured: it locks\ninstead:\n    lock less"


def test_a_warning_is_a_remark_and_what_is_suppressed_is_nothing():
    found = judge(proof(revision("a"), findings=(WARNING, SUPPRESSED)), LOCKS, "a")
    assert (found.failures, found.reason) == ((), None)
    assert [remark.splitlines()[0] for remark in found.remarks] == ["warning: L01 Locks."]


def test_what_was_not_measured_is_remarked_of_its_revision():
    found = proof(revision("a", UNMEASURED), revision("b"))
    remark = "not measured, because it refuses to run in a transaction: DROP INDEX CONCURRENTLY i"
    assert [judge(found, LOCKS, name).remarks for name in "ab"] == [(remark,), ()]


def test_nothing_of_a_revision_passes_that_was_not_reached():
    found = proof(revision("a", reached=False), revision("b", reached=False), findings=(FAILS,))
    reason = "not reached: the upgrade of a fails"
    assert judge(found, UP_DOWN_UP, "a").failures == (FAILS,)
    assert [judge(found, LOCKS, "a").reason, judge(found, UP_DOWN_UP, "b").reason] == [reason, reason]


def test_a_failure_is_reported_although_the_revision_was_not_finished():
    found = judge(proof(revision("a", reached=False), findings=(FAILS, ERROR)), LOCKS, "a")
    assert (found.failures, found.reason) == ((ERROR,), None)


def test_an_old_revision_that_fails_is_not_called_passed():
    old = dataclasses.replace(FAILS, suppressed="older than start-after")
    found = judge(proof(revision("a", reached=False), findings=(old,)), UP_DOWN_UP, "a")
    assert (found.failures, found.reason) == ((), "not reached: the upgrade of a fails")


def test_a_revision_that_the_proof_does_not_know_was_not_reached():
    assert judge(proof(), UP_DOWN_UP, "a").reason == "not reached: the history cannot be walked"
    begun = proof(revision("b"))
    begun = dataclasses.replace(begun, coverage=dataclasses.replace(begun.coverage, baseline="baseline.sql"))
    assert judge(begun, UP_DOWN_UP, "a").reason == "not executed: the baseline has its changes (baseline.sql)"
    assert judge(begun, UP_DOWN_UP, "b").reason is None


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (proof(revision("a")), None),
        (proof(), "models were not compared: no revision was executed"),
        (proof(revision("a"), gaps=("x", "models were not compared: why")), "models were not compared: why"),
    ],
    ids=["compared", "no revision", "a gap"],
)
def test_models_that_were_not_compared_are_not_called_equal(found, reason):
    assert judge(found, DRIFT).reason == reason


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("versions/ab12_add_notes.py", "ab12_add_notes"),
        ("2026_01_31-ab12_add_notes.py", "2026_01_31-ab12_add_notes"),
        ("0001_add_notes.py", "ab12_0001_add_notes"),
    ],
)
def test_a_test_is_named_by_id_and_file(file, name):
    assert name_of(Listed("ab12", file, 1, True)) == name
