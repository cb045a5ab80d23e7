"""`[tool.slipway]` of a service's pyproject.toml, read strictly.

An error in the settings is one sentence with the file, the key, the value that was found and the values that are
allowed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from slipway import toml
from slipway.settings.app_runner import AppRunnerEnvironment, HealthPace, Move, Scaling
from slipway.settings.ecs_express import ExpressEnvironment, TargetGroupPace, TaskScaling
from slipway.settings.environment import Environment, MigrationRunner, RunnerKind, TargetKind
from slipway.settings.network import ManagedDatabase, ManagedNetwork, Nat, Network
from slipway.settings.service import (
    BuildStep,
    Checks,
    Github,
    Images,
    Migrations,
    RehearsalCommits,
    Settings,
    SettingsError,
    Subjects,
    TestDatabase,
    WhenALaterFails,
    variable_of,
)
from slipway.structure import MismatchError, kebab, read

OWN_FILE: Final = "slipway.toml"  # a service without a pyproject.toml has its tables in this file
FILES: Final = (OWN_FILE, "pyproject.toml")  # the first that exists in a folder is read


class MissingTableError(SettingsError):
    """A service without `[tool.slipway]`."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what, 'add the table with at least name = "…" and command = ["…"], or let `slipway init` write it'
        )


# Placeholder for work that uses neither name nor command: the gate reads [tool.slipway.migrations] only.
NAMELESS_COMMAND: Final = ("service",)
_NAMELESS = {"name": "service", "command": [*NAMELESS_COMMAND]}


def parse(text: str, file: str = "pyproject.toml", *, named: bool = True) -> Settings:
    """Read the settings from the text of a settings file. Raise SettingsError when they cannot be used.

    With `named` false, a missing name and a missing command are replaced by meaningless ones.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:  # from `text_of`
        line = text.count("\n", 0, error.start) + 1
        raise SettingsError(f"{file} is not UTF-8 in line {line}", "save it as UTF-8, as TOML requires") from error
    try:
        document = toml.loads(text)
    except ValueError as error:  # tomllib's own error, or that of int() for a number with too many digits
        raise SettingsError(f"{file} is not TOML", f"{error}; correct it") from error
    tool = document.get("tool")
    table = tool.get("slipway") if isinstance(tool, dict) else None
    if table is None:
        raise MissingTableError(f"{file} has no [tool.slipway]")
    if not named and isinstance(table, dict):
        table = {**_NAMELESS, **table}
    if isinstance(table, dict) and not _NAMELESS.keys() & table.keys():
        what = f"{file}: [tool.slipway] has no name and no command"
        raise SettingsError(what, 'add name = "…" and command = ["…"], which only the gate does not need')
    try:
        return read(Settings, table, "", kebab)
    except MismatchError as error:
        raise SettingsError(f"{file}: [tool.slipway] {error.at}".rstrip(), error.problem) from error


def load(source: Path, *, named: bool = True) -> Settings:
    """Read the settings of the service in the folder `source`, as `parse` does; raises SettingsError."""
    files = [file for name in FILES if (file := source / name).is_file()]
    if not files:
        raise MissingTableError(f"there is neither a pyproject.toml nor a {OWN_FILE} in {source.resolve()}")
    check_only_table({file.name: text_of(file) for file in files})
    return load_file(files[0], named=named)


def check_only_table(texts: Mapping[str, str]) -> None:
    """Raise SettingsError when both files of a service have `[tool.slipway]`. `texts` has their contents by name."""
    having = [name for name, text in texts.items() if _has_table(text)]
    if len(having) > 1:
        both = f"{' and '.join(having)} both have [tool.slipway]"
        raise SettingsError(both, "move everything into one of the two, and remove the table from the other")


def _has_table(text: str) -> bool:
    try:
        tool = toml.loads(text).get("tool") if "slipway" in text else None
    except ValueError:  # also for what is not UTF-8
        return False
    return isinstance(tool, dict) and "slipway" in tool


def load_file(file: Path, *, named: bool = True) -> Settings:
    """Read the settings from a TOML file with `[tool.slipway]`, as `parse` does; raises SettingsError."""
    try:
        return parse(text_of(file), file.name, named=named)
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read", f"{error.strerror or error}; pass a file that can be read"
        ) from error


def text_of(file: Path) -> str:
    """Return the text of a settings file. Bytes that are not UTF-8 are kept as surrogates, and `parse` reports them."""
    return file.read_text(encoding="utf-8", errors="surrogateescape")


__all__ = [
    "AppRunnerEnvironment",
    "BuildStep",
    "Checks",
    "Environment",
    "ExpressEnvironment",
    "Github",
    "HealthPace",
    "Images",
    "ManagedDatabase",
    "ManagedNetwork",
    "MigrationRunner",
    "Migrations",
    "MissingTableError",
    "Move",
    "Nat",
    "Network",
    "RehearsalCommits",
    "RunnerKind",
    "Scaling",
    "Settings",
    "SettingsError",
    "Subjects",
    "TargetGroupPace",
    "TargetKind",
    "TaskScaling",
    "TestDatabase",
    "WhenALaterFails",
    "load",
    "load_file",
    "parse",
    "variable_of",
]
