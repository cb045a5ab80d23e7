"""The column of the state table that nobody brings about from outside: what the suite expects of it is held from within the simulator."""

from collections.abc import AsyncIterator

import boto3
import pytest

from slipway.conformance.account import Account as Asked
from slipway.conformance.account import Time
from slipway.conformance.expectations import cells
from slipway.conformance.service import Image, Service
from slipway.simulator.clock import VirtualClock
from tests.simulator.account import REGION, Account, opened

CELLS = [cell for cell in cells() if cell.state == "DELETE_FAILED"]


@pytest.fixture(scope="module")
async def account() -> AsyncIterator[Account]:
    async with opened(clock=VirtualClock()) as account:
        yield account


async def undeletable(account: Account) -> Service:
    """A service whose deletion has failed."""
    name = f"service-{len(account.cloud.app_runner.services)}"
    arn = await account.create(await account.image(), name=name)
    account.cloud.app_runner.services[arn].failing.add("DELETE_SERVICE")
    await account.ask("apprunner", "delete_service", ServiceArn=arn)
    assert (await account.settled(arn))["Status"] == "DELETE_FAILED"
    clock = account.cloud.clock
    session = boto3.session.Session("AKIATEST", "secret", region_name=REGION)
    service = Service(
        Asked(session, REGION, Time(clock.now, clock.sleep, clock.held), account.cloud.url), Image(), "", ""
    )
    service.arn = arn
    return service


@pytest.mark.parametrize("cell", CELLS, ids=[cell.call for cell in CELLS])
async def test_every_call_on_a_service_whose_deletion_has_failed(account, cell):
    service = await undeletable(account)
    assert await service.told(cell.call) == cell.expected
