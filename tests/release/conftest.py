"""The release engine before a simulated account."""

from collections.abc import AsyncIterator

import pytest

from tests.simulator.account import Account, opened


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """Empty but for the repository `notes`; its minutes pass in milliseconds."""
    async with opened() as account:
        yield account
