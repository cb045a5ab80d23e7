"""Where a rollback goes, from what the ledger has."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.errors import BadInputError, RefusedError
from slipway.records.ledger import Release
from slipway.records.outcome import Status, Verb
from slipway.release.engine.recorded import digest_of, named_release, release_before, was_live, way_back


def release(number, image, status=Status.SUCCEEDED, verb=Verb.DEPLOY):
    digest = "sha256:" + str(image) * 64
    return Release(
        environment="staging",
        number=number,
        image=f"notes@{digest}",
        status=status,
        live=digest,
        operation=None,
        ended=1,
        seconds=2.0,
        verb=verb,
    )


def digest(image):
    return "sha256:" + str(image) * 64


def test_it_goes_to_the_newest_release_that_was_live_before_the_one_that_is():
    past = [release(4, 3), release(3, 9, Status.ROLLED_BACK), release(2, 2), release(1, 1)]
    assert release_before(past, digest(3)).number == 2


def test_when_the_platform_has_gone_back_already_a_rollback_goes_no_further_back_unless_it_is_named():
    past = [release(3, 9, Status.ROLLED_BACK), release(2, 2), release(1, 1)]
    with pytest.raises(
        RefusedError, match=r"the platform has rolled back the last deployment, 3, .*: name one with --to"
    ):
        release_before(past, digest(2))


def test_after_a_release_that_does_not_answer_it_goes_to_the_one_before():
    past = [release(4, 4, Status.UNANSWERED), release(3, 1, verb=Verb.ROLLBACK), release(2, 2), release(1, 1)]
    assert release_before(past, digest(4)).number == 3
    with pytest.raises(RefusedError, match="was itself a rollback"):
        release_before([release(5, 3, Status.UNANSWERED, Verb.ROLLBACK), *past], digest(3))


def test_a_rollback_that_was_itself_taken_back_can_be_tried_again_without_its_number():
    past = [release(4, 2, Status.ROLLED_BACK, Verb.ROLLBACK), release(3, 3, Status.UNANSWERED), release(2, 2)]
    assert release_before(past, digest(3)).number == 2
    assert "--to" not in way_back("staging", past, digest(3))


def test_a_verb_without_a_release_is_no_destination():
    past = [release(3, 2), release(2, 8, verb=Verb.RESUME), release(1, 1)]
    assert release_before(past, digest(2)).number == 1


def test_after_a_rollback_the_destination_must_be_named():
    past = [release(3, 1, verb=Verb.ROLLBACK), release(2, 2), release(1, 1)]
    with pytest.raises(RefusedError, match="the last deployment, 3, was itself a rollback: name one with --to"):
        release_before(past, digest(1))


def test_without_another_live_release_there_is_no_rollback():
    with pytest.raises(RefusedError, match="no other release was ever live here"):
        release_before([release(2, 1, Status.NOOP), release(1, 1)], digest(1))


def test_a_number_must_be_of_a_release_that_was_live():
    past = [release(2, 2, Status.ROLLED_BACK), release(1, 1)]
    assert named_release(past, 1).number == 1
    with pytest.raises(BadInputError, match="deployment 2 was never live, it ended as ROLLED_BACK"):
        named_release(past, 2)
    with pytest.raises(BadInputError, match="the ledger has no deployment 7 that has ended"):
        named_release(past, 7)


pasts = st.lists(
    st.builds(release, st.just(0), st.integers(1, 4), st.sampled_from(Status), st.sampled_from(Verb)), max_size=8
).map(lambda found: [release(8 - index, one.image[-1], one.status, one.verb) for index, one in enumerate(found)])


@settings(max_examples=50)
@given(pasts, st.integers(1, 4))
def test_a_rollback_never_goes_to_the_live_release_nor_to_one_that_never_was(past, live):
    try:
        found = release_before(past, digest(live))
    except RefusedError:
        return
    assert was_live(found)
    assert digest_of(found) != digest(live)
    assert found in past
