"""Shifts of traffic in virtual time: generated stories of errors, lost calls, other clients, kills and a command that goes back."""

import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from slipway.errors import RefusedError, UnknownOutcomeError
from slipway.records.outcome import Status
from slipway.release.engine.target import Time
from slipway.release.errors import BusyError
from slipway.release.move.shift import STEPS, WATCH_SECONDS, Shift

STORIES = int(os.environ.get("SLIPWAY_SHIFTS", "1000"))
BEGIN = datetime(2026, 11, 29, tzinfo=UTC)


class KilledError(BaseException):
    """The end of a process."""


@dataclass
class World:
    """Weights, a clock, and the story's events; `log` has each share of the new side with its time."""

    chance: random.Random
    percent: int = 0
    seconds: float = 0.0
    sick_at: float | None = None  # from then on the new side has errors
    back_at: float | None = None  # a person goes back then
    calls: int = 0
    dies_at: int | None = None
    faults: float = 0.0  # the share of calls that fail
    went_back: bool = False
    log: list[tuple[float, int]] = field(default_factory=list)

    def shift(self, *, back: bool = False) -> Shift:
        async def is_newest() -> bool:
            self._called()
            return back or not self.went_back

        async def problem(_since: float) -> str:
            self._called()
            return "5xx" if self.sick_at is not None and self.seconds >= self.sick_at and self.percent else ""

        async def parted() -> str:
            self._called()
            return ""

        time = Time(lambda: BEGIN + timedelta(seconds=self.seconds), self._sleep)
        return Shift(
            traffic=Weights(self), time=time, tell=lambda _: None, is_newest=is_newest, parted=parted, problem=problem
        )

    def weigh(self, percent: int) -> None:
        self.percent = percent
        self.log.append((self.seconds, percent))

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.back_at is not None and not self.went_back and self.seconds >= self.back_at:
            self.went_back = True
            self.weigh(0)

    def _called(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise KilledError
        if self.chance.random() < self.faults:
            raise self.chance.choice([RefusedError("denied", "grant it"), UnknownOutcomeError("lost", "again")])


@dataclass
class Weights:
    world: World

    async def percent(self) -> int:
        self.world._called()
        return self.world.percent

    async def put(self, percent: int) -> None:
        if self.world.chance.random() < self.world.faults:
            raise BusyError("changed meanwhile", "again")
        if self.world.percent != percent:
            self.world.weigh(percent)
        self.world._called()  # the weights are changed, and the answer may be lost


def told(seed: int) -> World:
    chance = random.Random(seed)
    return World(
        chance=chance,
        percent=chance.choice([0, 0, 10, 30, 50, 100]),
        sick_at=chance.choice([None, None, chance.uniform(0, 600)]),
        back_at=chance.choice([None, None, chance.uniform(0, 600)]),
        dies_at=chance.choice([None, chance.randrange(1, 60)]),
        faults=chance.choice([0, 0, 0.02, 0.2]),
    )


async def test_every_story_of_a_shift_ends_in_the_truth():
    for seed in range(STORIES):
        world = told(seed)
        try:
            end = await world.shift().forward()
        except KilledError:
            world.faults, world.dies_at = 0.0, None
            end = await world.shift().forward()
        truth = {
            Status.SUCCEEDED: world.percent == 100 and not world.went_back,
            Status.ROLLED_BACK: world.percent == 0,
            Status.SUPERSEDED: world.went_back and world.percent == 0,
            Status.UNKNOWN: True,
        }
        assert truth[end.status], (seed, end, world)
        assert (end.status is Status.SUCCEEDED) or end.cause, (seed, end)
        is_sick = world.sick_at is not None and world.seconds > world.sick_at + WATCH_SECONDS
        assert not (is_sick and end.status is Status.SUCCEEDED), (seed, end, world)
        if end.status is Status.UNKNOWN:
            world.faults, world.dies_at = 0.0, None
            assert (await world.shift(back=True).back()).status is Status.SUCCEEDED
            assert world.percent == 0


async def test_each_step_is_watched_and_one_by_hand_is_continued():
    world = World(chance=random.Random(0))
    assert (await world.shift().forward()).status is Status.SUCCEEDED
    assert [percent for _, percent in world.log] == [*STEPS[1:]]
    steps = [after - before for (before, _), (after, _) in zip(world.log, world.log[1:], strict=False)]
    assert steps == [WATCH_SECONDS, WATCH_SECONDS]
    assert world.seconds - world.log[-1][0] == WATCH_SECONDS

    world = World(chance=random.Random(0), percent=30)
    await world.shift().forward()
    assert [percent for _, percent in world.log] == [50, 100]
