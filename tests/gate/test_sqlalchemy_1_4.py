"""A service that still has SQLAlchemy 1.4 is proven in its own environment, as one with 2.0 is."""

import subprocess
import sys
from pathlib import Path

import pytest

from slipway.records.proof import Layer
from slipway.workload.dependencies import uv

pytestmark = pytest.mark.slow

HISTORIES = Path(__file__).parent / "histories"
LOCKED = ("sqlalchemy==1.4.54", "psycopg2-binary==2.9.11")
OLDEST, WITH_IF_EXISTS = "alembic==1.8.1", "alembic==1.13.3"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with SQLAlchemy 1.4."""
    folder = tmp_path_factory.mktemp("old") / "venv"
    subprocess.run([uv(), "venv", "-q", "--python", sys.executable, folder], check=True)
    return folder


@pytest.fixture(scope="module")
def old_environment(request, environment):
    """The environment with an alembic, in place of the one of the test before."""
    installed = subprocess.run(
        [uv(), "pip", "install", "-q", "--python", environment, *LOCKED, request.param], check=False
    )
    if installed.returncode:
        pytest.skip("SQLAlchemy 1.4 cannot be had here")
    return environment


# One history has all layers, the others those that see what is special about them.
@pytest.mark.parametrize(
    ("old_environment", "name", "layers"),
    [
        (OLDEST, "batch_mode", tuple(Layer)),
        (OLDEST, "reads_the_database", (Layer.ALWAYS, Layer.TRACE, Layer.ROWS)),
        (WITH_IF_EXISTS, "autocommit_blocks", (Layer.ALWAYS, Layer.TRACE, Layer.ROWS, Layer.INTERRUPTION)),
    ],
    indirect=["old_environment"],
)
def test_it_comes_to_the_same(old_environment, name, layers, check_history):
    check_history(HISTORIES / name, old_environment, layers)
