import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.records.outcome import Status
from slipway.release.engine.settle import OperationStatus, settle, settle_state
from slipway.release.targets.app_runner.target import IN_FLIGHT, ending_of
from slipway.simulator.contract import service
from tests.release.desired import DIGEST, OTHER

WORDS = service("apprunner").shape_for("OperationStatus").metadata["enum"]
LIVE = {"the requested digest": DIGEST, "another digest": OTHER, "nothing": None}
# What each word of the service model says of an update, and of a creation, that is not live as it was requested.
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


def test_every_word_of_the_service_model_has_its_truth():
    assert set(TRUTH) == set(WORDS)


@pytest.mark.parametrize("creating", [False, True], ids=["update", "creation"])
@pytest.mark.parametrize("live", LIVE)
@pytest.mark.parametrize("word", WORDS)
def test_how_an_operation_ended_is_told_by_its_word_and_by_what_is_live(word, live, creating):
    succeeded = word == "SUCCEEDED" and live == "the requested digest"
    expected = Status.SUCCEEDED if succeeded else TRUTH[word][creating]
    assert settle(ending_of(word), creating=creating, live=LIVE[live], desired=DIGEST) is expected


def test_a_word_that_the_service_model_does_not_have_is_unknown():
    assert settle(ending_of("SUCCEEDED_EVENTUALLY"), creating=False, live=DIGEST, desired=DIGEST) is Status.UNKNOWN


def test_what_is_gone_with_its_service_was_superseded_unless_what_it_wanted_is_there():
    assert settle(OperationStatus.GONE, creating=True, live=None, desired=DIGEST) is Status.SUPERSEDED
    assert settle(OperationStatus.GONE, creating=True, live=DIGEST, desired=DIGEST) is Status.NOOP
    assert settle_state(OperationStatus.GONE, reached=True) is Status.SUCCEEDED
    assert settle_state(OperationStatus.GONE, reached=False) is Status.SUPERSEDED


@given(words, st.booleans(), digests)
def test_success_is_the_word_and_the_digest_together(word, creating, live):
    status = settle(ending_of(word), creating=creating, live=live, desired=DIGEST)
    assert (status is Status.SUCCEEDED) == (word == "SUCCEEDED" and live == DIGEST)
    assert (status.exit_code == 0) == (status in (Status.SUCCEEDED, Status.NOOP))


@given(words, st.booleans(), digests)
def test_nothing_that_may_still_change_is_called_an_end(word, creating, live):
    if word in IN_FLIGHT:
        assert settle(ending_of(word), creating=creating, live=live, desired=DIGEST) is Status.UNKNOWN


def test_the_words_in_flight_are_words_of_the_service_model():
    assert set(WORDS) >= IN_FLIGHT


@pytest.mark.parametrize("status", Status)
def test_the_exit_code_is_zero_for_what_is_live_and_three_for_what_nobody_knows(status):
    expected = {Status.SUCCEEDED: 0, Status.NOOP: 0, Status.UNKNOWN: 3}
    assert status.exit_code == expected.get(status, 1)
