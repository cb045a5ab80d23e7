"""The release engine before a simulated account."""

from collections.abc import AsyncIterator

import pytest

from tests.release.direct import opened
from tests.release.platforms import PLACES, Place, Platform
from tests.simulator.account import Account


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    """An account with the repository `notes`, in virtual time and without HTTP."""
    async with opened() as account:
        yield account


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    """Where to open an account: on each of the platforms that the engine knows nothing of."""
    found: Place = PLACES[request.param]
    return found


@pytest.fixture
async def platform(place: Place) -> AsyncIterator[Platform]:
    """One account, empty."""
    async with place() as platform:
        yield platform
