"""A certificate covers one step of the schema, proven by one proof."""

import dataclasses

import pytest

from slipway.errors import RefusedError
from slipway.gate.rulebook import rule_named
from slipway.local.certificate import certificate_in, certify, why_not
from slipway.records.certificate import Certificate, Ternary
from slipway.records.form import from_json, to_json
from slipway.records.gate import Listing
from slipway.records.proof import Coverage, Level, Proof, Revision, Statement, Verdict, Versions

STATEMENT = Statement(
    sql="ALTER TABLE a ADD b int",
    line=9,
    transaction=True,
    locks={},
    rewrites=(),
    builds=(),
    scans=(),
    blocks={},
    measured=True,
    ms=0.1,
)
ALONE = dataclasses.replace(STATEMENT, transaction=False)


def revision(name, *down, new=True, statements=(STATEMENT,), **more):
    return Revision(
        id=name, down=down, file=f"{name}.py", new=new, statements=statements, fingerprints={"up": "0"}, **more
    )


def proof(*revisions, findings=(), verdict=Verdict.PASS, statements=3):
    coverage = Coverage(
        revisions=len(revisions),
        new=1,
        statements=1,
        tables=2,
        filled=2,
        previous="v1",
        previous_statements=statements,
        previous_digest="sha",
    )
    versions = Versions(gate="0.1.0", python="3", sqlalchemy="2", alembic="1", driver="psycopg")
    return Proof(
        gate=versions,
        postgres="18.0",
        history="files",
        heads=("c",),
        revisions=revisions,
        findings=findings,
        coverage=coverage,
        verdict=verdict,
    )


HISTORY = (revision("a", new=False), revision("b", "a", new=False), revision("c", "b"))


def finding(rule, suppressed=None):
    return dataclasses.replace(
        rule_named(rule).finding(None, "measured"), level=Level.WARNING, revision="c", suppressed=suppressed
    )


def verdicts(found):
    (only,) = certify(to_json(found), 1).revisions
    return only


def test_a_certificate_names_the_pair_of_heads_and_its_proof():
    text = to_json(proof(*HISTORY))
    made = certify(text, 1764000000)
    assert (made.before, made.after) == (("b",), ("c",))
    assert (made.history, made.statements, made.previous, made.made) == ("files", "sha", "v1", 1764000000)
    assert from_json(Certificate, to_json(made), "it") == made


def test_a_revision_without_findings_gets_the_best_verdicts():
    answers = dataclasses.astuple(verdicts(proof(*HISTORY)))
    assert answers == ("c", Ternary.YES, Ternary.YES, Ternary.NO, Ternary.YES, Ternary.NO)


@pytest.mark.parametrize(
    ("rule", "field", "answer"),
    [
        ("T03", "rerunnable", Ternary.NO),
        ("C01", "compatible", Ternary.NO),
        ("L01", "blocking", Ternary.YES),
        ("Q05", "blocking", Ternary.YES),
        ("L02", "blocking", Ternary.NO),
        ("R06", "reversible", Ternary.NO),
        ("D02", "reversible", Ternary.NO),
        ("D03", "destructive", Ternary.YES),
        ("D05", "destructive", Ternary.YES),
        ("D10", "destructive", Ternary.YES),
        ("L25", "destructive", Ternary.YES),
    ],
)
@pytest.mark.parametrize("suppressed", [None, "allowed: the table has ten rows"])
def test_a_finding_decides_its_verdict_whether_it_is_allowed_or_not(rule, field, answer, suppressed):
    assert getattr(verdicts(proof(*HISTORY, findings=(finding(rule, suppressed),))), field) is answer


def test_a_finding_that_was_folded_into_one_of_another_revision_decides_too():
    folded = dataclasses.replace(finding("R06"), revision="b", also=("c",))
    assert verdicts(proof(*HISTORY, findings=(folded,))).reversible is Ternary.NO


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"statements": (dataclasses.replace(ALONE, measured=False),)}, "blocking"),
        ({"statements": (ALONE,)}, "rerunnable"),
    ],
)
def test_verdicts_without_measurements_are_unknown(change, field):
    assert getattr(verdicts(proof(*HISTORY[:2], revision("c", "b", **change))), field) is Ternary.UNKNOWN


def test_without_statements_of_the_previous_release_nothing_is_known_of_it():
    assert verdicts(proof(*HISTORY, statements=0)).compatible is Ternary.UNKNOWN


def refused(rule, **how):
    found = dataclasses.replace(finding(rule), level=Level.ERROR)
    return to_json(proof(*HISTORY, findings=(found,), verdict=Verdict.FAIL, **how))


def test_a_proof_that_is_refused_for_another_reason_than_its_pair_is_certified_with_the_rules_that_refused_it():
    made = certificate_in(refused("drift"), 1)
    assert (made.refused, made.revisions[0].compatible) == (("drift",), Ternary.YES)
    assert certificate_in(to_json(made), 2) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (refused("C01"), r"refused this history \(C01\), and the revision c breaks the previous release"),
        (refused("drift", statements=0), "the revision c was not tried with the previous release"),
    ],
)
def test_a_refused_proof_gets_no_certificate_unless_the_previous_release_works(text, why):
    with pytest.raises(RefusedError, match=why) as caught:
        certify(text, 1)
    assert ("--without-certificate" in caught.value.next_step) is ("breaks" not in why)


def test_a_proof_with_revisions_that_were_not_executed_gets_no_certificate():
    older = dataclasses.replace(HISTORY[0], fingerprints={})
    with pytest.raises(RefusedError, match=f"not executed: {older.id}"):
        certify(to_json(proof(older, *HISTORY[1:])), 1)


TEXT = to_json(proof(*HISTORY))
MADE = certify(TEXT, 1)
SAME = Listing((), "files")


@pytest.mark.parametrize(
    ("listing", "live", "text", "why"),
    [
        (SAME, None, None, None),
        (SAME, ["b"], TEXT, None),
        (Listing((), "others"), None, None, "the revisions differ"),
        (SAME, ["a"], None, "tested from b on, and the database is at a"),
        (SAME, [], None, "is at no revision"),
        (SAME, ["b"], TEXT + " ", "the proof is not the one"),
    ],
)
def test_a_certificate_holds_for_its_own_revisions_pair_and_proof_only(listing, live, text, why):
    said = why_not(MADE, listing, live, text)
    assert said is None if why is None else why in said
