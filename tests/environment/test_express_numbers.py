"""The time and the calls that commands on ECS Express Mode cost beside the platform's own, in virtual time; a call takes none."""

from dataclasses import replace
from datetime import datetime

import anyio
import pytest

from slipway.environment.environment import abort
from slipway.records.outcome import Status
from slipway.release.targets.ecs_express.following import POLL_SECONDS
from slipway.simulator.ecs.express.rollout import Pace
from tests.environment.express import BRISK, Run, Staging, staging

pytestmark = pytest.mark.slow


async def deployed(there: Staging) -> Run:
    return await there.run(there.environment.deploy(await there.account.image(), there.tell))


async def test_a_run_ends_five_seconds_after_its_deployment_at_most():
    """Whenever that ends between two looks."""
    async with staging() as there:
        await deployed(there)
        for step in range(9):  # four looks are one round
            there.service.pace = replace(BRISK, clean_up=5 + step * 4 * POLL_SECONDS / 9)
            done = await deployed(there)
            deployment = there.service.deployments[-1]
            assert done.outcome.status is Status.SUCCEEDED
            assert done.outcome.seconds - (deployment.finished - deployment.created).total_seconds() <= 5


async def test_a_healthy_task_gets_traffic_soon_and_is_followed_by_a_call_in_three_seconds_at_most():
    async with staging() as there:
        await deployed(there)
        there.service.pace = Pace()
        shifted: list[datetime] = []

        async def watch() -> None:
            await there.until("PRODUCTION_TRAFFIC_SHIFT")
            shifted.append(there.account.cloud.clock.now())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            done = await deployed(there)
        deployment, started = (
            there.service.deployments[-1],
            max(task.started for task in there.account.cloud.ecs.tasks.values()),
        )
        assert 0 < (shifted[0] - started).total_seconds() <= 40  # 150 with the platform's own checks
        following = [name for name in done.requests if name in ("DescribeServiceDeployments", "DescribeServices")]
        assert len(following) <= (deployment.finished - deployment.created).total_seconds() / 3


async def test_an_abort_leaves_the_old_release_alone_within_ten_seconds_of_the_platforms_yes():
    async with staging() as there:
        await deployed(there)
        there.service.pace, clock, ended = Pace(), there.account.cloud.clock, list[Run]()

        async def take_back() -> None:
            ended.append(await there.run(abort(there.environment, there.tell)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(deployed, there)
            deployment = await there.until("PRODUCTION_TRAFFIC_SHIFT")
            tasks.start_soon(take_back)
            while deployment.status != "ROLLBACK_REQUESTED":
                await clock.sleep(0.5)
            asked = clock.now()
            while there.service.gateway.weight(deployment.target.group) or deployment.target.fleet:
                await clock.sleep(0.5)
            assert (clock.now() - asked).total_seconds() <= 10
        (done,) = ended
        assert done.outcome.seconds - (deployment.finished - asked).total_seconds() <= 5
