"""The play: the acts follow each other on a stage, and clients ask production all the while."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from slipway.records.rehearsal import Act, Rehearsal, Traffic
from slipway.settings import Settings
from slipway.rehearsal.acts import Players
from slipway.rehearsal.stage import SPEED, Release, Stage
from slipway.rehearsal.traffic import Clients
from slipway.records.progress import Progress

R = TypeVar("R", bound=Release)

_LEAST_RATE = 50.0


@dataclass(frozen=True)
class Story(Generic[R]):
    """The releases; without a bad one its act is left out."""

    before: R
    release: R
    refused: R | None
    rolled_back: R | None


async def play(story: Story[R], stage: Stage[R], voice: Progress) -> Rehearsal:
    """Play every act for which the story has a release; raises SlipwayError."""
    async with anyio.create_task_group() as tasks:
        performance = _Performance(story, stage, voice)
        tasks.start_soon(performance.before, tasks)
        await performance.acts_in_order()
        tasks.cancel_scope.cancel()
    return performance.remembered()


class _Performance(Generic[R]):
    """What has been played so far."""

    def __init__(self, story: Story[R], stage: Stage[R], voice: Progress) -> None:
        self._story = story
        self._stage = stage
        self._players = Players(stage, voice)
        self._clients = Clients(_paths(stage.account.settings))
        self._open = anyio.Event()
        self._prologue: list[Act] = []
        self._acts: list[Act] = []

    async def before(self, tasks: TaskGroup) -> None:
        """Bring production to life while the first act begins, and let the clients in."""
        act = await self._players.prologue(self._story.before)
        self._prologue.append(act)
        if act.passed:
            production = self._stage.account.environment("production")
            self._clients.ask(production.address(await production.status()), tasks)
        self._open.set()

    async def acts_in_order(self) -> None:
        act, live = await self._players.promoted(self._story.release, self._open)
        self._acts.append(act)
        if self._story.refused:
            self._acts.append(await self._players.refused(self._story.refused))
        if self._story.rolled_back and act.passed:
            self._acts.append(await self._players.rolled_back(self._story.rolled_back, live))
        if self._prologue and self._prologue[0].passed:
            self._acts.append(_of_clients(self._clients.seen()))

    def remembered(self) -> Rehearsal:
        acts = (*self._prologue, *self._acts)
        name, revision = self._stage.account.settings.name, self._story.release.revision
        return Rehearsal(service=name, revision=revision, postgres=self._stage.postgres, speed=SPEED, acts=acts, traffic=self._clients.seen())


def _paths(settings: Settings) -> tuple[str, ...]:
    return settings.smoke_paths or ((settings.health_path,) if settings.health_path else ())


def _of_clients(traffic: Traffic) -> Act:
    """The clients' part, which runs through all the acts."""
    counted = f"{traffic.requests} requests, {traffic.failed} failed, {traffic.rate:.0f} a second"
    return Act(
        name="clients",
        title="all the while clients ask production, on new and on kept connections",
        happened=f"{counted}, longest gap {traffic.longest_gap * 1000:.0f} ms",
        how="HTTP clients",
        passed=traffic.failed == 0 and traffic.rate >= _LEAST_RATE,
        seconds=traffic.seconds,
        details=traffic.failures,
    )
