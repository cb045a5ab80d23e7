"""The releases of a rehearsal are commits in a copy; the original repository is only read."""

import subprocess

import pytest

from slipway.errors import BadInputError
from slipway.rehearsal.commits import Commits, settings_of
from slipway.settings import MissingTableError


def git(folder, *arguments):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path):
    """A service in a folder of a repository, with one commit."""
    service = tmp_path / "repository/service"
    service.mkdir(parents=True)
    (service / "main.py").write_text("one = 1\n")
    (service / ".gitignore").write_text("generated\n")
    git(service.parent, "init", "--quiet")
    git(service, "add", "--all")
    git(service, "commit", "--quiet", "--message", "First")
    return service


@pytest.fixture
def copied(repository, tmp_path):
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return lambda: Commits.copied(repository, workspace)


def files(commit):
    return {file.name: file.content.decode() for file in commit.files()}


def test_a_clean_checkout_is_rehearsed_as_its_own_commit(repository, copied):
    assert copied().head.revision == git(repository, "rev-parse", "HEAD").strip()


def test_uncommitted_changes_become_a_commit_in_the_copy_only(repository, copied):
    (repository / "main.py").write_text("one = 2\n")
    (repository / "new.py").write_text("")
    (repository / "generated").write_text("by a build")
    before = git(repository, "status", "--porcelain")
    head = copied().head
    assert files(head) == {"main.py": "one = 2\n", "new.py": "", ".gitignore": "generated\n"}
    assert head.subject == "Uncommitted changes"
    assert git(repository, "status", "--porcelain") == before
    assert git(repository, "log", "--format=%s") == "First\n"


def test_settings_are_read_from_either_file_and_a_commit_without_a_table_has_none(repository, copied):
    with pytest.raises(MissingTableError, match=r"neither slipway\.toml nor pyproject\.toml"):
        settings_of(copied().head)
    (repository / "slipway.toml").write_text('[tool.slipway]\nname = "notes"\ncommand = ["serve"]\n')
    (again := repository.parent.with_name("again")).mkdir()
    assert settings_of(Commits.copied(repository, again).head).name == "notes"


def test_an_ignored_file_that_is_staged_is_rehearsed(repository, copied):
    (repository / "generated").write_text("by a build")
    git(repository, "add", "--force", "generated")
    assert files(copied().head)["generated"] == "by a build"


def test_a_deleted_file_is_absent_from_the_release(repository, copied):
    (repository / "main.py").unlink()
    assert "main.py" not in files(copied().head)


def test_the_same_files_make_another_release(copied):
    commits = copied()
    head = commits.head
    again = commits.again(head, "The release before")
    assert again.subject == "The release before"
    assert again.revision != head.revision
    assert files(again) == files(head)


def test_a_patch_makes_a_release_from_its_base(repository, copied):
    (repository / "main.py").write_text("one = 2\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Two")
    (repository / "two.patch").write_text(git(repository, "format-patch", "--stdout", "-1"))
    git(repository, "reset", "--quiet", "--hard", "HEAD~1")
    commits = copied()
    head = commits.head
    patched = commits.patched(head, "two.patch")
    assert (patched.subject, files(patched)["main.py"], files(head)["main.py"]) == ("Two", "one = 2\n", "one = 1\n")


@pytest.mark.parametrize(("text", "said"), [(None, "there is no two.patch"), ("nonsense", "does not apply")])
def test_a_patch_that_cannot_be_applied_is_bad_input(repository, copied, text, said):
    if text:
        (repository / "two.patch").write_text(text)
    commits = copied()
    with pytest.raises(BadInputError, match=said):
        commits.patched(commits.head, "two.patch")
