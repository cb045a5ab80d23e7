"""The same boto3 calls to moto and to the simulator: every difference between their outcomes is known and explained."""

from collections.abc import Iterator, Mapping

import pytest

from tests.simulator.oracle.differences import KNOWN
from tests.simulator.oracle.stage import Outcome, at_moto, at_the_simulator
from tests.simulator.oracle.stories import STORIES

pytestmark = pytest.mark.slow


def differences(moto: Mapping[str, Outcome], ours: Mapping[str, Outcome]) -> Iterator[tuple[str, str, str]]:
    """Yield step, path and both values where the outcomes differ."""
    assert list(moto) == list(ours)
    for step, outcome in ours.items():
        for path in sorted({*outcome, *moto[step]}):
            here, there = outcome.get(path, "nothing"), moto[step].get(path, "nothing")
            if here != there:
                yield step, path, f"moto {there!r}, the simulator {here!r}"


@pytest.mark.parametrize("service", STORIES)
async def test_every_difference_from_moto_is_explained_and_every_explanation_is_needed(service):
    found = list(differences(at_moto(service, STORIES[service]), await at_the_simulator(service, STORIES[service])))
    known = [each for each in KNOWN if each.service == service]
    unexplained = [
        f"{step}: {path}: {values}"
        for step, path, values in found
        if not any(each.explains(service, step, path) for each in known)
    ]
    unneeded = [each for each in known if not any(each.explains(service, step, path) for step, path, _ in found)]
    assert (unexplained, unneeded) == ([], [])


def test_an_unknown_difference_is_reported_with_both_values():
    moto, ours = {"a step": {"a.b": "1", "same": "x"}}, {"a step": {"same": "x", "c": "2"}}
    assert list(differences(moto, ours)) == [
        ("a step", "a.b", "moto '1', the simulator 'nothing'"),
        ("a step", "c", "moto 'nothing', the simulator '2'"),
    ]
