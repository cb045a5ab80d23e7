"""What was in the service's folder at a git ref, and which revisions have been edited since: the history that `--since` leaves alone."""

import ast
import warnings
from pathlib import Path
from typing import Final

from slipway.errors import BadInputError
from slipway.records.since import Since
from slipway.source.commit import git

MERGE_BASE: Final = "merge-base"
_DEFAULT_BRANCHES = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/heads/main", "refs/heads/master")
_MARK = b"down_revision"  # in every revision's file, by alembic's own need
_DEEPEN = (
    "this clone is shallow, so run `git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'`, "
    "or set fetch-depth: 0 for actions/checkout"
)


def released(folder: Path, name: str) -> Since:
    """What git knows by a name: a branch, a tag, a commit, or `merge-base` of HEAD and the default branch. Raises BadInputError."""
    shallow = _is_shallow(folder)
    commit = _merge_base(folder, shallow=shallow) if name == MERGE_BASE else _commit(folder, name)
    if commit is None:
        remedy = "name a revision, or a branch, a tag or a commit; `git fetch` brings those of others"
        raise BadInputError(f"git has no {name} in {folder}", _DEEPEN if shallow else remedy)
    files = _names(git(folder, "ls-tree", "-r", "-z", "--name-only", commit))
    changed = _names(git(folder, "diff", "--name-only", "--no-renames", "--relative", "-z", commit))
    edited = (file for file in changed if file in files and _is_edited(folder, commit, file))
    return Since(name, tuple(sorted(files)), tuple(sorted(edited)), commit=commit)


def _is_shallow(folder: Path) -> bool:
    try:
        return git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"
    except BadInputError as error:
        raise BadInputError(
            f"git knows nothing in {folder} ({error.next_step})", "name a revision, or run the gate in a git repository"
        ) from error


def _commit(folder: Path, name: str) -> str | None:
    try:
        found = git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except BadInputError:
        return None
    return found.decode().strip()


def _merge_base(folder: Path, *, shallow: bool) -> str:
    branch = next((branch for branch in _DEFAULT_BRANCHES if _commit(folder, branch)), None)
    if branch is None:
        raise BadInputError(
            f"there is neither origin/HEAD nor origin/main, main or master in {folder}",
            _DEEPEN if shallow else "name the branch itself with --since, or run `git remote set-head origin --auto`",
        )
    try:
        return git(folder, "merge-base", "HEAD", branch).decode().strip()
    except BadInputError as error:
        raise BadInputError(
            f"the histories of HEAD and {branch} have no commit in common",
            _DEEPEN if shallow else "name another ref with --since",
        ) from error


def _names(listed: bytes) -> set[str]:
    names = (name.decode(errors="replace") for name in listed.split(b"\0"))
    return {name for name in names if name.endswith(".py")}


def _is_edited(folder: Path, commit: str, file: str) -> bool:
    """Whether a revision says something else than it did; one that is gone is missed by the graph's own rules."""
    path = folder / file
    if not path.is_file() or _MARK not in (now := path.read_bytes()):
        return False
    return _meaning(git(folder, "cat-file", "blob", f"{commit}:./{file}")) != _meaning(now)


def _meaning(source: bytes) -> str | bytes:
    """Code without comments and the way it is laid out."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of an invalid escape, which is the service's affair
            return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError):  # of a newer Python than this one
        return source
