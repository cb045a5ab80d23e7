"""The DELETE_FAILED column, which no caller can reach: its expectations are checked inside the simulator."""

import boto3

from slipway.conformance.account import AwsAccount, PlatformTime
from slipway.conformance.expectations import cells
from slipway.conformance.service import ProbedService, ProbeImage
from slipway.simulator.clock import VirtualClock
from tests.simulator.account import REGION, Account, opened

# The deletion comes last, because it begins an operation.
CELLS = sorted(
    (cell for cell in cells() if cell.state == "DELETE_FAILED"), key=lambda cell: cell.call == "DeleteService"
)


async def undeletable(account: Account) -> ProbedService:
    """Create a service whose deletion has failed."""
    name = f"service-{len(account.cloud.app_runner.services)}"
    arn = await account.create(await account.image(), name=name)
    account.cloud.app_runner.services[arn].failing.add("DELETE_SERVICE")
    await account.ask("apprunner", "delete_service", ServiceArn=arn)
    assert (await account.settled(arn))["Status"] == "DELETE_FAILED"
    clock = account.cloud.clock
    session = boto3.session.Session("simulated", "secret", region_name=REGION)
    time = PlatformTime(clock.now, clock.sleep, clock.held)
    service = ProbedService(AwsAccount(session, REGION, time, account.cloud.url), ProbeImage(), "", "")
    service.arn = arn
    return service


async def test_every_call_on_a_service_whose_deletion_has_failed():
    async with opened(clock=VirtualClock()) as account:
        service = await undeletable(account)
        assert {cell.call: await service.outcome(cell.call) for cell in CELLS} == {
            cell.call: cell.expected for cell in CELLS
        }
