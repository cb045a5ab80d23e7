"""A release works on a schema if a certificate for exactly this pair says so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.answer import Answer
from slipway.records.certificate import Ternary
from slipway.records.ledger import Release
from slipway.records.migration import Migration, Readiness
from slipway.records.outcome import Status
from slipway.release.engine.compatibility import forward_risk, is_behind, rollback_risk, way_out
from tests.environment.environments import certificate

OLD, NEW = Readiness(("aaa",), ("aaa",)), Readiness(("bbb",), ("bbb",))
PROVEN = certificate("aaa", "bbb")


def test_a_schema_that_does_not_move_needs_no_proof():
    assert rollback_risk(OLD, OLD, ()) is None
    assert forward_risk(OLD, OLD, ()) is None


def test_a_deployment_is_proven_when_the_live_release_was_tried_on_the_new_schema():
    assert forward_risk(NEW, OLD, [PROVEN]) is None
    assert forward_risk(NEW, OLD, []) == (
        "no certificate covers the live release, of revision aaa, on a database at bbb"
    )


def test_a_rollback_is_proven_when_the_wanted_release_was_tried_on_the_current_schema():
    assert rollback_risk(OLD, NEW, [PROVEN]) is None
    assert "the wanted release, of revision aaa, on a database at bbb" in rollback_risk(OLD, NEW, [])


def test_promoting_a_release_older_than_the_schema_is_judged_as_a_rollback():
    assert forward_risk(OLD, NEW, [PROVEN]) is None
    broken = certificate("aaa", "bbb", Ternary.NO)
    assert forward_risk(OLD, NEW, [broken]) == "the revision bbb breaks the wanted release"


@pytest.mark.parametrize(
    ("answer", "risk"),
    [
        (Ternary.NO, "the revision bbb breaks the live release"),
        (Ternary.UNKNOWN, "the live release was never tried after the revision bbb"),
    ],
)
def test_a_certificate_that_denies_or_does_not_know_is_a_risk(answer, risk):
    assert forward_risk(NEW, OLD, [certificate("aaa", "bbb", answer)]) == risk


def test_a_history_that_the_gate_refused_may_be_rolled_back_and_not_promoted():
    drifted = certificate("aaa", "bbb", refused=("drift",))
    assert rollback_risk(OLD, NEW, [drifted]) is None
    assert forward_risk(OLD, NEW, [drifted]) is None  # an older release on the newer schema: no migration
    assert forward_risk(NEW, OLD, [drifted]) == "the gate refused the migration (drift)"


def test_the_later_of_two_certificates_counts():
    first, later = certificate("aaa", "bbb", Ternary.UNKNOWN, made=1), certificate("aaa", "bbb", made=2)
    assert forward_risk(NEW, OLD, [later, first]) is None


def test_certificates_are_not_transitive():
    newest = Readiness(("ccc",), ("ccc",))
    assert rollback_risk(OLD, newest, [PROVEN, certificate("bbb", "ccc")]) is not None


def test_a_certificate_about_another_commit_is_about_another_release():
    tried, live = "1" * 40, Readiness(("aaa",), ("aaa",), "2" * 40)
    risk = forward_risk(NEW, live, [certificate("aaa", "bbb", previous=tried)])
    assert risk == (
        "the certificate is about the release of the commit 111111111111, and the live release is of 222222222222"
    )
    assert forward_risk(NEW, live, [certificate("aaa", "bbb", previous="2" * 40)]) is None


def test_a_certificate_that_names_no_revision_proves_nothing():
    assert "names no revision" in forward_risk(NEW, OLD, [certificate("aaa", "bbb", revisions=())])


@pytest.mark.parametrize("unknown", [Readiness(), Readiness(("bbb",), None), Readiness(None, ("aaa",))])
def test_unknown_revisions_are_a_risk(unknown):
    assert rollback_risk(unknown, Readiness(), [PROVEN]) == (
        "the revisions of the release and its database are unknown"
    )


heads = st.sampled_from(["aaa", "bbb", "ccc"]).map(lambda head: (head,))
certificates = st.lists(st.builds(lambda a, b, c: certificate(a[0], b[0], c), heads, heads, st.sampled_from(Ternary)))


@settings(max_examples=50)
@given(heads, heads, certificates)
def test_no_move_is_safe_without_a_yes_for_this_pair(image, database, known):
    wanted, live = Readiness(image, image), Readiness(database, database)
    pairs = {(found.before, found.after) for found in known if found.revisions[0].compatible is Ternary.YES}
    if rollback_risk(wanted, live, known) is None:
        assert image == database or (image, database) in pairs
    if forward_risk(wanted, live, known) is None:
        assert image == database or {(image, database), (database, image)} & pairs


def release(number: int, heads: tuple[str, ...] | None, database: tuple[str, ...] | None) -> Release:
    return Release(
        environment="staging",
        number=number,
        image="",
        status=Status.SUCCEEDED,
        live=None,
        operation=None,
        ended=0,
        seconds=0,
        heads=heads,
        database=database,
    )


A, B, C = ("aaa",), ("bbb",), ("ccc",)
MIGRATED = Migration(before=A, after=B, applied=B, attempts=1, seconds=1)


@pytest.mark.parametrize(
    ("live", "releases", "last", "verdict"),
    [
        (Readiness(A, ()), (), None, Ternary.YES),  # nothing has ever migrated it
        (Readiness(B, A), (release(2, B, A), release(1, A, A)), None, Ternary.YES),
        (Readiness(A, B), (release(2, None, B), release(1, A, A)), None, Ternary.NO),  # 2 migrated and was rolled back
        (Readiness(A, B), (release(1, A, A),), (2, MIGRATED), Ternary.NO),  # 2 migrated and was killed
        (Readiness(A, B), (release(4, A, B), release(2, B, B), release(1, A, A)), None, Ternary.NO),  # 4: a hot fix
        (Readiness(A, C), (release(1, A, A),), None, Ternary.UNKNOWN),  # a person migrated it
        (Readiness(B, A), (release(1, B, A),), None, Ternary.UNKNOWN),  # from before slipway
        (Readiness(A, None), (release(1, A, A),), None, Ternary.UNKNOWN),
    ],
)
def test_a_database_is_behind_when_the_ledger_saw_its_heads_before_those_of_the_release(live, releases, last, verdict):
    assert is_behind(live, releases, last) is verdict


@pytest.mark.parametrize(
    ("verdict", "begins", "has"),
    [
        (
            Ternary.YES,
            "the live release knows revision bbb",
            "`slipway migrate --environment e --image i` runs them, or `alembic upgrade heads` where the settings name no runner",
        ),
        (Ternary.NO, "go forward: ", "a rollback does not migrate the database back"),
        (
            Ternary.UNKNOWN,
            "the live release knows revision bbb",
            "`slipway migrate --environment e --image i --status`",
        ),
    ],
)
def test_the_way_out_of_a_wrong_schema_depends_on_which_side_is_older(verdict, begins, has):
    """A live release whose migrations never ran was to be given revisions that take its schema away."""
    answer = Answer(problem="it answers 500", known=Readiness(B, A), image="i", is_behind=verdict)
    way = way_out("e", answer, "")
    assert way.startswith(begins)
    assert has in way
    assert ("go forward" in way) is (verdict is not Ternary.YES)
    assert len(way) <= 600  # a report cuts longer ones
