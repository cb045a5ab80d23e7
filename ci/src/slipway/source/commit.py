"""A commit as it stands in git: its files, its time, its message. Nothing of the work tree is read."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInputError
from slipway.oci.tree import File

_LONGEST_TEXT = 2_000_000  # bytes; a lock may be long


@dataclass(frozen=True)
class Commit:
    """A commit; `committed` is seconds since 1970, `folder` the part of the repository that is the service."""

    folder: Path
    revision: str
    committed: int
    subject: str

    def files(self) -> Iterator[File]:
        """The files of the commit below `folder`, as `git archive` gives them (export-ignore is honoured)."""
        packed = git(self.folder, "archive", "--format=tar", self.revision, ".")
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                if member.issym():
                    yield File(member.name, member.linkname.encode(), link=True)
                elif member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    yield File(member.name, content.read(), executable=bool(member.mode & 0o100))

    def texts(self) -> dict[str, str]:
        """All files that are text of a size that somebody wrote, by name."""
        small = (
            (file.name, file.content) for file in self.files() if not file.link and len(file.content) < _LONGEST_TEXT
        )
        return {name.removeprefix("./"): content.decode(errors="replace") for name, content in small}

    def text(self, name: str) -> str:
        """One file of the commit; raises BadInputError when it is not there."""
        return git(self.folder, "show", f"{self.revision}:./{name}").decode()

    def above(self, name: str) -> str | None:
        """Where a file of this name lies in the folders around the service's, up to the top of the repository; the nearest as `../name`."""
        depth = git(self.folder, "rev-parse", "--show-prefix").decode().strip().count("/")
        outside = ("../" * up + name for up in range(1, depth + 1))
        return next((path for path in outside if git(self.folder, "ls-tree", "--name-only", self.revision, path)), None)


def read(folder: Path, name: str = "HEAD") -> Commit:
    """The commit called `name` in the repository around `folder`; raises BadInputError."""
    if not folder.is_dir():
        raise BadInputError(f"there is no folder {folder}", "name the service's folder with --source")
    format_ = ("--no-patch", "--no-show-signature", "--format=%H%x00%ct%x00%s")
    said = git(folder, "show", *format_, "--end-of-options", f"{name}^{{commit}}", "--").decode().strip()
    revision, committed, subject = said.split("\0")
    return Commit(folder, revision, int(committed), subject)


def git(folder: Path, *arguments: str, variables: dict[str, str] | None = None) -> bytes:
    """Run git in a folder and answer what it prints; raises BadInputError with git's own words."""
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False, env=variables)
    except FileNotFoundError:
        raise BadInputError("there is no git on this machine", "install git") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadInputError(
            f"git {arguments[0]} failed in {folder}", said[-1] if said else f"exit code {done.returncode}"
        )
    return done.stdout
