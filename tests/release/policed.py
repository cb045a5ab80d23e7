"""Slipway with keys of its own, by which an account tells it from the tests and holds it to a policy."""

import threading
from collections.abc import Awaitable
from typing import Any

import boto3
from botocore.config import Config

from slipway.release.aws.client import Aws
from slipway.simulator.authorization import Guard
from tests.simulator.account import REGION, Account

_KEY = "AKIASLIPWAY"
_session = boto3.session.Session(_KEY, "secret", region_name=REGION)
_making = threading.Lock()  # a session is for one thread at a time


class PolicedAws(Aws):
    """Time stands still while a call is under way."""

    def __init__(self, account: Account) -> None:
        super().__init__(REGION, account.cloud.url, sleep=account.cloud.clock.sleep)
        self._clock = account.cloud.clock

    async def once(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        with self._clock.held():
            return await super().once(service, operation, **parameters)

    def _client(self, service: str) -> Any:
        with _making:
            if service not in self._clients:
                config = Config(retries={"total_max_attempts": 1})
                self._clients[service] = _session.client(service, endpoint_url=self.endpoint_url, config=config)
            return self._clients[service]


def hold(account: Account, policy: Any) -> None:
    """Let slipway do what a policy says, and nothing else."""
    account.cloud.guard.policies[_KEY] = policy


async def freely(guard: Guard, act: Awaitable[Any]) -> None:
    """Let something be done without a policy."""
    policies = dict(guard.policies)
    guard.policies.clear()
    await act
    guard.policies.update(policies)
