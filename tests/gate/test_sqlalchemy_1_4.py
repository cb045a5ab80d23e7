"""A service that still has SQLAlchemy 1.4 is proven in its own environment, as one with 2.0 is."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli import run

pytestmark = pytest.mark.slow

HISTORIES = Path(__file__).parent / "histories"
LOCKED = ("sqlalchemy==1.4.54", "psycopg2-binary==2.9.11")
OLDEST, WITH_IF_EXISTS = "alembic==1.8.1", "alembic==1.13.3"


@pytest.fixture(scope="module")
def old_environment(request, tmp_path_factory):
    """A virtual environment with SQLAlchemy 1.4 and an alembic."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("there is no uv on PATH")
    folder = tmp_path_factory.mktemp("old") / "venv"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    installed = subprocess.run([uv, "pip", "install", "-q", "--python", folder, *LOCKED, request.param], check=False)
    if installed.returncode:
        pytest.skip("SQLAlchemy 1.4 cannot be had here")
    return folder


@pytest.mark.parametrize(
    ("old_environment", "name"),
    [(OLDEST, "batch_mode"), (OLDEST, "reads_the_database"), (WITH_IF_EXISTS, "autocommit_blocks")],
    indirect=["old_environment"],
)
def test_it_comes_to_the_same(old_environment, name, tmp_path, capsys, server):
    project = shutil.copytree(HISTORIES / name, tmp_path / name)
    run(["gate", "--source", str(project), "--python", str(old_environment), "--database-url", server, "--json"])
    printed = capsys.readouterr()
    assert printed.out, printed.err
    proof = json.loads(printed.out)
    errors = [finding for finding in proof["findings"] if finding["level"] == "error"]
    expected = json.loads((HISTORIES / name / "expected.json").read_text(encoding="utf-8"))
    assert sorted([finding["rule"], finding["revision"]] for finding in errors) == expected["errors"]
    assert sorted(each["id"] for each in proof["revisions"] if "up" in each["fingerprints"]) == expected["revisions"]
