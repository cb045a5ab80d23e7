"""The release engine before a simulated account."""

from collections.abc import AsyncIterator

import pytest

pytest.register_assert_rewrite("tests.simulator.account")

from tests.simulator.account import Account, opened  # noqa: E402


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """Empty but for the repository `notes`; its minutes pass in milliseconds."""
    async with opened() as account:
        yield account
