import subprocess
from pathlib import Path

import pytest

from slipway.errors import BadInputError
from slipway.oci.artifact import File, TreeConfig, pack, unpack
from slipway.source.commit import commit_at

pytestmark = pytest.mark.slow

COMMITTED = 1_700_000_000


SIGNED = """\
tree {tree}
author Somebody <somebody@example.org> {at} +0000
committer Somebody <somebody@example.org> {at} +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 iHUEABYKAB0
 -----END PGP SIGNATURE-----

Signed
"""


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def committed(folder: Path, subject: str = "A commit") -> str:
    """Commit all that is in the folder; answers the revision."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(folder, "rev-parse", "HEAD")


def git_object(folder: Path, content: str) -> str:
    """Write a commit as git would have; answers its revision."""
    command = ["git", "-C", folder, "hash-object", "-t", "commit", "-w", "--stdin"]
    return subprocess.run(command, input=content, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A new repository with a file, a program and a link in its first commit, without the user's git settings."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")
        monkeypatch.setenv(f"GIT_{who}_DATE", f"{COMMITTED} +0000")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "main.py").write_text("print('hello')\n")
    (folder / "bin").mkdir()
    (folder / "bin/start").write_text("#!/bin/sh\n")
    (folder / "bin/start").chmod(0o755)
    (folder / "current").symlink_to("bin/start")
    committed(folder, "The first commit")
    return folder


def files_of(folder: Path) -> dict[str, File]:
    return {file.name: file for file in commit_at(folder).files()}


def test_a_commit_is_read_with_its_revision_time_and_subject(repository):
    found = commit_at(repository)
    assert found.revision == git(repository, "rev-parse", "HEAD")
    assert (found.committed, found.subject) == (COMMITTED, "The first commit")


def test_files_programs_and_links_come_as_they_were_committed(repository):
    assert files_of(repository) == {
        "main.py": File("main.py", b"print('hello')\n"),
        "bin/start": File("bin/start", b"#!/bin/sh\n", executable=True),
        "current": File("current", b"bin/start", link=True),
    }


def test_nothing_of_the_work_tree_is_read(repository):
    (repository / "main.py").write_text("print('half done')\n")
    (repository / "new.py").write_text("")
    git(repository, "add", "new.py")
    (repository / "current").unlink()
    found = files_of(repository)
    assert found["main.py"].content == b"print('hello')\n"
    assert set(found) == {"main.py", "bin/start", "current"}


def test_the_users_git_settings_do_not_matter(repository):
    before = commit_at(repository)
    git(repository, "config", "color.ui", "always")
    git(repository, "config", "tar.umask", "0077")
    assert commit_at(repository) == before
    assert files_of(repository)["bin/start"].executable


def test_a_subject_is_read_whatever_encoding_the_persons_log_has(repository):
    git(repository, "config", "i18n.logOutputEncoding", "ISO-8859-1")
    committed(repository, "Préfixe")
    assert commit_at(repository).subject == "Préfixe"


def test_gits_output_about_a_signature_is_not_taken_for_the_commit(repository, tmp_path):
    """Users who sign commits often let git show the signatures, on the same output."""
    verify = tmp_path / "verify"
    verify.write_text('#!/bin/sh\necho "[GNUPG:] GOODSIG 1 Somebody"\necho "gpg: Good signature" >&2\n')
    verify.chmod(0o755)
    git(repository, "config", "log.showSignature", "true")
    git(repository, "config", "gpg.program", str(verify))
    signed = git_object(repository, SIGNED.format(tree=git(repository, "rev-parse", "HEAD^{tree}"), at=COMMITTED))
    git(repository, "update-ref", "HEAD", signed)
    assert commit_at(repository).revision == signed


def test_a_folder_in_a_monorepo_is_the_root_of_its_files(repository):
    service = repository / "services/notes"
    (service / "app").mkdir(parents=True)
    (service / "app/main.py").write_text("notes\n")
    committed(repository)
    assert set(files_of(service)) == {"app/main.py"}
    assert commit_at(service).text("app/main.py") == "notes\n"


def test_a_file_around_the_services_folder_is_found_by_the_way_to_it(repository):
    service = repository / "services/notes"
    service.mkdir(parents=True)
    (service / "main.py").write_text("")
    (repository / "uv.lock").write_text("")
    committed(repository)
    (repository / "services/other.lock").write_text("of the work tree\n")
    assert commit_at(service).above("uv.lock") == "../../uv.lock"
    assert commit_at(service).above("other.lock") is None
    assert commit_at(repository).above("uv.lock") is None


def test_what_is_marked_export_ignore_is_not_shipped(repository):
    (repository / ".gitattributes").write_text("bin export-ignore\n")
    committed(repository)
    assert set(files_of(repository)) == {".gitattributes", "main.py", "current"}


def test_names_with_spaces_and_umlauts_are_kept(repository):
    (repository / "größe und form.txt").write_text("")
    committed(repository)
    assert "größe und form.txt" in files_of(repository)


def test_one_file_of_a_commit_is_read_as_text(repository):
    (repository / "main.py").write_text("changed\n")
    assert commit_at(repository).text("main.py") == "print('hello')\n"
    with pytest.raises(BadInputError, match=r"git show failed.*absent.py"):
        commit_at(repository).text("absent.py")


def test_equal_commits_of_two_clones_make_equal_artifacts(repository, tmp_path):
    git(tmp_path, "clone", "--quiet", str(repository), "clone")
    (tmp_path / "clone/untracked.py").write_text("")
    digests = set()
    for folder in (repository, tmp_path / "clone"):
        found = commit_at(folder)
        artifact = pack(found.files(), TreeConfig(("python", "main.py"), 8000, {}), found.committed, {})
        digests.add(artifact.manifest().digest)
    assert len(digests) == 1


def test_what_was_packed_from_a_commit_unpacks_to_its_checkout(repository, tmp_path):
    found = commit_at(repository)
    layer = pack(found.files(), TreeConfig(("python", "main.py"), 8000, {}), found.committed, {}).layers[0]
    unpack(layer.content, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/current").read_text() == "#!/bin/sh\n"
    assert (tmp_path / "unpacked/bin/start").stat().st_mode & 0o111


def test_a_folder_without_git_is_bad_input(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(BadInputError, match=r"not a git repository.*; run `git init`, and commit"):
        commit_at(tmp_path)


def test_a_folder_that_is_not_there_is_bad_input(tmp_path):
    with pytest.raises(BadInputError, match=r"there is no folder .*absent"):
        commit_at(tmp_path / "absent")


def test_a_repository_without_commits_is_bad_input(repository, tmp_path):
    git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(BadInputError, match="git show failed"):
        commit_at(tmp_path / "empty")


def test_a_machine_without_git_gets_the_advice_to_install_it(repository, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BadInputError, match="git is not installed on this machine: install git"):
        commit_at(repository)
