"""Reading the caller's repository: the settings first, then exactly the files that they name."""

from collections.abc import Sequence

import anyio
import dagger

from slipway import settings
from slipway.errors import BadInputError
from slipway.graph import bases
from slipway.graph.image import Source
from slipway.settings import Settings
from slipway.workload.dependencies import is_package

_LOCKS = ("uv.lock", "requirements.txt")
_DEVELOPMENT = "requirements-dev.txt"
_VERSION = ".python-version"

Tree = dagger.Workspace | dagger.Directory


async def settings_of(tree: Tree) -> Settings:
    """Read the service's settings; raises SettingsError."""
    try:
        text = await file_of(tree, "pyproject.toml").contents()
    except dagger.QueryError as error:
        raise BadInputError(
            "the repository has no pyproject.toml", "call slipway from the service's repository"
        ) from error
    return settings.parse(text)


async def source_of(tree: Tree, service: Settings) -> Source:
    """Collect the files of the image; raises BadInputError when there is no lock."""
    names = set(await _some(tree, include=[*_LOCKS, _DEVELOPMENT, _VERSION]).entries())
    lock = next((name for name in _LOCKS if name in names), None)
    if lock is None:
        raise BadInputError(f"the repository has none of {', '.join(_LOCKS)}", "run `uv lock` and commit uv.lock")
    await check_sources(tree, service.sources, "[tool.slipway]")
    pyproject = file_of(tree, "pyproject.toml")
    text = await pyproject.contents()
    version = await file_of(tree, _VERSION).contents() if _VERSION in names and not service.images.python else ""
    development = file_of(tree, _DEVELOPMENT) if _DEVELOPMENT in names else None
    return Source(
        pyproject=pyproject,
        lock=file_of(tree, lock),
        lock_name=lock,
        files=files_of(tree, service.sources),
        package=is_package(text),
        python="" if service.images.python else bases.python_version(text, version),
        development=development,
    )


async def check_sources(tree: Tree, sources: Sequence[str], table: str) -> None:
    """Raise BadInputError for a source that does not exist: an image without it fails later, with an error about its absence."""

    async def look(source: str) -> None:
        if not await _some(tree, include=[source, f"{source}/**"], gitignore=True).exists(source):
            raise BadInputError(
                f"sources of {table} names {source!r}, which is not in the repository, or ignored by git", "correct it"
            )

    async with anyio.create_task_group() as tasks:
        for source in sources:
            tasks.start_soon(look, source)


def whole(source: Source) -> dagger.Directory:
    """Return all files of a source with their paths in the repository."""
    return source.files.with_file("pyproject.toml", source.pyproject).with_file(source.lock_name, source.lock)


def file_of(tree: Tree, name: str) -> dagger.File:
    """Return one file. `workspace.file` uploads the whole folder, ignored files included (seen on v0.21.8)."""
    return _some(tree, include=[name]).file(name)


def files_of(tree: Tree, sources: Sequence[str]) -> dagger.Directory:
    """Return the sources named in the settings, or every file that git does not ignore."""
    if not sources:
        return _some(tree, exclude=[".git", ".venv"], gitignore=True)
    wanted = [pattern for source in sources for pattern in (source, f"{source}/**")]
    return _some(tree, include=[*wanted, "pyproject.toml"], exclude=["**/__pycache__"], gitignore=True)


def _some(
    tree: Tree, *, include: Sequence[str] = (), exclude: Sequence[str] = (), gitignore: bool = False
) -> dagger.Directory:
    which = {"include": list(include), "exclude": list(exclude)}
    named = {name: patterns for name, patterns in which.items() if patterns}
    if isinstance(tree, dagger.Workspace):
        return tree.directory("/", gitignore=gitignore, **named)
    return tree.filter(gitignore=gitignore, **named)
