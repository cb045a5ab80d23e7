"""A simulated account with a virtual clock, and the suite's findings in it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from slipway.conformance.account import AwsAccount, Reply
from slipway.conformance.service import ProbeImage
from slipway.conformance.suite import conform
from slipway.local.conformance import in_no_time
from slipway.records.conformance import Conformance
from slipway.simulator.cloud import Cloud
from tests.release.direct import DirectEndpoint
from tests.simulator.account import BRISK


class _Directly(AwsAccount):
    """An account whose calls skip HTTP, three quarters of a run's work; `test_consent` has a run with it."""

    def __init__(self, account: AwsAccount, cloud: Cloud) -> None:
        vars(self).update(vars(account))
        self._endpoint = DirectEndpoint(cloud)

    async def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> Reply:
        try:
            with self.time.held():
                return Reply(await self._endpoint.send(service, xform_name(operation), dict(parameters)))
        except ClientError as error:
            return Reply({}, error.response["Error"]["Code"], error.response["Error"]["Message"])


@pytest.fixture
async def asked() -> AsyncIterator[tuple[AwsAccount, Cloud]]:
    """The account as the suite sees it, and its internals."""
    async with in_no_time(BRISK) as (account, cloud):
        yield _Directly(account, cloud), cloud


@pytest.fixture(scope="module")
async def run() -> AsyncIterator[tuple[Conformance, Cloud]]:
    """One complete run against the simulator, and the account afterwards."""
    async with in_no_time(BRISK) as (account, cloud):
        yield await conform(_Directly(account, cloud), ProbeImage(), lambda _line: None), cloud


@pytest.fixture(scope="module")
async def found(run) -> Conformance:
    return run[0]


@pytest.fixture(scope="module")
async def afterwards(run) -> Cloud:
    return run[1]
