"""The service's migrations at the ref of `--since`: which revisions are new, edited, moved or gone."""

import ast
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from slipway.errors import BadInputError
from slipway.finder.history import heads, revision_in
from slipway.records.gate import Other, Since
from slipway.source.git import GitError, UnreadableError, git
from slipway.source.meaning import meaning

MERGE_BASE: Final = "merge-base"
_DEFAULT_NAMES = ("main", "master", "develop", "trunk")
_DEFAULT_BRANCHES = (
    "refs/remotes/origin/HEAD",
    *(f"{place}/{name}" for name in _DEFAULT_NAMES for place in ("refs/remotes/origin", "refs/heads")),
)
_CURRENT_SECONDS: Final = 366 * 86_400
_MARK = b"down_revision"  # alembic needs this word in every revision's file
_LIST = ("ls-tree", "-r", "-z", "--name-only")


class _ShallowError(BadInputError):
    """The clone is shallow and lacks a commit that is needed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            "this clone is shallow, so run `git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'`, "
            "or set fetch-depth: 0 for actions/checkout",
        )


def released(folder: Path, name: str) -> Since:
    """Read the service's migrations at a branch, tag or commit, or at the `merge-base` with the default branch.

    Raise BadInputError when git cannot resolve the name.
    """
    commit = _commit_named(folder, name)
    files = _names(git(folder, [*_LIST, commit]))
    changed = _names(git(folder, ["diff", "--name-only", "--no-renames", "--relative", "-z", commit]))
    edited = {file for file in changed if file in files and _is_edited(folder, commit, file)}
    before = _revisions_in(folder, commit, changed & files)
    moved = {file: before[released] for file, released in _moved(folder, files, before).items()}
    edited |= {file for file, (old, _) in moved.items() if meaning(old) != meaning((folder / file).read_bytes())}
    tip, ahead = _ahead(folder, name, files)
    return Since(
        name=commit[:12] if name == MERGE_BASE else name,
        files=tuple(sorted({*files, *moved})),
        edited=tuple(sorted(edited)),
        commit=commit,
        changed=tuple(revision for _, revision in before.values()) if tip else (),
        ahead=ahead,
        tip=tip,
    )


def changed_files(repository: Path, name: str) -> set[str]:
    """Return the files that differ from a git ref or the `merge-base`, including untracked ones, relative to the repository.

    Raise BadInputError when git cannot compare.
    """
    commit = _commit_named(repository, name)
    listed = git(repository, ["diff", "--name-only", "--no-renames", "-z", commit])
    listed += git(repository, ["ls-files", "--others", "--exclude-standard", "-z"])
    return {os.fsdecode(file) for file in listed.split(b"\0") if file}


def unreleased(folder: Path, start_after: str | None = None) -> Since:
    """Return the state with which a pull request's revisions are compared: the default branch, otherwise the newest release tag of the last year.

    A branch without revisions of its own has none to test. Neither has a history whose head is `start_after`, even if a
    tag lacks revisions. On the default branch, when the tag has every revision, only the newest revision is tested.
    Raise BadInputError in a shallow clone without the default branch.
    """
    try:
        if _is_shallow(folder):
            _merge_base(folder, shallow=True)
    except _ShallowError as error:
        raise BadInputError(
            f"it is unknown which revisions are new: {error.what}", f"{error.next_step}, or pass --all-revisions"
        ) from error
    except UnreadableError:
        raise
    except BadInputError:
        return Since(name="", by_default="")
    revisions, default = _revisions_here(folder), ""
    adopted = {start_after} == {each.id for each in heads(revisions.values())}
    for choose in (lambda _: MERGE_BASE, *(() if adopted else (_newest_tag,))):
        try:
            since = released(folder, name := choose(folder))
        except UnreadableError:
            raise
        except BadInputError:
            continue
        gone = {each.id for each in since.changed} - {each.id for each in (*since.ahead, *revisions.values())}
        is_branch = name == MERGE_BASE and since.commit != _revision_of(folder, "HEAD")
        spoken = _spoken(folder, name, since.tip)
        if is_branch or gone or any(file in since.edited or file not in since.files for file in revisions):
            return replace(since, by_default=spoken)
        default = default or spoken
    if adopted and _revision_of(folder, "HEAD"):
        return replace(released(folder, "HEAD"), by_default="")
    return Since(name="", by_default="", commit=_before_newest(folder, revisions), tip=default)


def _newest_tag(folder: Path) -> str:
    """Return the newest release tag.

    Raise BadInputError when it is more than a year older than HEAD, because it is then probably not live.
    """
    name = git(folder, ["describe", "--tags", "--abbrev=0", "--match=*[0-9]*"]).decode().strip()
    dates = git(folder, ["log", "--no-walk=unsorted", "--format=%ct", f"{name}^{{commit}}", "HEAD"]).split()
    if int(dates[-1]) - int(dates[0]) > _CURRENT_SECONDS:
        raise BadInputError(f"the newest tag, {name}, is older than a year", "tag a release")
    return name


def _spoken(folder: Path, name: str, tip: str) -> str:
    """Return the name of the state with which the work tree is compared, such as `origin/main`."""
    if name != MERGE_BASE:
        return name
    with suppress(BadInputError):
        return git(folder, ["rev-parse", "--abbrev-ref", tip]).decode().strip()
    return "the default branch"


def _before_newest(folder: Path, revisions: Mapping[str, Other]) -> str | None:
    """Return the commit before the one that added the newest revision; HEAD when that revision is not committed."""
    newest = [each.file for each in heads(revisions.values())]
    with suppress(BadInputError):
        added = git(folder, ["log", "-1", "--diff-filter=A", "--format=%H", "--", *newest]).decode().strip()
        return _revision_of(folder, f"{added}^" if added else "HEAD") if newest else None
    return None


def _revisions_in(folder: Path, commit: str, files: set[str]) -> dict[str, tuple[bytes, Other]]:
    """Return, for those of the files that contain a revision at a commit, the source and the revision."""
    sources = {file: _blob(folder, commit, file) for file in sorted(files & _marked(folder, commit))}
    parsed = {file: (source, _revision(source, file)) for file, source in sources.items()}
    return {file: (source, revision) for file, (source, revision) in parsed.items() if revision}


def _moved(folder: Path, files: set[str], before: Mapping[str, tuple[bytes, Other]]) -> dict[str, str]:
    """Return the new files that contain a changed revision under its old id, each with the revision's earlier file."""
    was_in = {revision.id: file for file, (_, revision) in before.items()}
    revisions = _revisions_here(folder) if was_in else {}
    return {file: was_in[each.id] for file, each in revisions.items() if file not in files and each.id in was_in}


def _revisions_here(folder: Path) -> dict[str, Other]:
    """Return the revisions in the work tree by their files, including untracked files."""
    found = {file: folder / file for file in sorted(_marked(folder))}
    parsed = {file: _revision(path.read_bytes(), file) for file, path in found.items() if path.is_file()}
    return {file: revision for file, revision in parsed.items() if revision}


def _marked(folder: Path, commit: str | None = None) -> set[str]:
    """Return the Python files that may contain a revision, at a commit or in the work tree."""
    search = ["grep", "-lz", "--text", "--fixed-strings", *([] if commit else ["--untracked"]), _MARK.decode()]
    try:
        found = git(folder, [*search, *([commit] if commit else []), "--", "*.py"])
    except GitError as error:
        if error.status == 1:  # no match
            return set()
        raise
    return {name.removeprefix(f"{commit}:") for name in _names(found)}


def _blob(folder: Path, commit: str, file: str) -> bytes:
    return git(folder, ["cat-file", "blob", f"{commit}:./{file}"])


def _ahead(folder: Path, name: str, files: set[str]) -> tuple[str, tuple[Other, ...]]:
    """Return the branch to be merged into, and the revisions that it got after HEAD diverged from it."""
    tip = _default_branch(folder) if name == MERGE_BASE else name
    try:
        base = git(folder, ["merge-base", "HEAD", tip or ""]).decode().strip()
        before = files if name == MERGE_BASE else _names(git(folder, [*_LIST, base]))
        after = _names(git(folder, [*_LIST, tip or ""]))
    except BadInputError:  # unrelated histories, or a commit that was not fetched
        return "", ()
    added = sorted(file for file in after - before if not (folder / file).exists())
    revisions = (_revision(_blob(folder, tip or "", file), file) for file in added)
    return tip or "", tuple(revision for revision in revisions if revision)


def _revision(source: bytes, file: str) -> Other | None:
    """Parse the revision in a file without running it. Return None when it does not have alembic's form."""
    try:
        return revision_in(ast.parse(source), file) if _MARK in source else None
    except (SyntaxError, ValueError):
        return None


def _is_shallow(folder: Path) -> bool:
    try:
        return git(folder, ["rev-parse", "--is-shallow-repository"]).strip() == b"true"
    except UnreadableError:
        raise
    except BadInputError as error:
        raise BadInputError(
            f"git cannot read {folder} ({error.next_step})", "name a revision, or run the gate in a git repository"
        ) from error


def _commit_named(folder: Path, name: str) -> str:
    """Return the commit of a git ref, or of the `merge-base` with the default branch.

    Raise BadInputError when there is none.
    """
    shallow = _is_shallow(folder)
    commit = _merge_base(folder, shallow=shallow) if name == MERGE_BASE else _revision_of(folder, name)
    if commit is None:
        remedy = "name a revision, branch, tag or commit; `git fetch` brings those of other repositories"
        raise _lacking(f"git has no {name} in {folder}", remedy, shallow=shallow)
    return commit


def _lacking(what: str, remedy: str, *, shallow: bool) -> BadInputError:
    return _ShallowError(what) if shallow else BadInputError(what, remedy)


def _revision_of(folder: Path, name: str) -> str | None:
    try:
        verify = ["rev-parse", "--verify", "--quiet", "--end-of-options"]
        return git(folder, [*verify, f"{name}^{{commit}}"]).decode().strip()
    except BadInputError:
        return None


def _default_branch(folder: Path) -> str | None:
    known = git(folder, ["for-each-ref", "--format=%(refname)", *_DEFAULT_BRANCHES]).decode().split()
    return next((branch for branch in _DEFAULT_BRANCHES if branch in known), None)


def _merge_base(folder: Path, *, shallow: bool) -> str:
    branch = _default_branch(folder)
    if branch is None:
        what = f"{folder} has none of origin/HEAD, {', '.join(_DEFAULT_NAMES)}"
        remedy = "name the branch with --since, or run `git remote set-head origin --auto`"
        raise _lacking(what, remedy, shallow=shallow)
    try:
        return git(folder, ["merge-base", "HEAD", branch]).decode().strip()
    except BadInputError as error:
        what = f"the histories of HEAD and {branch} have no commit in common"
        raise _lacking(what, "name another ref with --since", shallow=shallow) from error


def _names(listed: bytes) -> set[str]:
    names = (name.decode(errors="replace") for name in listed.split(b"\0"))
    return {name for name in names if name.endswith(".py")}


def _is_edited(folder: Path, commit: str, file: str) -> bool:
    """Return whether a revision's code has changed. Deleted revisions are reported by the rules of the graph."""
    path = folder / file
    if not path.is_file() or _MARK not in (now := path.read_bytes()):
        return False
    return meaning(_blob(folder, commit, file)) != meaning(now)
