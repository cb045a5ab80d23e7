import pytest

from slipway.records.outcome import Diagnosis, Outcome, Status
from slipway.records.plan import Action, FieldChange, Observed, Plan
from slipway.report.release_text import of_observed, of_outcome, of_plan


def test_a_plan_is_told_field_by_field():
    changes = (
        FieldChange("image", "sha256:01", "sha256:02"),
        FieldChange("PORT", None, "80"),
        FieldChange("A", "1", None),
    )
    plan = Plan("staging", "notes-staging", "sha256:02", Action.UPDATE, changes, "f00d")
    assert of_plan(plan).splitlines() == [
        "update notes-staging in staging",
        "  image: sha256:01 -> sha256:02",
        "  PORT: - -> 80",
        "  A: 1 -> -",
    ]


def test_a_plan_that_is_blocked_says_why():
    plan = Plan("staging", "notes", "sha256:02", Action.BLOCKED, (), "f00d", "an operation is in flight")
    assert of_plan(plan) == "blocked notes in staging: an operation is in flight\n"


@pytest.mark.parametrize(
    ("observed", "lines"),
    [
        (Observed(), ["staging: nothing is there yet"]),
        (Observed(status="RUNNING"), ["staging: RUNNING", "  digest: none is live", "  address: none"]),
        (
            Observed(status="OPERATION_IN_PROGRESS", digest="sha256:01", url="a.example", operation="0123"),
            ["staging: OPERATION_IN_PROGRESS", "  digest: sha256:01", "  address: a.example", "  in flight: 0123"],
        ),
    ],
)
def test_what_is_live_is_told(observed, lines):
    assert of_observed(observed, "staging").splitlines() == lines


def test_an_outcome_is_told_with_what_is_live():
    outcome = Outcome("staging", "notes", Status.SUCCEEDED, "sha256:02", "sha256:02", None, 297.0)
    assert of_outcome(outcome).splitlines() == [
        "SUCCEEDED notes in staging after 4 m 57 s",
        "  requested: sha256:02",
        "  live:      sha256:02",
    ]


def test_an_outcome_that_failed_is_told_with_its_cause_its_evidence_and_a_remedy():
    diagnosis = Diagnosis("port", "it listens on another port", ("listening on 80", "no answer"), "set port = 80")
    outcome = Outcome("staging", "notes", Status.CREATE_FAILED, "sha256:02", None, None, 9.0, diagnosis=diagnosis)
    assert of_outcome(outcome).splitlines()[2:] == [
        "  live:      nothing",
        "  cause:     it listens on another port",
        "  log:       listening on 80",
        "  log:       no answer",
        "  remedy:    set port = 80",
    ]
