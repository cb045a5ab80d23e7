"""A copy of the reference service in a repository of its own, where a test may break what it likes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("app", "migrations", "alembic.ini", "pyproject.toml", "uv.lock", "rehearsal")


class Checkout:
    """A repository with one commit of the service; `commit` adds another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def commit(self, **files: str) -> None:
        """Write files, named with / and . as `app__main_py`, and commit them."""
        for name, text in files.items():
            (self.folder / name.replace("__", "/").replace("_py", ".py").replace("_toml", ".toml")).write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", "a change")

    def replace(self, name: str, before: str, after: str) -> None:
        """Change a file and commit it."""
        file = self.folder / name
        text = file.read_text()
        assert before in text
        file.write_text(text.replace(before, after))
        self.commit()

    def _git(self, *arguments: str) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", self.folder, *who, *arguments], check=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "service"
    folder.mkdir()
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    made = Checkout(folder)
    made.commit()
    return made


@pytest.fixture
def one_act(checkout: Checkout) -> Checkout:
    """The same without the acts that need patches."""
    text = (checkout.folder / "pyproject.toml").read_text()
    table = text.index("[tool.slipway.rehearsal]")
    (checkout.folder / "pyproject.toml").write_text(text[:table] + text[text.index("[", table + 1) :])
    checkout.commit()
    return checkout


def slipway(*arguments: str, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a person would call it."""
    command = [sys.executable, "-m", "slipway.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=timeout, env=os.environ | variables
    )
