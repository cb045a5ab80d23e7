"""Run git in a folder, and report its errors."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from slipway.errors import BadInputError

_LACKING: Final = re.compile(r"promisor remote|unable to read [0-9a-f]{40}|missing blob|bad object|unable to read tree")
_TRUSTING: Final = "git config --global --add safe.directory "  # in git's message about a repository of another user
_REFETCH: Final = (
    "this clone lacks that object, so run `git fetch --refetch --no-filter`, or `git fetch --unshallow`, or clone anew"
)
# A person's own settings, such as colours in the names of files, would change the output that we read; a translation, too.
_OURS: Final = tuple(
    word
    for setting in (
        "color.ui=false",
        "color.grep=false",
        "grep.fullName=false",
        "i18n.logOutputEncoding=UTF-8",
        "log.follow=false",
        "log.showRoot=true",
        "log.showSignature=false",
        "submodule.recurse=false",
    )
    for word in ("-c", setting)
)


class GitError(BadInputError):
    """git has ended with an exit status other than 0. The next step is git's message."""

    def __init__(self, what: str, next_step: str, *, status: int) -> None:
        super().__init__(what, next_step)
        self.status = status


class UnreadableError(GitError):
    """git does not read a repository that exists: it belongs to another user, or the clone is partial and lacks an object."""


def git(folder: Path, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> bytes:
    """Run git in a folder and return its output. Raise GitError when it fails, BadInputError when there is no git."""
    environment = {**(_outside_of_hooks(os.environ) if variables is None else variables), "LC_ALL": "C"}
    command = ["git", "-C", folder, *_OURS, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
    except FileNotFoundError:
        raise BadInputError("git is not installed on this machine", "install git") from None
    if done.returncode:
        messages = done.stderr.decode(errors="replace").strip().splitlines()
        cause = next(
            (each for each in messages if each.startswith(("error: ", "fatal: "))), messages[-1] if messages else ""
        )
        what = f"git {arguments[0]} failed in {folder}"
        if lacking := next(filter(_LACKING.search, messages), ""):
            raise UnreadableError(what, f"{lacking}; {_REFETCH}", status=done.returncode)
        if trusting := next((each.strip() for each in messages if _TRUSTING in each), ""):
            raise UnreadableError(what, f"{cause}; run `{trusting}`", status=done.returncode)
        raise GitError(what, f"{cause or f'exit code {done.returncode}'}{_init_for(cause)}", status=done.returncode)
    return done.stdout


def _init_for(cause: str) -> str:
    """Return the next step where there is no repository; git's own words about other failures have one."""
    return "; run `git init`, and commit" if "not a git repository" in cause else ""


def _outside_of_hooks(variables: Mapping[str, str]) -> dict[str, str]:
    """Remove the variables that git sets for its hooks.

    In a linked worktree they would make every folder the top of the repository.
    """
    of_hooks = () if "GIT_WORK_TREE" in variables else ("GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX")
    return {name: value for name, value in variables.items() if name not in of_hooks}
