"""The migrations at a git ref, for `slipway gate --since`, in real repositories."""

import subprocess

import pytest

from slipway.errors import BadInputError
from slipway.records.gate import Other
from slipway.source.released import released, unreleased

pytestmark = pytest.mark.slow

REVISION = "revision = '{0}'\ndown_revision = None\n\n\ndef upgrade():\n    op.execute('SELECT {1}')\n"
ONE, TWO = "migrations/one.py", "migrations/two.py"


@pytest.fixture
def git(monkeypatch, tmp_path):
    """Return git in the service's repository, without the user's settings, in German where its translations are installed."""
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")

    def run(*arguments, folder=tmp_path / "repository"):
        subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)

    return run


@pytest.fixture
def service(git, tmp_path):
    """A service in a folder of a repository, with one revision on main, tagged v1."""
    folder = tmp_path / "repository/service"
    (folder / "migrations").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch", "main")
    (folder / ONE).write_text(REVISION.format("one", 1))
    (folder / "README").write_text("Words\n")
    (folder.parent / "above.py").write_text("")
    save(git)
    git("tag", "v1")
    return folder


def save(git):
    git("add", "--all")
    git("commit", "--quiet", "--message", "A commit")


def add(git, service, name, number=1):
    (service / f"migrations/{name}.py").write_text(REVISION.format(name, number))
    save(git)


@pytest.mark.parametrize("name", ["v1", "main", "HEAD", "HEAD~0"])
def test_a_tag_a_branch_and_a_commit_tell_what_was_there(service, name):
    assert released(service, name).files == (ONE,)


def test_what_was_added_since_is_not_among_it(git, service):
    add(git, service, "two")
    (service / "migrations/three.py").write_text("")
    assert released(service, "v1").files == (ONE,)
    assert released(service, "main").files == (ONE, TWO)


def test_what_says_the_same_is_not_edited(git, service):
    assert released(service, "v1").edited == ()
    laid_out = REVISION.format("one", 1).replace("'", '"').replace("    op", "    # slipway: allow L01 because\n    op")
    (service / ONE).write_text(laid_out)
    assert released(service, "v1").edited == ()


@pytest.mark.parametrize("committed", [True, False])
def test_what_says_something_else_is_edited_whether_it_is_committed_or_not(git, service, committed):
    (service / ONE).write_text(REVISION.format("one", 2))
    if committed:
        save(git)
    assert released(service, "v1").edited == (ONE,)


def test_what_is_no_revision_may_be_edited(git, service):
    (service / "migrations/env.py").write_text("x = 1\n")
    save(git)
    (service / "migrations/env.py").write_text("x = 2\n")
    assert released(service, "HEAD").edited == ()


def test_a_revision_that_is_gone_is_not_edited(service):
    (service / ONE).unlink()
    assert released(service, "v1").edited == ()


@pytest.mark.parametrize(
    "text", ["down_revision = ???\n", "down_revision = 'a" + "' + 'b" * 1000 + "'\n"], ids=["new", "long"]
)
def test_a_revision_that_this_python_cannot_read_is_compared_by_its_text(git, service, text):
    add(git, service, "two")
    (service / TWO).write_text(text)
    save(git)
    assert released(service, "HEAD").edited == ()
    (service / TWO).write_text(f"{text}# edited\n")
    assert released(service, "HEAD").edited == (TWO,)


@pytest.mark.parametrize("branch", ["main", "master", "develop"])
def test_the_merge_base_is_that_of_the_default_branch(git, service, branch):
    git("branch", "--move", "main", branch)
    git("checkout", "--quiet", "-b", "feature")
    add(git, service, "two")
    git("checkout", "--quiet", branch)
    add(git, service, "three")
    git("checkout", "--quiet", "feature")
    since = released(service, "merge-base")
    assert (since.files, since.name) == ((ONE,), since.commit[:12])


def cloned(git, tmp_path, *options):
    """Clone the repository and return the service's folder in it."""
    git("clone", "--quiet", *options, (tmp_path / "repository").as_uri(), str(tmp_path / "clone"))
    return tmp_path / "clone/service"


def test_a_partial_clone_that_lacks_an_object_is_named_with_the_command_that_fetches_it(git, service, tmp_path):
    git("checkout", "--quiet", "-b", "feature")
    (service / ONE).write_text(REVISION.format("one", 2))
    save(git)
    git("checkout", "--quiet", "main")
    git("config", "uploadpack.allowFilter", "true")
    clone = cloned(git, tmp_path, "--filter=blob:none", "--branch=feature")
    (tmp_path / "repository").rename(tmp_path / "elsewhere")
    with pytest.raises(
        BadInputError, match=r"from promisor remote; this clone lacks that object, so run `git fetch --r"
    ):
        unreleased(clone)


def test_the_branch_that_the_origin_calls_default_goes_first(git, service, tmp_path):
    git("checkout", "--quiet", "-b", "trunk")
    add(git, service, "two")
    clone = cloned(git, tmp_path)
    git("checkout", "--quiet", "-b", "main", "origin/main", folder=clone)
    git("checkout", "--quiet", "-b", "feature", "origin/trunk", folder=clone)
    assert released(clone, "merge-base").files == (ONE, TWO)
    git("remote", "set-head", "origin", "--delete", folder=clone)
    assert released(clone, "merge-base").files == (ONE,)


def test_an_unknown_name_is_refused_with_the_possible_kinds(service):
    with pytest.raises(BadInputError, match=r"^git has no nonsense in .*: name a revision, branch, tag or commit"):
        released(service, "nonsense")


@pytest.mark.parametrize("name", ["--since=yesterday", "--all", "", "HEAD:service", "v1..main"])
def test_a_name_is_never_an_option_or_anything_but_a_commit(service, name):
    with pytest.raises(BadInputError, match="git has no "):
        released(service, name)


def test_without_a_repository_it_says_so(git, tmp_path):
    (tmp_path / "alone").mkdir()
    with pytest.raises(BadInputError, match=r"git cannot read .*not a git repository.*: name a revision, or run"):
        released(tmp_path / "alone", "main")


def test_a_repository_of_another_user_is_an_error_with_gits_own_command_and_never_no_repository(service, monkeypatch):
    """A job in a container often has such a clone. Without git only the newest revision would be tested."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for read in (unreleased, lambda folder: released(folder, "main")):
        with pytest.raises(BadInputError, match=r"detected dubious owner.*; run `git config --global --add safe.dir"):
            read(service)


def test_without_git_it_says_so(service, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BadInputError, match=r"git cannot read .*install git.*: name a revision, or run"):
        released(service, "main")


def test_without_a_default_branch_it_says_so(git, service):
    git("branch", "--move", "main", "topic")
    with pytest.raises(BadInputError, match=r"none of origin/HEAD, main, master, develop, trunk: name the branch"):
        released(service, "merge-base")


@pytest.mark.parametrize("name", ["v1", "merge-base"])
def test_a_shallow_clone_gets_the_command_that_fetches_the_rest(git, service, tmp_path, name):
    git("checkout", "--quiet", "-b", "feature")
    add(git, service, "two")
    git("checkout", "--quiet", "main")
    clone = cloned(git, tmp_path, "--depth=1", "--branch=feature")
    with pytest.raises(BadInputError, match=r"git fetch --unshallow origin .*fetch-depth: 0"):
        released(clone, name)
    git("fetch", "--quiet", "--unshallow", "origin", "+refs/heads/*:refs/remotes/origin/*", folder=clone)
    assert released(clone, name).files == (ONE,)


def test_unrelated_histories_are_reported(git, service):
    git("checkout", "--quiet", "--orphan", "other")
    add(git, service, "two")
    with pytest.raises(
        BadInputError, match="histories of HEAD and refs/heads/main have no commit in common: name another ref"
    ):
        released(service, "merge-base")


def test_what_others_have_added_since_we_parted_is_ahead_with_what_it_follows(git, service):
    git("checkout", "-b", "ours")
    add(git, service, "ours")
    git("checkout", "main")
    (service / TWO).write_text("revision: str = 'two'\ndown_revision = ('one', 'zero')\n")
    (service / "migrations/odd.py").write_text("revision = 'a' + 'b'\ndown_revision = None\n")
    save(git)
    assert released(service, "v1").ahead == ()
    git("checkout", "ours")
    added = (Other("two", ("one", "zero"), TWO),)
    assert (released(service, "main").ahead, released(service, "main").tip) == (added, "main")
    assert released(service, "merge-base").ahead == added
    git("merge", "main")
    assert released(service, "merge-base").ahead == ()


def chosen(service):
    """Return the default of `--since`: its name, the revisions there, and the commit of the previous release."""
    since = unreleased(service)
    return since.by_default, since.files, since.commit


def tip(service):
    """Return the branch or tag that has every revision, so that the newest is judged."""
    since = unreleased(service)
    return since.tip if since.by_default == "" else None


def test_by_default_revisions_that_the_default_branch_lacks_are_new(git, service, tmp_path):
    git("checkout", "--quiet", "-b", "feature")
    add(git, service, "two")
    (service / "migrations/test_three.py").write_text("text = 'down_revision'\n")
    assert chosen(service)[:2] == ("main", (ONE,))
    git("checkout", "--quiet", "main")
    (service / TWO).write_text(REVISION.format("two", 1))
    assert chosen(service)[:2] == ("main", (ONE,))  # before it is committed
    clone = cloned(git, tmp_path)
    (clone / ONE).write_text(REVISION.format("one", 2))
    assert unreleased(clone).by_default == "origin/main"  # edited


def test_a_branch_without_revisions_of_its_own_has_none_to_judge(git, service):
    git("checkout", "--quiet", "-b", "feature")
    assert tip(service) == "main"  # without commits of its own
    (service / "README").write_text("More words\n")
    save(git)
    assert chosen(service)[:2] == ("main", (ONE,))


def test_on_the_default_branch_revisions_that_the_newest_release_lacks_are_new(git, service):
    add(git, service, "two")
    git("tag", "nightly")
    assert chosen(service)[:2] == ("v1", (ONE,))
    git("branch", "--move", "main", "topic")
    assert chosen(service)[:2] == ("v1", (ONE,))


def test_a_tag_that_is_more_than_a_year_older_than_the_newest_commit_is_no_release(git, service, monkeypatch):
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2099-01-01T00:00:00Z")
    before = released(service, "HEAD").commit
    add(git, service, "two")
    assert chosen(service) == ("", (), before)
    git("tag", "v2099")
    (service / "README").write_text("More words\n")
    save(git)
    assert tip(service) == "main"


def test_with_every_revision_released_the_newest_is_compared_with_the_commit_before_it(git, service):
    before = released(service, "HEAD").commit
    (service / TWO).write_text(REVISION.format("two", 1).replace("None", "'one'"))
    save(git)
    (service / "README").write_text("More words\n")
    save(git)
    assert unreleased(service, "one").by_default == "v1"
    adopted = unreleased(service, "two")  # v1 lacks it, and it was there before slipway
    assert (adopted.by_default, adopted.commit) == ("", released(service, "HEAD").commit)
    git("tag", "--delete", "v1")  # nor is anything new without a tag
    assert unreleased(service, "two") == adopted
    git("tag", "v2")
    assert chosen(service) == ("", (), before)
    git("branch", "--move", "main", "topic")
    assert (chosen(service), tip(service)) == (("", (), before), "v2")


def test_outside_a_repository_or_before_the_first_commit_the_newest_is_judged(git, service, tmp_path, monkeypatch):
    (tmp_path / "alone").mkdir()
    assert chosen(tmp_path / "alone") == ("", (), None)
    git("checkout", "--quiet", "--orphan", "unborn")
    git("branch", "--move", "main", "topic")
    git("tag", "--delete", "v1")
    assert chosen(service) == ("", (), None)
    monkeypatch.setenv("PATH", "")
    assert chosen(service) == ("", (), None)


def test_a_shallow_clone_without_the_default_branch_is_no_base_for_a_choice(git, service, tmp_path):
    git("checkout", "--quiet", "-b", "feature")
    add(git, service, "two")
    git("checkout", "--quiet", "main")
    assert chosen(cloned(git, tmp_path, "--depth=1")) == ("", (), None)
    (tmp_path / "clone").rename(tmp_path / "main")
    with pytest.raises(
        BadInputError, match=r"unknown which revisions are new: .*fetch-depth: 0 .*, or pass --all-revisions"
    ):
        unreleased(cloned(git, tmp_path, "--depth=1", "--branch=feature"))


def test_revisions_whose_files_changed_or_are_gone_are_named_as_they_were(git, service):
    add(git, service, "two")
    (service / "helper.py").write_text("down_revision = 'read from a revision'\n")
    save(git)
    (service / ONE).unlink()
    (service / "helper.py").unlink()
    (service / TWO).write_text(REVISION.format("renamed", 1))
    since = released(service, "HEAD")
    assert since.changed == (Other("one", (), ONE), Other("two", (), TWO))
    assert since.edited == (TWO,)


def test_a_revision_in_a_new_file_is_the_same_one_or_edited(git, service):
    add(git, service, "two")
    for name in ("one", "two"):
        (service / f"migrations/{name}.py").rename(service / f"migrations/2026_{name}.py")
    (service / "migrations/2026_two.py").write_text(REVISION.format("two", 2))
    since = released(service, "HEAD")
    assert {"migrations/2026_one.py", "migrations/2026_two.py"} < set(since.files)
    assert since.edited == ("migrations/2026_two.py",)


@pytest.mark.parametrize("own", [("color.ui", "always"), ("grep.fullName", "true"), ("submodule.recurse", "true")])
def test_a_persons_own_git_settings_do_not_change_which_revisions_are_released(git, service, own):
    (service / ONE).write_text(REVISION.format("one", 2))
    before = released(service, "v1"), unreleased(service)
    assert before[0].changed
    git("config", *own)
    assert (released(service, "v1"), unreleased(service)) == before


def test_words_and_annotations_are_no_edit(service):
    annotated = REVISION.format("one", 1).replace("revision =", "revision: str =", 1).replace("():", "() -> None:")
    (service / ONE).write_text(f'"""A table, said better."""\n{annotated}')
    assert released(service, "v1").edited == ()


def test_a_hook_in_a_linked_worktree_sees_the_folder_as_part_of_its_repository(git, service, tmp_path, monkeypatch):
    """Git sets GIT_DIR there, which makes the current folder the top of the repository."""
    before = released(service, "v1")
    git("worktree", "add", "--quiet", tmp_path / "linked")
    monkeypatch.setenv("GIT_DIR", str(service.parent / ".git/worktrees/linked"))
    assert released(tmp_path / "linked/service", "v1") == before
