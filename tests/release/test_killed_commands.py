"""A command that is killed at a request and run again ends in the truth; the oracle is that of the generated stories.

`SLIPWAY_EVERY_REQUEST=1 pytest tests/release/test_killed_commands.py` kills before and after each request, on both targets.
"""

from dataclasses import replace

import pytest

from slipway.settings import TargetKind
from tests.release.deployers import EVERY_REQUEST, Kill
from tests.release.oracle import violations
from tests.release.played import play
from tests.release.scenarios import Image, Migrating, Scenario, State, Verb

pytestmark = pytest.mark.slow

STORIES = {
    "a deployment": Scenario(State.RUNNING, migrating=Migrating.WELL),
    "a first deployment": Scenario(State.ABSENT),
    "a release that is taken back": Scenario(State.RUNNING, image=Image.UNHEALTHY),
    "a release over a failed creation": Scenario(State.CREATE_FAILED),
    "a release over a deleted service": Scenario(State.DELETED),
    "an approved plan": Scenario(State.RUNNING, Verb.APPROVED),
    "a promotion": Scenario(State.RUNNING, Verb.PROMOTE),
    "a rollback": Scenario(State.RUNNING, Verb.ROLLBACK),
    "a deletion": Scenario(State.RUNNING, Verb.DESTROY),
}
CASES = [(target, name) for name in STORIES for target in TargetKind]
QUICK = [(TargetKind.ECS_EXPRESS, "a deployment")]


@pytest.mark.parametrize(
    ("target", "name"), CASES if EVERY_REQUEST else QUICK, ids=lambda part: getattr(part, "value", part)
)
async def test_a_command_that_is_killed_at_a_request_and_run_again_ends_in_the_truth(target, name):
    story = replace(STORIES[name], target=target)
    operations = (await play(story)).ends[0].operations
    assert len(operations) > 20
    for index, done in points(operations):
        killed = replace(story, kill=Kill(index, done))
        assert await violations(killed) == [], f"{index} {operations[index]} {done}"


def points(operations: tuple[str, ...]) -> list[tuple[int, bool]]:
    """Return where to die: before and after each request; otherwise before the first of every fourth kind, and after the last of another."""
    if EVERY_REQUEST:
        return [(index, done) for index in range(len(operations)) for done in (False, True)]
    kinds, last = list(dict.fromkeys(operations)), len(operations) - 1
    before = [(operations.index(kind), False) for kind in kinds[::4]]
    return before + [(last - operations[::-1].index(kind), True) for kind in kinds[2::4]]
