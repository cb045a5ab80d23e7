"""The services of one repository: every folder with `[tool.slipway]`, and the services that a change affects."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from slipway.errors import BadInputError
from slipway.finder.tree import repository_of
from slipway.records.services import Service, Services
from slipway.settings import FILES, Settings, text_of
from slipway.settings import services as declared
from slipway.source.git import git
from slipway.source.released import changed_files


def services_in(folder: Path, changed: str | None = None) -> Services:
    """Return the services in a folder and below. With `changed`, return only those that differ from this git ref.

    Raise BadInputError when there is no service, or when git cannot compare.
    """
    root = repository_of(folder)
    services = tuple(declared.services_in(_texts(root, folder)))
    if not services:
        raise BadInputError(
            f"no folder in {folder} has a table [tool.slipway]",
            "run `slipway init` in the folder of each service, or search another folder with --source",
        )
    if changed is None:
        return Services(services)
    if not (root / ".git").exists():
        raise BadInputError(
            f"{folder} is in no git repository, so slipway cannot see what has changed", "leave --changed out"
        )
    concerned = concerned_by(changed_files(root, changed), services)
    return Services(
        services=tuple(service for service in services if service in concerned),
        unchanged=tuple(service for service in services if service not in concerned),
        since=changed,
    )


def check_tables(folder: Path) -> None:
    """Raise SettingsError with every service below a folder that has `[tool.slipway]` in both of its files."""
    declared.check_tables(_texts(repository_of(folder), folder))


def settings_around(folder: Path) -> Mapping[str, Settings]:
    """Return the settings of every named service of the repository around a folder, by folder.

    Raise the errors of `settings_in`.
    """
    root = repository_of(folder)
    return declared.settings_in(_texts(root, root))


def calls_of(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the services that the service in a folder calls, and of those that call it; none without settings."""
    with suppress(BadInputError):
        root = repository_of(folder)
        services = services_in(root).services
        own = next((each for each in services if root / each.folder == folder.resolve()), Service(""))
        return own.calls, tuple(each.name for each in services if own.name and own.name in each.calls)
    return (), ()


def services_below(folder: Path) -> tuple[str, ...]:
    """Return the folders of the services below a folder; empty when the folder itself is a service."""
    with suppress(BadInputError):
        folders = tuple(service.folder for service in services_in(folder).services)
        if folder.resolve().relative_to(repository_of(folder)).as_posix() not in folders:
            return folders
    return ()


def no_service(folder: Path, below: Sequence[str]) -> BadInputError:
    """Return the error for a folder that is no service itself. It names the services below the folder."""
    what = f"{folder} is no service, but has services below it: {', '.join(below)}"
    return BadInputError(what, "pass --all-services, or the folder of one with --source")


def concerned_by(files: set[str], services: tuple[Service, ...]) -> set[Service]:
    """Return the services that changed files affect. A file outside of all services may affect each of them.

    A service at the top of the repository is affected by every change.
    """
    below = {service for service in services if service.folder != "."}
    owners = {file: {each for each in below if file.startswith(f"{each.folder}/")} for file in files}
    if not all(owners.values()):
        return set(services)
    return set().union(*owners.values()) | ({*services} - below if files else set())


def _texts(root: Path, folder: Path) -> dict[str, str]:
    """Return the settings files in a folder and below, by their path in the repository."""
    texts = dict[str, str]()
    for file in _settings_files(folder.resolve()):
        with suppress(OSError):
            texts[file.relative_to(root).as_posix()] = text_of(file)
    return texts


def _settings_files(folder: Path) -> Iterator[Path]:
    """Yield the files that may contain the table, never in hidden folders.

    In a git repository, leave out ignored files.
    """
    with suppress(BadInputError):  # without git, or outside a repository, all folders are searched
        wanted = [f":(glob)**/{name}" for name in FILES]
        listed = git(folder, ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted])
        names = (os.fsdecode(name) for name in listed.split(b"\0") if name)
        yield from (folder / name for name in names if declared.is_settings_file(name))
        return
    for place, folders, files in os.walk(folder):
        folders[:] = [] if "pyvenv.cfg" in files else [name for name in folders if not declared.is_pruned(name)]
        yield from (Path(place, name) for name in FILES if name in files)
