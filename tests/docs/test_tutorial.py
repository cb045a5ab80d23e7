"""The tutorial, played on a copy of the reference service: the gate prints what the page shows."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.cli import run
from tests.forked import forking  # noqa: F401 -- a fixture

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text()

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_gate")]


@pytest.fixture
def folder(tmp_path):
    """The service, released on origin/main."""
    for name in ("app", "migrations", "pyproject.toml", "alembic.ini"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    for command in ("init --quiet --initial-branch main", "add --all", "commit --quiet --message Released"):
        subprocess.run(["git", "-C", tmp_path, *who, *command.split()], check=True)
    subprocess.run(["git", "-C", tmp_path, "update-ref", "refs/remotes/origin/main", "HEAD"], check=True)
    return tmp_path


def code(*beginning):
    """The page's blocks of Python that begin so."""
    return [
        block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if block.lstrip().startswith(beginning)
    ]


def printed(section):
    """The blocks of output in a section of the page. `…` is any text, and so is the server's version."""
    (text,) = re.findall(rf"^## {section}\.(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    blocks = re.findall(r"^(?: {4}(?:passed|tested|ERROR|not covered).*\n(?: {4}.*\n)*)", text, re.MULTILINE)
    anywhere = [re.sub(r"PostgreSQL [\d.]+", "PostgreSQL …", " ".join(each.split())) for each in blocks]
    return [re.escape(each).replace("…", ".*") for each in anywhere]


def test_each_step_prints_what_the_page_shows(folder, server, capsys):
    def gate(*flags):
        status = run(["gate", "--source", str(folder), "--python", sys.prefix, "--database-url", server, *flags])
        return status, " ".join(capsys.readouterr().out.split())

    revision = folder / re.search(r"migrations/versions/\w+_title\.py", PAGE)[0]
    models = folder / "app/models.py"
    blocking, safe = code('"""')[0], code("def upgrade")[0]
    (arguments,) = code("__table_args__")

    status, said = gate("--all-revisions")
    assert (status, [each for each in printed(1) if not re.search(each, said)]) == (0, [])

    models.write_text(re.sub(r" +__table_args__ = .*\n", arguments, models.read_text()))
    revision.write_text(blocking)
    status, said = gate()
    assert (status, [each for each in printed(2) if not re.search(each, said)]) == (1, [])

    revision.write_text(blocking.partition("def upgrade")[0] + safe)
    status, said = gate()
    assert (status, [each for each in printed(4) if not re.search(each, said)]) == (0, [])
