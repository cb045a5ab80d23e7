"""The services of one repository: every folder with `[tool.slipway]`, and those that a change concerns."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from slipway import toml
from slipway.errors import BadInputError, Obstacles
from slipway.finder.tree import PRUNED, repository_of, table_in
from slipway.records.services import Service, Services
from slipway.settings import OWN_FILE, Settings, load
from slipway.source import changed_files, git

_FILES: Final = (OWN_FILE, "pyproject.toml")  # in the order in which the settings are read


def services_in(folder: Path, changed: str | None = None) -> Services:
    """Return the services in a folder and below, by folder; with `changed` only those that differ from this git ref.

    Raises BadInputError when there is none, or git cannot compare.
    """
    root = repository_of(folder)
    places = {file.parent: None for file in _settings_files(folder)}
    found = [service for place in places if (service := _service(root, place))]
    if not found:
        raise BadInputError(
            f"no folder in {folder} has a table [tool.slipway]",
            "run `slipway init` in the folder of each service, or search another folder with --source",
        )
    services = tuple(sorted(found, key=lambda service: PurePosixPath(service.folder).parts))
    if changed is None:
        return Services(services)
    if not (root / ".git").exists():
        raise BadInputError(
            f"{folder} is in no git repository, so it is unknown what has changed", "leave --changed out"
        )
    concerned = concerned_by(changed_files(root, changed), services)
    return Services(
        services=tuple(service for service in services if service in concerned),
        unchanged=tuple(service for service in services if service not in concerned),
        since=changed,
    )


def settings_around(folder: Path) -> Mapping[str, Settings]:
    """Return the settings of every named service in the repository around a folder, by the service's folder.

    Raises SettingsError, or ObstaclesError with every file that cannot be used.
    """
    root, found, obstacles = repository_of(folder), dict[str, Settings](), Obstacles()
    for service in services_in(root).services:
        if service.name:
            with obstacles.noted():
                found[service.folder] = load(root / service.folder)
    obstacles.refuse()
    return found


def calls_of(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the services that the one in a folder calls, and of those that call it; none where there are no settings."""
    with suppress(BadInputError):
        root = repository_of(folder)
        services = services_in(root).services
        own = next((each for each in services if root / each.folder == folder.resolve()), Service(""))
        return own.calls, tuple(each.name for each in services if own.name and own.name in each.calls)
    return (), ()


def services_below(folder: Path) -> tuple[str, ...]:
    """Return the folders of the services below a folder that is no service itself."""
    with suppress(BadInputError):
        folders = tuple(service.folder for service in services_in(folder).services)
        if folder.resolve().relative_to(repository_of(folder)).as_posix() not in folders:
            return folders
    return ()


def concerned_by(files: set[str], services: tuple[Service, ...]) -> set[Service]:
    """Return the services that changed files belong to; a file in the folder of none may concern each.

    The folder at the top of the repository has the libraries that services share, so its files concern each, too.
    """
    below = {service for service in services if service.folder != "."}
    owners = {file: {each for each in below if file.startswith(f"{each.folder}/")} for file in files}
    if not all(owners.values()):
        return set(services)
    return set().union(*owners.values()) | ({*services} - below if files else set())


def _service(root: Path, place: Path) -> Service | None:
    """Return the service in a folder; None when no file has the table. One that is no TOML is left to the gate's error."""
    for name in _FILES:
        try:
            text = (place / name).read_text(encoding="utf-8", errors="replace")
            document = toml.loads(text) if "slipway" in text else {}
        except OSError:
            continue
        except ValueError:
            document = {"tool": {"slipway": {}}} if "[tool.slipway" in text else {}
        if "slipway" in table_in(document, "tool"):
            table = table_in(document, "tool", "slipway")
            named, calls = table.get("name"), table.get("calls")
            return Service(
                folder=place.relative_to(root).as_posix(),
                name=named if isinstance(named, str) else "",
                calls=tuple(map(str, calls)) if isinstance(calls, list) else (),
            )
    return None


def _settings_files(folder: Path) -> Iterator[Path]:
    """Yield the files that may have the table: in a git repository those that it does not ignore, never in hidden folders."""
    with suppress(BadInputError):  # without git, or outside a repository, each folder is looked at
        wanted = [f":(glob)**/{name}" for name in _FILES]
        listed = git(folder, ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted])
        names = (PurePosixPath(os.fsdecode(name)) for name in listed.split(b"\0") if name)
        yield from (folder / name for name in names if not any(map(_is_pruned, name.parts[:-1])))
        return
    for place, folders, files in os.walk(folder):
        folders[:] = [] if "pyvenv.cfg" in files else [name for name in folders if not _is_pruned(name)]
        yield from (Path(place, name) for name in _FILES if name in files)


def _is_pruned(folder: str) -> bool:
    return folder in PRUNED or folder.startswith(".")
