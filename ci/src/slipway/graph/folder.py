"""The service's folder in the caller's repository, or in a directory that a caller passes."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
import dagger

from slipway.errors import BadInputError


@dataclass(frozen=True)
class Folder:
    """A folder of a tree. `path` starts at the tree's root, as in `/services/notes`."""

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
        """Return some of the folder's files; all that are not excluded if `include` is empty."""
        which = {"include": list(include), "exclude": list(exclude)}
        named = {name: patterns for name, patterns in which.items() if patterns}
        if isinstance(self.tree, dagger.Workspace):
            return self.tree.directory(self.path, gitignore=gitignore, **named)
        inside = self.tree if self.path == "/" else self.tree.directory(self.path)
        return inside.filter(gitignore=gitignore, **named)

    def file(self, name: str) -> dagger.File:
        """Return one file. `workspace.file` uploads the whole folder, ignored files included (seen on v0.21.8)."""
        return self.some(include=[name]).file(name)

    async def above(self, name: str) -> "Folder | None":
        """Return the nearest folder from this one up that has a file of this name."""
        if isinstance(self.tree, dagger.Workspace):
            found = await self.tree.find_up(name, from_=self.path)
            return Folder(self.tree, posixpath.dirname(found)) if found else None
        for path in (self.path, "/"):
            if await Folder(self.tree, path).some(include=[name]).entries():
                return Folder(self.tree, path)
        return None


async def next_step_to_a_service(tree: dagger.Workspace | dagger.Directory) -> str | None:
    """Return how to name the repository's folders with settings of slipway; None when it has none, or a caller passed a directory."""
    if not isinstance(tree, dagger.Workspace):
        return None
    services = await texts_of_services(tree)
    return f"name the service's folder: --path {', or '.join(sorted(services))}" if services else None


async def texts_of_services(workspace: dagger.Workspace) -> dict[str, str]:
    """Return the text of every pyproject.toml with settings of slipway, by its folder, which begins with a slash."""
    projects = workspace.directory("/", include=["**/pyproject.toml"], gitignore=True)
    texts: dict[str, str] = {}

    async def look(file: str) -> None:
        text = await projects.file(file).contents()
        if "[tool.slipway" in text:
            texts[posixpath.join("/", posixpath.dirname(file))] = text

    async with anyio.create_task_group() as tasks:
        for file in await projects.glob("**/pyproject.toml"):
            tasks.start_soon(look, file)
    return texts


async def folder_of(workspace: dagger.Workspace, path: str) -> Folder:
    """Return the folder with the service's pyproject.toml: the caller's own or the nearest above it, or the one at `path`.

    Raises BadInputError when there is none.
    """
    found = await Folder(workspace, path).above("pyproject.toml")
    if found is None:
        where = "the current folder and those above it have" if path == "." else f"{path} has"
        next_step = await next_step_to_a_service(workspace) or "call from the service's folder, or name it with --path"
        raise BadInputError(f"{where} no pyproject.toml", next_step)
    below = posixpath.normpath(path).removeprefix("/")
    while below.startswith("../"):
        below = below.removeprefix("../")
    if below not in {".", "..", ""} and not f"{found.path}/".endswith(f"/{below}/"):
        raise BadInputError(f"{path} has no pyproject.toml, unlike {found} above it", "correct --path")
    return found


async def commit_of(workspace: dagger.Workspace) -> str:
    """Return the commit at HEAD, read from files, as histories are large; "unknown" if there is no plain repository."""
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
