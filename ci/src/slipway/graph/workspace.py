"""What is read of the caller's repository: the settings first, then exactly the files that they name."""

from collections.abc import Sequence

import dagger

from slipway import settings
from slipway.errors import BadInputError
from slipway.graph.image import Source
from slipway.settings import Settings
from slipway.workload.dependencies import is_package

_LOCKS = ("uv.lock", "requirements.txt")
_DEVELOPMENT = "requirements-dev.txt"


async def settings_of(workspace: dagger.Workspace) -> Settings:
    """The service's settings; raises SettingsError."""
    try:
        text = await file_of(workspace, "pyproject.toml").contents()
    except dagger.QueryError as error:
        raise BadInputError(
            "the repository has no pyproject.toml", "call slipway from the service's repository"
        ) from error
    return settings.parse(text)


async def source_of(workspace: dagger.Workspace, service: Settings) -> Source:
    """The files of the image; raises BadInputError when there is no lock."""
    there = set(await workspace.directory("/", include=[*_LOCKS, _DEVELOPMENT]).entries())
    lock = next((name for name in _LOCKS if name in there), None)
    if lock is None:
        raise BadInputError(f"the repository has none of {', '.join(_LOCKS)}", "run `uv lock` and commit uv.lock")
    pyproject = file_of(workspace, "pyproject.toml")
    package = is_package(await pyproject.contents())
    development = file_of(workspace, _DEVELOPMENT) if _DEVELOPMENT in there else None
    return Source(pyproject, file_of(workspace, lock), lock, files_of(workspace, service.sources), package, development)


def whole(source: Source) -> dagger.Directory:
    """Everything that a source is made of, as it lies in the repository."""
    return source.files.with_file("pyproject.toml", source.pyproject).with_file(source.lock_name, source.lock)


def file_of(workspace: dagger.Workspace, name: str) -> dagger.File:
    """One file. `workspace.file` would send its whole folder to the engine, with all that git ignores (seen on v0.21.8)."""
    return workspace.directory("/", include=[name]).file(name)


def files_of(workspace: dagger.Workspace, sources: Sequence[str]) -> dagger.Directory:
    """The service's own files: what the settings name as sources, or all that git does not ignore."""
    if not sources:
        return workspace.directory("/", gitignore=True, exclude=[".git", ".venv"])
    wanted = [pattern for source in sources for pattern in (source, f"{source}/**")]
    return workspace.directory("/", include=[*wanted, "pyproject.toml"], exclude=["**/__pycache__"])
