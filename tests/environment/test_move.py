"""The move from App Runner to ECS Express Mode; the oracle is the simulated account, and what its clients get."""

import anyio
import pytest

from slipway.records.outcome import Status
from tests.environment.moves import HOST, Moving, moved_from


@pytest.mark.slow
async def test_a_service_moves_under_traffic_without_a_failed_request_and_is_finished():
    async with moved_from() as there, anyio.create_task_group() as clients:
        clients.start_soon(there.traffic)
        plan = await there.move.plan()
        assert plan.changes[-1].after == "100 %", plan
        outcome = await there.move.forward(there.tell)
        assert (outcome.status, outcome.live) == (Status.SUCCEEDED, there.digest), (outcome, there.told)
        clients.cancel_scope.cancel()
    assert set(there.answers) == {"200"}
    print(there.answers, *there.told, sep="\n")
