"""Accounts for tests that ask."""

from collections.abc import AsyncIterator

import pytest

from tests.simulator.account import Account, opened


@pytest.fixture(scope="module")
async def shared_account() -> AsyncIterator[Account]:
    """One for all tests of a file, which keep to names of their own."""
    async with opened() as account:
        yield account


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """Empty but for the repository `notes`; its minutes pass in milliseconds."""
    async with opened() as account:
        yield account
