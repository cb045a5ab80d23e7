"""Simulated accounts in virtual time and without HTTP, which is tested where it matters."""

from collections.abc import AsyncIterator

import pytest

from tests.release.direct import opened
from tests.simulator.account import Account


@pytest.fixture(scope="module")
async def shared_account() -> AsyncIterator[Account]:
    """One account for all tests of a file, which use names of their own."""
    async with opened() as account:
        yield account


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """An account with nothing but the repository `notes`."""
    async with opened() as account:
        yield account
