"""The order of the acts, while clients request production."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio

from slipway.records.progress import Progress
from slipway.records.rehearsal import Act, Rehearsal
from slipway.rehearsal.acts import Acts
from slipway.rehearsal.clients import Clients, act_of_clients
from slipway.rehearsal.stage import Candidate, Stage

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
    acts, clients = Acts(stage, progress), Clients(stage.account.environment("production").smoke_paths)
    played: list[Act] = []
    production_open = anyio.Event()

    async def open_production() -> None:
        """Deploy the release before this one, beside the first act's build and proof, and start the clients."""
        prologue = await acts.prologue(story.before)
        played.append(prologue)
        if prologue.passed:
            production = stage.account.environment("production")
            address = production.address(await production.status())
            await clients.check(address)
            clients.start(address, tasks)
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
