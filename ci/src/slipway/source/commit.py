"""A commit of the service's git repository, and its files."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from slipway.errors import BadInputError
from slipway.source.git import git

if TYPE_CHECKING:
    import tarfile

    from slipway.oci.artifact import File

_LONGEST_TEXT: Final = 2_000_000  # bytes, enough for a long lock


@dataclass(frozen=True)
class Commit:
    """A commit and the service's folder in it."""

    folder: Path  # the service's folder in the repository
    revision: str
    committed: int  # seconds since 1970
    subject: str

    def files(self) -> "Iterator[File]":
        """Yield the files below `folder` that `git archive` would contain."""
        from slipway.oci.artifact import File

        with archive_at(self.folder, self.revision) as archive:
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
        """Return the text of a file. Raise BadInputError when it does not exist."""
        return git(self.folder, ["show", f"{self.revision}:./{name}"]).decode()

    def above(self, name: str) -> str | None:
        """Return the path of the nearest file with this name in the parent folders, as `../name`; None when the repository has none."""
        depth = git(self.folder, ["rev-parse", "--show-prefix"]).decode().strip().count("/")
        outside = ("../" * up + name for up in range(1, depth + 1))
        return next(
            (path for path in outside if git(self.folder, ["ls-tree", "--name-only", self.revision, path])), None
        )


def folder_of(source: Path) -> Path:
    """Return the service's folder. Raise BadInputError when it does not exist."""
    if not os.path.isdir(source):  # noqa: PTH112 -- Path raises an error for a name that is too long
        raise BadInputError(f"there is no folder {source}", "name the service's folder with --source")
    return source.resolve()


def commit_at(folder: Path) -> Commit:
    """Read the newest commit of the repository around a folder. Raise BadInputError when there is none."""
    show = ["show", "--no-patch", "--format=%H%x00%ct%x00%s", "HEAD", "--"]
    shown = git(folder_of(folder), show).decode(errors="replace").strip()
    revision, committed, subject = shown.split("\0")
    return Commit(folder, revision, int(committed), subject)


@contextmanager
def archive_at(folder: Path, commit: str) -> "Iterator[tarfile.TarFile]":
    """Open an archive of the files below a folder at a commit, without those marked export-ignore.

    Raise BadInputError when git fails.
    """
    import tarfile

    packed = git(folder, ["archive", "--format=tar", commit, "."])
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        yield archive
