"""Whatever is there, whatever goes wrong and whoever dies: exit 0 means that the wanted digest is live, and exit 1 that it is not."""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from slipway.records.outcome import Status
from slipway.release import deploy, goal
from slipway.release.ledger import Ledger
from slipway.release.settle import Ending
from slipway.release.turn import Turn
from slipway.simulator.faults import Effect
from tests.release.deployers import Kill
from tests.release.scenarios import DEAD, EFFECTS, UNHEALTHY, Misfortune, Scenario, State, scenario, violations

SCENARIOS = int(os.environ.get("SLIPWAY_SCENARIOS", "80"))
PARTS = 8
MANY = 2000
MUTATED = 60  # stories in which a planted mutation must be found


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
async def test_generated_stories_end_in_the_truth(part):
    for seed in range(part, SCENARIOS, PARTS):
        story = scenario(seed)
        assert await violations(story) == [], f"{seed}: {story}"


def test_the_stories_have_every_fault_in_every_state():
    """`pytest -s` shows how often each state, fault and verb meet."""
    cells = Counter(cell for seed in range(SCENARIOS) for cell in scenario(seed).cells())
    for cell, times in sorted(cells.items()):
        print(f"{times:5}  {', '.join(cell)}")  # noqa: T201
    print(f"{SCENARIOS} stories, {len(cells)} cells")  # noqa: T201
    faults = [effect.value for effect in EFFECTS] + ["killed", "none"]
    met = {(state, fault) for seed in range(MANY) for state, fault, _ in scenario(seed).cells()}
    assert met == {(state.value, fault) for state in State for fault in faults}


async def _no_lock(self, _lock):
    return True


async def _nothing(*_, **__):
    return None


def _by_status(_ended, *, creating, live, desired):
    return Status.SUCCEEDED if live else Status.CREATE_FAILED


def _by_operation(ended, *, creating, live, desired):
    return Status.SUCCEEDED if ended in (Ending.SUCCEEDED, Ending.ROLLED_BACK) else Status.CREATE_FAILED


_ENGINE = deploy._Run
MUTATIONS = {
    "what is RUNNING is taken for a success": [(goal, "settle", _by_status)],
    "the live digest is not looked at": [(goal, "settle", _by_operation)],
    "a lost answer is not looked for": [(Turn, "begun", _nothing)],
    "the lock is ignored": [(Ledger, "take_turn", _no_lock), (Turn, "check", _nothing)],
    "an unfinished deployment is not gone on with": [(_ENGINE, "_unfinished", _nothing)],
}


def _stories() -> Iterator[Scenario]:
    """Those that once were counterexamples, and generated ones."""
    lost = (Misfortune("UpdateService", Effect.ANSWER_LOST, 0, 1),)
    yield Scenario(State.RUNNING, image=UNHEALTHY)
    yield Scenario(State.RUNNING, image=DEAD, misfortunes=lost)
    yield from (Scenario(State.RUNNING, image=UNHEALTHY, kill=Kill(index, done=True)) for index in range(10, 26))
    yield from map(scenario, range(MUTATED))


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_planted_mutation_is_found(mutation, monkeypatch):
    for place, name, mutant in MUTATIONS[mutation]:
        monkeypatch.setattr(place, name, mutant)
    for story in _stories():
        if await violations(story):
            return
    raise AssertionError(f"all stories go well although {mutation}")
