"""Whatever is there, whatever goes wrong and whoever dies: exit 0 means that it is as somebody wanted it, and exit 1 that it is not.

`SLIPWAY_SCENARIOS=2000 pytest tests/release/test_scenarios.py -k generated -s` plays more, and says what they cover.
"""

import os
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from slipway.errors import SlipwayError
from slipway.records.outcome import Status
from slipway.release.engine import goal, recorded
from slipway.release.engine import run as deploy
from slipway.release.engine.ledger import Ledger
from slipway.release.engine.lock import DeployLock
from slipway.release.engine.settle import OperationStatus
from slipway.release.preflight import preflight
from slipway.simulator.faults import Effect
from tests.release.deployers import Kill
from tests.release.oracle import violations
from tests.release.scenarios import (
    Hand,
    Image,
    Migrating,
    Misfortune,
    Scenario,
    State,
    Verb,
    possible,
    scenario,
)

SCENARIOS = int(os.environ.get("SLIPWAY_SCENARIOS", "60"))
PARTS = 6
MANY = 2000
HOUR = 3600

# Each was generated once, and had something in it that was not true.
COUNTEREXAMPLES = {
    "who cannot look does not say that nothing can be woken": Scenario(
        State.RUNNING, Verb.RESUME, misfortunes=(Misfortune("ListServices", Effect.EXPIRED),)
    ),
    "a change whose answer names no operation is looked for": Scenario(
        State.RUNNING,
        image=Image.UNHEALTHY,
        misfortunes=(Misfortune("UpdateService", Effect.MISSING_OPERATION_ID),),
        rest=HOUR,
    ),
    "a release whose service is in a state that nobody knows is not said to be superseded": Scenario(
        State.RUNNING, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS, 3),)
    ),
    "what is so already is not denied because its state is one that nobody knows": Scenario(
        State.LIVE_ALREADY, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS),)
    ),
    "a pause whose service is in a state that nobody knows is not said to be superseded": Scenario(
        State.RUNNING, Verb.PAUSE, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS, 3),)
    ),
}


@pytest.mark.parametrize("name", COUNTEREXAMPLES)
async def test_a_story_that_was_a_counterexample_ends_in_the_truth(name):
    assert await violations(COUNTEREXAMPLES[name]) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
async def test_generated_stories_end_in_the_truth(part):
    for seed in range(part, SCENARIOS, PARTS):
        story = scenario(seed)
        assert await violations(story) == [], f"{seed}: {story}"


def test_generated_stories_have_every_state_fault_and_verb_together():
    """`pytest -s` shows how many of them meet."""
    cells = Counter(cell for seed in range(SCENARIOS) for cell in scenario(seed).cells())
    every = possible()
    for place, kind in enumerate(("states", "faults", "verbs")):
        times = Counter(cell[place] for cell in cells.elements())
        print(f"{kind}: {', '.join(f'{name} {found}' for name, found in times.most_common())}")  # noqa: T201
    print(f"{SCENARIOS} stories, {len(cells)} of {len(every)} cells of state, fault and verb")  # noqa: T201
    many = {cell for seed in range(MANY) for cell in scenario(seed).cells()}
    assert many <= every
    assert len(many) > 0.7 * len(every)
    for left, right in ((0, 2), (1, 2)):
        assert {(cell[left], cell[right]) for cell in many} == {(cell[left], cell[right]) for cell in every}


async def _no_lock(self, _lock):
    return True


async def _nothing(*_, **__):
    return None


def _by_status(_ended, *, creating, live, desired):
    return Status.SUCCEEDED if live else Status.CREATE_FAILED


def _by_operation(ended, *, creating, live, desired):
    return (
        Status.SUCCEEDED if ended in (OperationStatus.SUCCEEDED, OperationStatus.ROLLED_BACK) else Status.CREATE_FAILED
    )


def _state_by_operation(ended, *, reached):
    return Status.SUCCEEDED if ended is OperationStatus.SUCCEEDED else Status.FAILED


def _state_by_hope(_ended, *, reached):
    return Status.SUCCEEDED


_ENGINE = deploy._Run
_init, _apply, _migrate = _ENGINE.__init__, _ENGINE._apply, _ENGINE._migrate


def _asked_once(self, engine, goal, approved):
    asked = []

    async def permit(observed):
        if not asked:
            asked.append(observed)
            await engine.permit(observed)

    _init(self, replace(engine, permit=permit), goal, approved)


async def _migrates_afterwards(self, plan, observed, turn):
    operation = await _apply(self, plan, observed, turn)
    await _migrate(self, 9)
    return operation


async def _migrates_anyway(self, number):
    with_it = self._engine.migrate
    if with_it is None:
        return
    with suppress(SlipwayError):
        await _migrate(self, number)


_LOST = (Misfortune("UpdateService", Effect.ANSWER_LOST),)
_MIGRATED = Misfortune("PutImage", Effect.OVERTAKEN, 1, hand=Hand.MIGRATION)
_CHANGED = Misfortune("PutImage", Effect.OVERTAKEN)
_UNHEARD_OF = Misfortune("ListOperations", Effect.UNKNOWN_STATUS, 2, 9)
_AT_THE_CHANGE = Kill(0, done=True, of="update_service")
_AT_THE_END = Kill(3, done=False, of="put_image")  # after number, lock and operation comes the end
# What is planted, and a story that finds it.
MUTATIONS = {
    "what is RUNNING is taken for a success": (
        [(goal, "settle", _by_status)],
        Scenario(State.RUNNING, image=Image.UNHEALTHY),
    ),
    "the live digest is not looked at": (
        [(goal, "settle", _by_operation)],
        Scenario(State.RUNNING, image=Image.UNHEALTHY),
    ),
    "a lost answer is not looked for": (
        [(DeployLock, "begun", _nothing)],
        Scenario(State.RUNNING, image=Image.DEAD, misfortunes=_LOST),
    ),
    "the lock is ignored": (
        [(Ledger, "take_turn", _no_lock), (DeployLock, "check", _nothing)],
        Scenario(State.RUNNING, image=Image.UNHEALTHY, kill=_AT_THE_CHANGE),
    ),
    "an unfinished deployment is not gone on with": (
        [(_ENGINE, "_unfinished", _nothing)],
        Scenario(State.RUNNING, image=Image.UNHEALTHY, kill=_AT_THE_END),
    ),
    "what is so already forgets the number that has not ended": (
        [(_ENGINE, "_own_unfinished", _nothing)],
        Scenario(State.RUNNING, kill=_AT_THE_END, rest=HOUR),
    ),
    "a rollback that was begun is forgotten": (
        [(recorded, "begun", lambda _intent: False)],
        Scenario(State.RUNNING, Verb.ROLLBACK, kill=_AT_THE_END, rest=HOUR),
    ),
    "whether it may be is asked before one's turn only": (
        [(_ENGINE, "__init__", _asked_once)],
        Scenario(State.RUNNING, Verb.ROLLBACK, misfortunes=(_MIGRATED,), proven=False),
    ),
    "the database is migrated after the change": (
        [(_ENGINE, "_apply", _migrates_afterwards), (_ENGINE, "_migrate", _nothing)],
        Scenario(State.RUNNING, migrating=Migrating.WELL),
    ),
    "the database is not migrated": (
        [(_ENGINE, "_migrate", _nothing)],
        Scenario(State.RUNNING, migrating=Migrating.WELL),
    ),
    "a migration that failed is no reason to stop": (
        [(_ENGINE, "_migrate", _migrates_anyway)],
        Scenario(State.RUNNING, migrating=Migrating.FAILS),
    ),
    "a pause is told by its operation alone": (
        [(goal, "settle_state", _state_by_operation)],
        Scenario(State.RUNNING, Verb.PAUSE, misfortunes=(_UNHEARD_OF,)),
    ),
    "a pause is told by hope": (
        [(goal, "settle_state", _state_by_hope)],
        Scenario(State.RUNNING, Verb.PAUSE, failing="PAUSE_SERVICE"),
    ),
    "what preflight refuses is deployed": (
        [(preflight, "refuse", lambda _found: None)],
        Scenario(State.RUNNING, image=Image.MISSING),
    ),
    "a plan is good for every state": (
        [(deploy, "check_still_true", lambda *_: None)],
        Scenario(State.RUNNING, Verb.APPROVED, misfortunes=(_CHANGED,)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_planted_mutation_is_found(mutation, monkeypatch):
    planted, story = MUTATIONS[mutation]
    assert await violations(story) == []
    for place, name, mutant in planted:
        monkeypatch.setattr(place, name, mutant)
    assert await violations(story), f"all goes well although {mutation}"
