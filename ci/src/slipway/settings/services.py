"""The services of a repository: every folder with `[tool.slipway]`, read from the texts of its settings files."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from slipway import toml
from slipway.errors import Obstacles
from slipway.finder.tree import PRUNED, table_in
from slipway.records.services import Service
from slipway.settings import FILES, Settings, check_only_table, parse


def is_pruned(folder: str) -> bool:
    """Return whether the search for services skips folders of this name, such as hidden ones."""
    return folder in PRUNED or folder.startswith(".")


def is_settings_file(path: str) -> bool:
    """Return whether a file, named relative to the repository, is a settings file in a folder that is searched."""
    *folders, name = PurePosixPath(path).parts
    return name in FILES and not any(map(is_pruned, folders))


def services_in(texts: Mapping[str, str]) -> dict[Service, str]:
    """Return each service with the path of its settings file, by folder.

    `texts` has the contents of files by path relative to the repository.
    """
    found: dict[Service, str] = {}
    folders = {str(PurePosixPath(path).parent) for path in texts}
    for folder in sorted(folders, key=lambda folder: PurePosixPath(folder).parts):
        for path in _paths(folder):
            if (table := _table_in(texts.get(path, ""))) is not None:
                named, calls = table.get("name"), table.get("calls")
                service = Service(
                    folder=folder,
                    name=named if isinstance(named, str) else "",
                    calls=tuple(map(str, calls)) if isinstance(calls, list) else (),
                )
                found[service] = path
                break
    return found


def settings_in(texts: Mapping[str, str]) -> dict[str, Settings]:
    """Return the settings of every service that has a name, by folder. Tables for migrations alone are checked and left out.

    Raise SettingsError, or ObstaclesError with every file that cannot be used.
    """
    found, obstacles = dict[str, Settings](), Obstacles()
    for service, path in services_in(texts).items():
        with obstacles.noted():
            _check_only_table(texts, service)
            settings = parse(texts[path], path, named=bool(service.name))
            if service.name:
                found[service.folder] = settings
    obstacles.refuse()
    return found


def check_tables(texts: Mapping[str, str]) -> None:
    """Raise SettingsError, or ObstaclesError, with every service for which both files have a table."""
    obstacles = Obstacles()
    for service in services_in(texts):
        with obstacles.noted():
            _check_only_table(texts, service)
    obstacles.refuse()


def _check_only_table(texts: Mapping[str, str], service: Service) -> None:
    check_only_table({each: texts.get(each, "") for each in _paths(service.folder)})


def _paths(folder: str) -> list[str]:
    """Return the paths at which a folder may have its settings."""
    return [str(PurePosixPath(folder, name)) for name in FILES]


def _table_in(text: str) -> dict[str, Any] | None:
    """Return the table `[tool.slipway]` of a TOML text; None when the text has none.

    Return an empty table for invalid TOML, whose error `parse` reports.
    """
    try:
        text.encode()  # TOML must be UTF-8: this raises a ValueError for other bytes
        document = toml.loads(text) if "slipway" in text else {}
    except ValueError:
        return {} if "[tool.slipway" in text else None
    return table_in(document, "tool", "slipway") if "slipway" in table_in(document, "tool") else None
