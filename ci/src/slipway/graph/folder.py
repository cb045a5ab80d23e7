"""The service's folder in the caller's repository, or in a directory that a caller passes."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import dagger

from slipway.errors import BadInputError
from slipway.settings import FILES
from slipway.settings.services import is_settings_file, services_in

EITHER = " or ".join(reversed(FILES))


@dataclass(frozen=True)
class Folder:
    """A folder of a tree. `path` begins at the tree's root, as in `/services/notes`."""

    tree: dagger.Workspace | dagger.Directory
    path: str = "/"

    def __str__(self) -> str:
        return "the repository's root" if self.path == "/" else self.path.removeprefix("/")

    def at(self, path: str) -> "Folder":
        """Return another folder of the tree, relative to this one unless `path` starts with a slash."""
        return Folder(self.tree, posixpath.normpath(posixpath.join(self.path, path)))

    def some(
        self, *, include: Sequence[str] = (), exclude: Sequence[str] = (), gitignore: bool = False
    ) -> dagger.Directory:
        """Return the included files of the folder, or all files if `include` is empty.

        Excluded files are left out in both cases.
        """
        which = {"include": list(include), "exclude": list(exclude)}
        named = {name: patterns for name, patterns in which.items() if patterns}
        if isinstance(self.tree, dagger.Workspace):
            return self.tree.directory(self.path, gitignore=gitignore, **named)
        inside = self.tree if self.path == "/" else self.tree.directory(self.path)
        return inside.filter(gitignore=gitignore, **named)

    def file(self, name: str) -> dagger.File:
        """Return one file.

        In contrast, `workspace.file` uploads the whole folder, including ignored files (seen with v0.21.8).
        """
        return self.some(include=[name]).file(name)

    async def above(self, *names: str) -> "Folder | None":
        """Return this folder, or the nearest one above it, that has a file with one of these names.

        Return None when there is none.
        """
        if isinstance(self.tree, dagger.Workspace):
            files = [await self.tree.find_up(name, from_=self.path) for name in names]
            found = [posixpath.dirname(file) for file in files if file]
            return Folder(self.tree, max(found, key=len)) if found else None
        for path in (self.path, "/"):
            if await Folder(self.tree, path).some(include=names).entries():
                return Folder(self.tree, path)
        return None


async def next_step_to_a_service(tree: dagger.Workspace | dagger.Directory) -> str | None:
    """Return how to name the folders with slipway's settings; None when there are none, or when a caller passed a directory."""
    if not isinstance(tree, dagger.Workspace):
        return None
    folders = [
        posixpath.join("/", each.folder) for each in services_in(await settings_files(tree)) if each.folder != "."
    ]
    return f"name the service's folder: --path {', or '.join(folders)}" if folders else None


async def settings_files(workspace: dagger.Workspace) -> dict[str, str]:
    """Return the text of every file of the repository that may have a service's settings, by path."""
    files = workspace.directory("/", include=[f"**/{name}" for name in FILES], gitignore=True)
    texts: dict[str, str] = {}

    async def read(path: str) -> None:
        texts[path] = await files.file(path).contents()

    async with anyio.create_task_group() as tasks:
        for path in filter(is_settings_file, await files.glob("**/*.toml")):
            tasks.start_soon(read, path)
    return texts


async def folder_of(workspace: dagger.Workspace, path: str) -> Folder:
    """Return the service's folder: the one at `path`, by default the nearest one with settings from the caller's folder upwards.

    Raise BadInputError when there is none.
    """
    if not path.isprintable():
        raise BadInputError(f"--path is {path!r}, with a character that is not printed", "name the service's folder")
    found = await Folder(workspace, path).above(*FILES)
    if found is None:
        where = "the current folder and those above it have" if path == "." else f"{path} has"
        next_step = await next_step_to_a_service(workspace) or "call from the service's folder, or name it with --path"
        raise BadInputError(f"{where} no {EITHER}", next_step)
    below = posixpath.normpath(path).removeprefix("/")
    while below.startswith("../"):
        below = below.removeprefix("../")
    if below not in {".", "..", ""} and not f"{found.path}/".endswith(f"/{below}/"):
        raise BadInputError(f"{path} has no {EITHER}, unlike {found} above it", "correct --path")
    return found


async def commit_of(workspace: dagger.Workspace) -> str:
    """Return the commit at HEAD.

    It is read from files, because histories are large. Return "unknown" without a plain repository.
    """
    git = Folder(workspace).some(include=[".git/HEAD", ".git/packed-refs", ".git/refs/heads/**"])
    try:
        head = (await git.file(".git/HEAD").contents()).strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        if await git.exists(f".git/{name}"):
            return (await git.file(f".git/{name}").contents()).strip()
        packed = (line.partition(" ") for line in (await git.file(".git/packed-refs").contents()).splitlines())
        return next((commit for commit, _, ref in packed if ref == name), "unknown")
    except dagger.QueryError:
        return "unknown"
