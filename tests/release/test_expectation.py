from dataclasses import replace

from slipway.records.ledger import Release
from slipway.records.outcome import Status
from slipway.release.engine.recorded import expected_seconds

RELEASE = Release(
    environment="staging",
    number=1,
    image="notes@sha256:1",
    status=Status.SUCCEEDED,
    live="sha256:1",
    operation="0123",
    ended=0,
    seconds=180.0,
)


def releases(*seconds, first=1):
    """Deployments that succeeded, the last of them the newest."""
    return [replace(RELEASE, number=number, seconds=took) for number, took in enumerate(seconds, first)]


def test_one_duration_predicts_nothing():
    assert expected_seconds([]) is None
    assert expected_seconds(releases(180)) is None
    assert expected_seconds(releases(180, 200)) == 190


def test_one_deployment_that_waited_for_others_does_not_count():
    assert expected_seconds(releases(180, 1900, 182)) == 182


def test_failures_and_noops_do_not_count():
    others = [replace(RELEASE, number=number, status=status, seconds=1) for number, status in enumerate(Status, 10)]
    assert expected_seconds([*releases(180, 200, first=1), *others]) == 180


def test_only_the_last_ten_count_whatever_their_order():
    old, new = releases(*[1000] * 30), releases(*[180] * 10, first=31)
    assert expected_seconds([*old, *new]) == 180
    assert expected_seconds([*new, *old]) == 180
