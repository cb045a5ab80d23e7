"""A commit becomes an artifact with the files of the release only."""

import subprocess

import pytest

from slipway.errors import BadInputError
from slipway.oci.registry import Login
from slipway.rehearsal.commits import build, ships
from slipway.release.aws.ecr import Place
from slipway.settings import Migrations, Settings
from slipway.source.commit import commit_at

NOWHERE = Place("http://registry.invalid", Login("AWS", "secret"), "registry.invalid/notes")


def settings(*sources):
    return Settings(name="notes", command=("serve",), port=8000, migrations=Migrations(), sources=sources)


@pytest.mark.parametrize(
    ("name", "shipped"),
    [
        ("app/main.py", True),
        ("pyproject.toml", True),
        ("uv.lock", True),
        ("application.py", False),
        ("tests/test_app.py", False),
    ],
)
def test_named_sources_are_shipped_with_the_lock_and_nothing_else(name, shipped):
    assert ships(settings("app"), name) is shipped
    assert ships(settings(), name)


@pytest.fixture
def workspace_member(tmp_path):
    """A commit of a folder without a lock, in a repository with one at its top."""
    service = tmp_path / "backend"
    service.mkdir()
    (service / "main.py").write_text("")
    (tmp_path / "uv.lock").write_text("")
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "--all"], [*who, "commit", "--quiet", "--message", "a"]):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)
    return commit_at(service)


async def test_a_workspace_member_is_refused_with_the_command_for_its_own_lock(workspace_member):
    with pytest.raises(BadInputError, match=r"are in \.\./uv\.lock, the lock of a workspace") as caught:
        await build(workspace_member, settings(), NOWHERE)
    assert "uv export" in caught.value.next_step


async def test_a_source_that_the_commit_does_not_have_is_named(workspace_member):
    with pytest.raises(
        BadInputError, match=r"^sources of \[tool\.slipway\] names 'migration', which is not in the commit"
    ):
        await build(workspace_member, settings("main.py", "migration"), NOWHERE)
