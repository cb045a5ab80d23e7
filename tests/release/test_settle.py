import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.records.outcome import Status
from slipway.release.engine.goal import settle, settle_state
from slipway.release.engine.target import OperationStatus
from slipway.release.targets.app_runner.target import IN_FLIGHT, ending_of
from slipway.simulator.contract import service
from tests.release.desired import DIGEST, OTHER

WORDS = service("apprunner").shape_for("OperationStatus").metadata["enum"]
LIVE = {"the requested digest": DIGEST, "another digest": OTHER, "nothing": None}
# The truth behind each status of the service model, for an update and for a creation whose digest is not live.
TRUTH = {
    "PENDING": (Status.UNKNOWN, Status.UNKNOWN),
    "IN_PROGRESS": (Status.UNKNOWN, Status.UNKNOWN),
    "FAILED": (Status.ROLLBACK_FAILED, Status.CREATE_FAILED),
    "SUCCEEDED": (Status.SUPERSEDED, Status.SUPERSEDED),
    "ROLLBACK_IN_PROGRESS": (Status.UNKNOWN, Status.UNKNOWN),
    "ROLLBACK_FAILED": (Status.ROLLBACK_FAILED, Status.ROLLBACK_FAILED),
    "ROLLBACK_SUCCEEDED": (Status.ROLLED_BACK, Status.ROLLED_BACK),
}

words = st.one_of(st.sampled_from(WORDS), st.sampled_from(["RUNNING", "succeeded", "", "SUCCEEDED "]), st.text())
digests = st.sampled_from([DIGEST, OTHER, None])


def test_every_status_of_the_service_model_has_its_truth():
    assert set(TRUTH) == set(WORDS)


@pytest.mark.parametrize("creating", [False, True], ids=["update", "creation"])
@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("word", WORDS)
def test_the_truth_follows_from_the_status_and_the_live_digest(word, live, creating):
    succeeded = word == "SUCCEEDED" and live == "the requested digest"
    expected = Status.SUCCEEDED if succeeded else TRUTH[word][creating]
    assert settle(ending_of(word), creating=creating, live=LIVE[live], desired=DIGEST) is expected


def test_a_status_that_the_service_model_does_not_have_is_unknown():
    assert settle(ending_of("SUCCEEDED_EVENTUALLY"), creating=False, live=DIGEST, desired=DIGEST) is Status.UNKNOWN


def test_an_operation_gone_with_its_service_was_superseded_unless_its_goal_is_true():
    assert settle(OperationStatus.GONE, creating=True, live=None, desired=DIGEST) is Status.SUPERSEDED
    assert settle(OperationStatus.GONE, creating=True, live=DIGEST, desired=DIGEST) is Status.NOOP
    assert settle_state(OperationStatus.GONE, reached=True) is Status.SUCCEEDED
    assert settle_state(OperationStatus.GONE, reached=False) is Status.SUPERSEDED


@settings(max_examples=50)
@given(words, st.booleans(), digests)
def test_success_is_status_and_digest_together(word, creating, live):
    status = settle(ending_of(word), creating=creating, live=live, desired=DIGEST)
    assert (status is Status.SUCCEEDED) == (word == "SUCCEEDED" and live == DIGEST)
    assert (status.exit_code == 0) == (status in (Status.SUCCEEDED, Status.NOOP))


@settings(max_examples=50)
@given(words, st.booleans(), digests)
def test_an_operation_in_flight_has_not_ended(word, creating, live):
    if word in IN_FLIGHT:
        assert settle(ending_of(word), creating=creating, live=live, desired=DIGEST) is Status.UNKNOWN


def test_the_words_in_flight_are_words_of_the_service_model():
    assert set(WORDS) >= IN_FLIGHT


@pytest.mark.parametrize("status", Status)
def test_the_exit_code_is_zero_for_a_true_goal_three_for_an_unknown_and_four_for_an_aborted_one(status):
    expected = {Status.SUCCEEDED: 0, Status.NOOP: 0, Status.UNKNOWN: 3, Status.ABORTED: 4}
    assert status.exit_code == expected.get(status, 1)
