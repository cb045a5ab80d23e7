"""A simulated account with staging and production, in virtual time."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.environment.environments import Place
from tests.release.direct import opened
from tests.simulator.account import BRISK, Account


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with opened(pace=replace(BRISK, timeout=10, roll_back=3)) as account:
        yield account


@pytest.fixture
def staging(account: Account) -> Place:
    return Place(account, "staging", "aaa")


@pytest.fixture
def production(account: Account) -> Place:
    return Place(account, "production", "aaa")
