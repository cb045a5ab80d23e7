"""Simulated accounts."""

from collections.abc import AsyncIterator

import pytest

from slipway.simulator.clock import VirtualClock
from tests.simulator.account import Account, opened


@pytest.fixture(scope="module")
async def shared_account() -> AsyncIterator[Account]:
    """One account for all tests of a file, which use names of their own."""
    async with opened(clock=VirtualClock()) as account:
        yield account


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """An account with nothing but the repository `notes`; its time is virtual."""
    async with opened(clock=VirtualClock()) as account:
        yield account
