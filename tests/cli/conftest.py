"""A service with one environment, and its simulated account."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slipway.release.engine.target import Time
from slipway.simulator.clock import VirtualClock
from tests.simulator.account import REPOSITORIES, ROLE, Account, opened

PYPROJECT = f"""
[tool.slipway]
name = "notes"
command = ["serve"]
health-path = "/healthz"
[tool.slipway.environments.staging]
target = "app-runner"
region = "eu-west-1"
account = "123456789012"
access-role = "{ROLE}"
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


@pytest.fixture
async def account(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Account]:
    """The account behind --endpoint-url, in virtual time."""
    async with opened(clock=VirtualClock(), repositories=REPOSITORIES) as account:
        time = Time(account.cloud.clock.now, account.cloud.clock.sleep)
        monkeypatch.setattr("slipway.environment.environment.wall_clock", lambda: time)
        yield account
