import shutil
import subprocess
import sys

import pytest

from slipway.cli import run
from slipway.records.checks import DoctorReport
from slipway.records.form import from_json

PYPROJECT = '[tool.slipway]\nname = "notes"\ncommand = ["serve"]\n'


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A complete service without a commit, on a machine with git alone."""
    for name, content in {"pyproject.toml": PYPROJECT, "uv.lock": "", "alembic.ini": ""}.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", raising=False)
    return tmp_path


def doctor(service, *options):
    return run(["doctor", "--source", str(service), "--offline", *options])


def commit(service):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "uv.lock"], [*who, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", "-C", service, *arguments], check=True)


def test_the_exit_code_is_1_when_something_is_wrong_and_one_line_says_what(capsys, service):
    assert doctor(service) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if line.startswith("NG")]
    assert len(wrong) == 1
    assert "git" in wrong[0]


def test_the_exit_code_is_0_when_nothing_is_wrong(capsys, service):
    commit(service)
    assert doctor(service) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("OK, 0 NG, 6 SKIP")


def test_json_is_the_record_and_nothing_else(capsys, service):
    assert doctor(service, "--json") == 1
    checkup = from_json(DoctorReport, capsys.readouterr().out, "standard output")
    assert not checkup.healthy


def test_a_folder_that_is_not_there_is_bad_input(capsys, service):
    assert doctor(service / "nowhere") == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    heavy = {"boto3", "botocore", "httpx", "slipway.settings", "slipway.doctor", "slipway.postgres"}
    code = f"import sys, slipway.cli; slipway.commands.grammar.grammar(); print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
