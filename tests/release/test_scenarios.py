"""Stories on both targets: in any state, with any fault or kill, exit 0 means that the goal is true, and exit 1 that it is not.

`SLIPWAY_SCENARIOS=2000 pytest tests/release/test_scenarios.py -k generated -s` plays more, and says what they cover.
"""

import os
from collections import Counter
from dataclasses import replace

import pytest

from slipway.settings import TargetKind
from slipway.simulator.faults import Effect
from tests.release.deployers import Kill
from tests.release.oracle import violations
from tests.release.planted import (
    BlindLock,
    ForgetfulWhenTrue,
    NoIntents,
    NoLock,
    NoUnended,
    PauseSettledByOperation,
    PauseTakenForGranted,
    Planted,
    SettledByOperation,
    SettledByState,
    UncheckedLock,
    live_as,
    locked_by,
    migrating_afterwards,
    migrating_regardless,
    paused_as,
    permitting_once,
    unasked,
    unmigrated,
    unprepared,
)
from tests.release.scenarios import (
    Hand,
    Image,
    Loss,
    Migrating,
    Misfortune,
    Outage,
    Scenario,
    Second,
    State,
    Verb,
    possible,
    scenario,
)

pytestmark = pytest.mark.slow

SCENARIOS = int(os.environ.get("SLIPWAY_SCENARIOS", "24"))
PARTS = 6
MANY = 4000
HOUR = 3600

# Each was generated once, and violated a truth.
COUNTEREXAMPLES = {
    "a run that cannot read the live state does not deny that the service can be resumed": Scenario(
        State.RUNNING, Verb.RESUME, misfortunes=(Misfortune("ListServices", Effect.EXPIRED),)
    ),
    "a change whose answer names no operation is looked for": Scenario(
        State.RUNNING,
        image=Image.UNHEALTHY,
        misfortunes=(Misfortune("UpdateService", Effect.MISSING_OPERATION_ID),),
        rest=HOUR,
    ),
    "unusable input after a number was taken is no exit 2": Scenario(State.RUNNING, migrating=Migrating.UNUSABLE),
    "a service whose state cannot be read is not said to be down": Scenario(
        State.RUNNING, Verb.DESTROY, outage=Outage(Loss.PROFILE, 20)
    ),
    "a release whose service has an unknown state is not superseded": Scenario(
        State.RUNNING, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS, 3),)
    ),
    "a goal that is true is not denied because the state is unknown": Scenario(
        State.LIVE_ALREADY, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS),)
    ),
    "a change of another client whose answer is lost is not ours": Scenario(
        State.RUNNING,
        image=Image.UNHEALTHY,
        misfortunes=(Misfortune("PutImage", Effect.OVERTAKEN), Misfortune("UpdateService", Effect.ANSWER_LOST)),
    ),
    "a pause whose service has an unknown state is not superseded": Scenario(
        State.RUNNING, Verb.PAUSE, misfortunes=(Misfortune("DescribeService", Effect.UNKNOWN_STATUS, 3),)
    ),
}


@pytest.mark.parametrize("name", COUNTEREXAMPLES)
async def test_a_story_that_was_a_counterexample_ends_in_the_truth(name):
    assert await violations(COUNTEREXAMPLES[name]) == []


@pytest.mark.parametrize("part", range(PARTS))
async def test_generated_stories_end_in_the_truth(part):
    """`pytest -s` shows each violation at once, and how far it is."""
    wrong, seeds = list[str](), range(part, SCENARIOS, PARTS)
    for played, seed in enumerate(seeds, 1):
        if found := await violations(scenario(seed)):
            wrong.append(f"{seed}: {found} in {scenario(seed)}")
            print(wrong[-1])  # noqa: T201
        if played % 50 == 0:
            print(f"part {part + 1} of {PARTS}: {played} of {len(seeds)} stories, {len(wrong)} violated")  # noqa: T201
    assert wrong == []


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


_LOST = (Misfortune("UpdateService", Effect.ANSWER_LOST),)
_MIGRATED = Misfortune("PutImage", Effect.OVERTAKEN, 1, hand=Hand.MIGRATION)
_CHANGED = Misfortune("PutImage", Effect.OVERTAKEN)
_UNKNOWN_STATUS = Misfortune("ListOperations", Effect.UNKNOWN_STATUS, 3, 9)
_AT_THE_CHANGE = Kill(0, done=True, of="update_service")
_AT_THE_END = Kill(3, done=False, of="put_image")  # after number, lock and operation comes the end
# A planted defect, and a story that finds it.
MUTATIONS = {
    "a service that runs is taken for a success": (
        Planted(goal=live_as(SettledByState)),
        Scenario(State.RUNNING, image=Image.UNHEALTHY),
    ),
    "the live digest is not looked at": (
        Planted(goal=live_as(SettledByOperation)),
        Scenario(State.RUNNING, image=Image.UNHEALTHY),
    ),
    "a lost answer is not looked for": (
        Planted(engine=locked_by(BlindLock)),
        Scenario(State.RUNNING, image=Image.DEAD, misfortunes=_LOST),
    ),
    "the lock is ignored": (
        Planted(ledger=NoLock, engine=locked_by(UncheckedLock)),
        Scenario(State.RUNNING, image=Image.UNHEALTHY, kill=_AT_THE_CHANGE),
    ),
    "an unfinished deployment is not resumed": (
        Planted(ledger=NoIntents),
        Scenario(State.RUNNING, image=Image.UNHEALTHY, kill=_AT_THE_END),
    ),
    "another job of the same release is not joined": (
        Planted(ledger=NoIntents),
        Scenario(
            State.MAINTAINED,
            misfortunes=(Misfortune("PutImage", Effect.THROTTLED),),
            second=Second(0.2, same=True),
        ),
    ),
    "an overtaken deployment is not ended": (
        Planted(ledger=NoUnended),
        Scenario(State.OVERTAKEN),
    ),
    "a rollback does not know an overtaken deployment": (
        Planted(history=NoUnended),
        Scenario(State.OVERTAKEN, Verb.ROLLBACK),
    ),
    "a goal that is true already forgets its unfinished number": (
        Planted(goal=live_as(ForgetfulWhenTrue)),
        Scenario(State.RUNNING, kill=_AT_THE_END, rest=HOUR),
    ),
    "an unfinished rollback is forgotten": (
        Planted(history=NoIntents),
        Scenario(State.RUNNING, Verb.ROLLBACK, kill=_AT_THE_END, rest=HOUR),
    ),
    "permission is asked before the lock only": (
        Planted(engine=permitting_once),
        Scenario(State.RUNNING, Verb.ROLLBACK, misfortunes=(_MIGRATED,), proven=False),
    ),
    "the database is migrated after the change": (
        Planted(engine=migrating_afterwards),
        Scenario(State.RUNNING, migrating=Migrating.WELL),
    ),
    "the database is not migrated": (
        Planted(engine=unmigrated),
        Scenario(State.RUNNING, migrating=Migrating.WELL),
    ),
    "a failed migration does not stop the release": (
        Planted(engine=migrating_regardless),
        Scenario(State.RUNNING, migrating=Migrating.FAILS),
    ),
    "a pause is settled by its operation alone": (
        Planted(goal=paused_as(PauseSettledByOperation)),
        Scenario(State.RUNNING, Verb.PAUSE, misfortunes=(_UNKNOWN_STATUS,)),
    ),
    "a pause is taken for granted": (
        Planted(goal=paused_as(PauseTakenForGranted)),
        Scenario(State.RUNNING, Verb.PAUSE, failing="PAUSE_SERVICE"),
    ),
    "a release that preflight refuses is deployed": (
        Planted(engine=unprepared),
        Scenario(State.RUNNING, image=Image.MISSING),
    ),
    "a connection that is refused ends the run": (
        Planted(is_patient=False),
        Scenario(State.RUNNING, outage=Outage(Loss.NETWORK, 30, 45)),
    ),
    "a release that does not answer is a success": (
        Planted(engine=unasked),
        Scenario(State.RUNNING, image=Image.SILENT),
    ),
    "a release that is live already need not answer": (
        Planted(engine=unasked),
        Scenario(State.LIVE_ALREADY, image=Image.SILENT),
    ),
    "an approved plan is applied to any state": (
        Planted(is_approved=False),
        Scenario(State.RUNNING, Verb.APPROVED, misfortunes=(_CHANGED,)),
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_planted_mutation_is_found(mutation):
    planted, story = MUTATIONS[mutation]
    assert await violations(story) == []
    assert await violations(story, planted), f"no story fails although {mutation}"


# On ECS Express Mode: the same stories, some with what only that platform does.
ELSEWHERE = {
    **{name: (planted, story) for name, (planted, story) in MUTATIONS.items() if story.verb is not Verb.PAUSE},
    "a lost answer is not looked for": (
        Planted(engine=locked_by(BlindLock)),
        Scenario(State.RUNNING, image=Image.DEAD, misfortunes=_LOST, same_deploys=True),
    ),
    "another job of the same release is not joined": (
        Planted(ledger=NoIntents),
        Scenario(
            State.BUSY,
            misfortunes=(Misfortune("PutImage", Effect.THROTTLED),),
            second=Second(0.2, same=True),
        ),
    ),
}


@pytest.mark.parametrize("mutation", ELSEWHERE)
async def test_a_planted_mutation_is_found_on_the_other_target(mutation):
    planted, story = ELSEWHERE[mutation]
    story = replace(story, target=TargetKind.ECS_EXPRESS)
    assert await violations(story) == []
    assert await violations(story, planted), f"no story fails although {mutation}"
