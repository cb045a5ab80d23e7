"""The mistakes that other tools make with ECS Express Mode, planted into the target: each is caught by the story that names it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from slipway.records.outcome import Status
from slipway.release.engine.target import OperationStatus
from slipway.release.targets.ecs_express import spec, target
from slipway.release.targets.ecs_express.api import ExpressApi
from slipway.release.targets.ecs_express.deployment import STATES, DeploymentState
from slipway.release.targets.ecs_express.target import ExpressTarget
from tests.release.express import How
from tests.release.platforms import OnExpress, on_express, run

Story = Callable[[OnExpress], Awaitable[None]]


async def rolled_back(there: OnExpress) -> None:
    """A release that the platform took back ends as such."""
    ended = await run(there, there.released(How.ALARMED_AT_FIRST))
    assert (ended.code, ended.outcome.status) == (1, Status.ROLLED_BACK)


async def alone(there: OnExpress) -> None:
    """When a release is called live, the service shows no other active one."""
    ended = await run(there, there.released(How.HEALTHY))
    assert ended.outcome.status is Status.SUCCEEDED
    assert len(shown(there)["activeConfigurations"]) == 1


async def overtaken(there: OnExpress) -> None:
    """The recorded operation is the one that brought this release, however soon another client deploys."""
    wanted, theirs = there.released(How.HEALTHY), there.released(How.HEALTHY)
    engine, _ = there.engine(lambda _event: None)
    once = engine.target._api.aws.once

    async def meddled(service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        answer = await once(service, operation, **parameters)
        if operation == "update_express_gateway_service":
            await there.update_by_hand(theirs)
        return answer

    engine.target._api.aws.once = meddled
    ended = await run(there, wanted, target=engine.target)
    deployments = {each.arn: each for each in there.express.services[-1].deployments}
    assert deployments[ended.outcome.operation].target.digest == wanted.image.digest


async def unchanged(there: OnExpress) -> None:
    """The same release again sends nothing and waits for nothing; the order of variables is no change."""
    live = there.released(How.HEALTHY, variables={"B": "2", "A": "1"})
    await run(there, live)
    updates, began = len(there.express.services[-1].deployments), there.clock.now()
    ended = await run(there, live)
    assert (ended.outcome.status, len(there.express.services[-1].deployments)) == (Status.NOOP, updates)
    assert (there.clock.now() - began).total_seconds() < 60


def shown(there: OnExpress) -> dict[str, Any]:
    arn = {"serviceArn": there.express.services[-1].arn}
    service: dict[str, Any] = there.express.ask("describe_express_gateway_service", arn)["service"]
    return service


def rollback_for_success(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(STATES, "ROLLBACK_SUCCESSFUL", DeploymentState(OperationStatus.SUCCEEDED))


def first_active_alone(patch: pytest.MonkeyPatch) -> None:
    described = ExpressApi.service

    async def service(api: ExpressApi, *include: str) -> Any:
        found = await described(api, *include)
        return found and {**found, "activeConfigurations": found["activeConfigurations"][:1]}

    patch.setattr(ExpressApi, "service", service)


def newest_since(patch: pytest.MonkeyPatch) -> None:
    async def begun(there: ExpressTarget, _revision: str) -> Any:
        return await there.newest()

    patch.setattr(ExpressTarget, "_begun", begun)


def sorted_for_drift(patch: pytest.MonkeyPatch) -> None:
    fields = spec.fields_of

    def fields_of(configuration: Any, **parts: Any) -> dict[str, str]:
        names = [each["name"] for each in configuration["primaryContainer"]["environment"]]
        return fields(configuration, **parts) | {"variables": ", ".join(names)}

    patch.setattr(target, "fields_of", fields_of)


def always_sent(patch: pytest.MonkeyPatch) -> None:
    """The update without a change is sent, and a deployment of it waited for."""
    fields = spec.fields_of
    patch.setattr(target, "fields_of", lambda *there, **parts: fields(*there, **parts) | {"image": ""})


STORIES = (rolled_back, alone, overtaken, unchanged)
PLANTED = {
    rollback_for_success: rolled_back,
    first_active_alone: alone,
    newest_since: overtaken,
    sorted_for_drift: unchanged,
    always_sent: unchanged,
}


async def play(story: Story) -> None:
    async with on_express() as there:
        await there.create_by_hand(there.released(How.HEALTHY))
        await story(there)


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES, ids=[story.__name__ for story in STORIES])
async def test_each_story_is_true_of_the_target(story):
    await play(story)


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED, ids=[planted.__name__ for planted in PLANTED])
async def test_each_planted_mistake_is_caught_by_its_story(planted, monkeypatch):
    planted(monkeypatch)
    with pytest.raises(BaseExceptionGroup) as caught:
        await play(PLANTED[planted])
    assert caught.group_contains(AssertionError)
