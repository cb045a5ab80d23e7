"""The order of the acts, while clients request production."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from slipway.records.progress import Progress
from slipway.records.rehearsal import Act, Rehearsal, Traffic
from slipway.rehearsal.acts import Acts
from slipway.rehearsal.stage import Candidate, Stage
from slipway.rehearsal.traffic import Clients
from slipway.settings import Settings

C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True)
class Story(Generic[C]):
    """The releases of the acts; without a bad release its act is left out."""

    before: C
    release: C
    refused: C | None
    rolled_back: C | None


async def play(story: Story[C], stage: Stage[C], progress: Progress) -> Rehearsal:
    """Play every act for which the story has a release; raises SlipwayError."""
    acts, clients = Acts(stage, progress), Clients(_paths(stage.account.settings))
    played: list[Act] = []
    production_open = anyio.Event()

    async def open_production() -> None:
        """Deploy the release before this one, beside the first act's build and proof, and start the clients."""
        prologue = await acts.prologue(story.before)
        played.append(prologue)
        if prologue.passed:
            production = stage.account.environment("production")
            clients.start(production.address(await production.status()), tasks)
        production_open.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_production)
        act, live = await acts.promoted(story.release, production_open)
        played.append(act)
        await clients.served()
        if story.refused:
            played.append(await acts.refused(story.refused))
            await clients.served()
        if story.rolled_back and act.passed:
            played.append(await acts.rolled_back(story.rolled_back, live))
            await clients.served()
        tasks.cancel_scope.cancel()
    traffic = clients.traffic()
    if traffic.requests:
        played.append(act_of_clients(traffic))
    played.sort(key=lambda act: act.name != "before")  # it may end after an act that failed early
    return Rehearsal(
        service=stage.account.settings.name,
        revision=story.release.revision,
        postgres=stage.postgres,
        acts=tuple(played),
        traffic=traffic,
    )


def _paths(settings: Settings) -> tuple[str, ...]:
    return settings.smoke_paths or ((settings.health_path,) if settings.health_path else ())


def act_of_clients(traffic: Traffic) -> Act:
    """Judge by failures alone: every client was served in every act, and how fast depends on the machine."""
    counted = f"{traffic.requests} requests, {traffic.failed} failed, {traffic.rate:.0f} per second"
    return Act(
        name="clients",
        title="clients request production during all acts, on new and on kept connections",
        happened=f"{counted}, longest gap {traffic.longest_gap * 1000:.0f} ms",
        how="HTTP clients",
        passed=traffic.failed == 0,
        seconds=traffic.seconds,
        details=traffic.failures,
    )
