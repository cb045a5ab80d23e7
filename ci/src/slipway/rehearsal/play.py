"""The order of the acts, while clients request production. The first act that fails ends the rehearsal."""

from typing import TypeVar

import anyio

from slipway.errors import within
from slipway.records.progress import Progress
from slipway.records.rehearsal import Rehearsal
from slipway.rehearsal.acts import before, promoted, refused, rolled_back, start
from slipway.rehearsal.clients import Clients, act_of_clients
from slipway.rehearsal.failing_canary import failing_canary
from slipway.rehearsal.from_nothing import from_nothing
from slipway.rehearsal.moved import moved
from slipway.rehearsal.scene import Scene, Story
from slipway.rehearsal.stage import Candidate, Stage

C = TypeVar("C", bound=Candidate)
# The acts after act I. Each gets the image that act I left in production, and returns None when it is left out.
_LATER = (refused, rolled_back, failing_canary, moved)


async def play(story: Story[C], stage: Stage[C], progress: Progress) -> Rehearsal:
    """Play the acts for which the story has a release, until one fails or raises an error."""
    account = stage.account
    clients = Clients(account.environment("production").smoke_paths, account.cloud.clock)
    scene = Scene(stage=stage, story=story, clients=clients, progress=progress)
    for sentence in account.stand_ins:
        progress.note(sentence)
    try:
        await _acts(scene)
    except Exception as error:
        if within(error) is None or all(act.result is None or act.result.passed for act in scene.begun):
            raise
    traffic = clients.traffic()
    return Rehearsal(
        service=account.settings.name,
        revision=story.release.revision,
        postgres=stage.postgres,
        stand_ins=account.stand_ins,
        acts=(
            *(act.result for act in scene.begun if act.result),
            *([act_of_clients(traffic)] if traffic.requests else []),
        ),
        traffic=traffic,
    )


async def _acts(scene: Scene[C]) -> None:
    if (image := await start(scene)) is None:
        return
    if (first := await from_nothing(scene)) and not first.passed:
        return
    if (address := await before(scene)) is None:
        return
    async with anyio.create_task_group() as tasks:
        scene.clients.start(address, tasks)
        act = await promoted(scene, image)
        for perform in _LATER:
            await scene.clients.served()
            if not act.passed:
                break
            act = await perform(scene, image) or act
        await scene.clients.served()
        tasks.cancel_scope.cancel()
