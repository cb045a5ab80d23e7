"""Slipway as a caller of its own, so that an account applies a policy to it and not to the tests."""

from collections.abc import Awaitable
from typing import Any

from botocore.exceptions import ClientError

from slipway.release.aws.client import Aws
from slipway.release.errors import AwsRefusedError
from slipway.simulator.authorization import Guard
from tests.release.direct import DirectEndpoint
from tests.simulator.account import REGION, Account

_KEY = "simulated"  # which signs its requests; those of the tests have another


class PolicedAws(Aws):
    """A client of a simulated account without HTTP; its clock is held during a call."""

    def __init__(self, account: Account) -> None:
        super().__init__(REGION, account.cloud.url, sleep=account.cloud.clock.sleep)
        self._clock = account.cloud.clock
        self._endpoint = DirectEndpoint(account.cloud, _KEY)

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        try:
            with self._clock.held():
                return await self._endpoint.send(service, operation, parameters)
        except ClientError as error:
            raise AwsRefusedError(service, operation, dict(error.response.get("Error", {}))) from error


def hold(account: Account, policy: Any) -> None:
    """Allow slipway exactly what a policy allows."""
    account.cloud.guard.policies[_KEY] = policy


async def freely(guard: Guard, act: Awaitable[Any]) -> None:
    """Await something with all policies lifted."""
    policies = dict(guard.policies)
    guard.policies.clear()
    await act
    guard.policies.update(policies)
