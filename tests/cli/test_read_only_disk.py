"""A read-only disk, as in a locked container: the gate needs only a folder for temporary files."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.records.form import to_json
from slipway.records.gate import GateQuestion
from slipway.records.proof import Layer

HISTORY = Path(__file__).parents[1] / "gate/histories/merges"
_POWERS = "-dac_override,-dac_read_search"  # they let root write everywhere

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root writes everywhere"),
]


@pytest.fixture
def project(tmp_path):
    """A history in a read-only folder without compiled files."""
    folder = shutil.copytree(HISTORY, tmp_path / "project")
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    for each in folders:
        each.chmod(0o555)
    yield folder
    for each in folders:
        each.chmod(0o755)


def run(*command, cwd=None, stdin=None, **variables):
    powerless = ["setpriv", f"--bounding-set={_POWERS}", f"--inh-caps={_POWERS}"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-m", *map(str, command)]
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | variables,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def gate(project, server, *more, **variables):
    return run(
        *("slipway.cli", "gate", "--source", project, "--python", sys.prefix, "--database-url", server, *more),
        cwd=project,
        **variables,
    )


def test_a_project_that_cannot_be_written_is_proven(project, server):
    done = gate(project, server, "--quick", "--json")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert json.loads(done.stdout)["coverage"]["revisions"] == 5
    assert not list(project.rglob("__pycache__"))


def test_a_report_that_cannot_be_written_there_is_one_sentence(project, server):
    done = gate(project, server, "--quick", "--report", project / "report")
    assert done.returncode == 2
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("slipway: "))
    assert "cannot write the report" in error


def test_a_proof_that_cannot_be_written_there_is_one_sentence(project, server):
    database = json.dumps({"url": server, "variables": {}})
    question = to_json(GateQuestion(config="alembic.ini", timeout=60, layers=(Layer.ALWAYS,)), indent=None)
    done = run("slipway.gate", "proof.json", cwd=project, stdin=question, SLIPWAY_DATABASE=database)
    assert (done.returncode, done.stderr) == (
        2,
        f"{project}/proof.json cannot be written: Permission denied; name another file\n",
    )


def test_a_machine_without_a_temporary_folder_is_one_sentence(project, server, tmp_path):
    nowhere = "import sys, tempfile; tempfile._candidate_tempdir_list = lambda: ['/nowhere']; from slipway.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", nowhere, "gate", "--source", project, "--python", sys.prefix]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "TMPDIR" in done.stderr, len(done.stderr.strip().splitlines())) == (2, True, 1)
