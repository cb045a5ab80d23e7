"""A simulated account with a virtual clock, and the suite's findings in it."""

from collections.abc import AsyncIterator

import pytest

from slipway.conformance.account import AwsAccount
from slipway.conformance.service import ProbeImage
from slipway.conformance.suite import conform
from slipway.local.conformance import in_no_time
from slipway.records.conformance import Conformance
from slipway.simulator.cloud import Cloud
from tests.simulator.account import BRISK


@pytest.fixture
async def asked() -> AsyncIterator[tuple[AwsAccount, Cloud]]:
    """The account as the suite sees it, and its internals."""
    async with in_no_time(BRISK) as both:
        yield both


@pytest.fixture(scope="module")
async def run() -> AsyncIterator[tuple[Conformance, Cloud]]:
    """One complete run against the simulator, and the account afterwards."""
    async with in_no_time(BRISK) as (account, cloud):
        yield await conform(account, ProbeImage(), lambda _line: None), cloud


@pytest.fixture(scope="module")
async def found(run) -> Conformance:
    return run[0]


@pytest.fixture(scope="module")
async def afterwards(run) -> Cloud:
    return run[1]
