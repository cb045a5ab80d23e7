"""The order of the acts, while clients request production."""

from typing import TypeVar

import anyio

from slipway.records.progress import Progress
from slipway.records.rehearsal import Act, Rehearsal
from slipway.rehearsal.acts import before, promoted, refused, rolled_back
from slipway.rehearsal.clients import Clients, act_of_clients
from slipway.rehearsal.failing_canary import failing_canary
from slipway.rehearsal.from_nothing import from_nothing
from slipway.rehearsal.moved import moved
from slipway.rehearsal.scene import Scene, Story
from slipway.rehearsal.stage import Candidate, Stage

C = TypeVar("C", bound=Candidate)
# After the first two. Each gets the image that act I has left in production, None if that failed, and returns None when it is left out.
_LATER = (refused, rolled_back, failing_canary, moved)


async def play(story: Story[C], stage: Stage[C], progress: Progress) -> Rehearsal:
    """Play every act for which the story has a release; raises SlipwayError."""
    account = stage.account
    clients = Clients(account.environment("production").smoke_paths, account.cloud.clock)
    scene = Scene(stage=stage, story=story, clients=clients, progress=progress)
    played: list[Act] = []
    production_open = anyio.Event()
    if first := await from_nothing(scene):
        played.append(first)

    async def open_production() -> None:
        """Deploy the release before this one, beside the first act's build and proof, and start the clients."""
        prologue = await before(scene)
        played.append(prologue)
        if prologue.passed:
            production = account.environment("production")
            address = production.address_of((await production.status()).url)
            await clients.check(address)
            clients.start(address, tasks)
            progress.note(f"meanwhile production: {prologue.happened}, the release before this one; clients start")
        production_open.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_production)
        act, image = await promoted(scene, production_open)
        played.append(act)
        await clients.served()
        for perform in _LATER:
            if later := await perform(scene, image if act.passed else None):
                played.append(later)
                await clients.served()
        tasks.cancel_scope.cancel()
    traffic = clients.traffic()
    if traffic.requests:
        played.append(act_of_clients(traffic))
    played.sort(key=lambda act: act.name not in ("0", "before"))  # the second may end after an act that failed early
    return Rehearsal(
        service=account.settings.name,
        revision=story.release.revision,
        postgres=stage.postgres,
        acts=tuple(played),
        traffic=traffic,
    )
