"""A commit in git: its files, time and message. The work tree is never read."""

import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInputError
from slipway.oci.tree import File

_LIST = ("ls-tree", "--name-only")
_LONGEST_TEXT = 2_000_000  # bytes, enough for a long lock


@dataclass(frozen=True)
class Commit:
    """A commit, as the service's part of a repository."""

    folder: Path  # the service's folder in the repository
    revision: str
    committed: int  # seconds since 1970
    subject: str

    def files(self) -> Iterator[File]:
        """Yield the files below `folder`, as `git archive` does (export-ignore is honoured)."""
        packed = git(self.folder, ["archive", "--format=tar", self.revision, "."])
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                if member.issym():
                    yield File(member.name, member.linkname.encode(), link=True)
                elif member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    yield File(member.name, content.read(), executable=bool(member.mode & 0o100))

    def texts(self) -> dict[str, str]:
        """Return all files of at most 2 MB as text, by name."""
        small = (
            (file.name, file.content) for file in self.files() if not file.link and len(file.content) < _LONGEST_TEXT
        )
        return {name.removeprefix("./"): content.decode(errors="replace") for name, content in small}

    def text(self, name: str) -> str:
        """Return the text of a file; raises BadInputError when it does not exist."""
        return git(self.folder, ["show", f"{self.revision}:./{name}"]).decode()

    def above(self, name: str) -> str | None:
        """Find the nearest file of this name in the parent folders, as `../name`; None without one in the repository."""
        depth = git(self.folder, ["rev-parse", "--show-prefix"]).decode().strip().count("/")
        outside = ("../" * up + name for up in range(1, depth + 1))
        return next((path for path in outside if git(self.folder, [*_LIST, self.revision, path])), None)


def read(folder: Path, name: str = "HEAD") -> Commit:
    """Read the commit `name` of the repository around `folder`; raises BadInputError."""
    if not folder.is_dir():
        raise BadInputError(f"there is no folder {folder}", "name the service's folder with --source")
    show = ["show", "--no-patch", "--no-show-signature", "--format=%H%x00%ct%x00%s"]
    shown = git(folder, [*show, "--end-of-options", f"{name}^{{commit}}", "--"]).decode().strip()
    revision, committed, subject = shown.split("\0")
    return Commit(folder, revision, int(committed), subject)


def git(folder: Path, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> bytes:
    """Run git in a folder and return its output; raises BadInputError with git's message."""
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False, env=variables)
    except FileNotFoundError:
        raise BadInputError("git is not installed on this machine", "install git") from None
    if done.returncode:
        messages = done.stderr.decode(errors="replace").strip().splitlines()
        cause = messages[-1] if messages else f"exit code {done.returncode}"
        raise BadInputError(f"git {arguments[0]} failed in {folder}", cause)
    return done.stdout
