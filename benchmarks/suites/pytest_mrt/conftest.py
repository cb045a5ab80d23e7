"""The fixtures of pytest-mrt's quick start, with the models for its sixth test."""

import os

import pytest
from pytest_mrt import MRTConfig


def pytest_configure(config: pytest.Config) -> None:
    config._mrt_config = MRTConfig(  # type: ignore[attr-defined]  # noqa: SLF001 -- where the plugin looks for it
        alembic_ini="alembic.ini", db_url=os.environ["DATABASE_URL"], target_metadata="models:metadata"
    )
