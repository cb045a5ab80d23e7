"""alembic's configuration as its command line reads it: settings file, section, `-x` arguments and pyproject.toml."""

import configparser
import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from alembic import __version__
from alembic.config import CommandLine, Config
from alembic.script import ScriptDirectory

from slipway.errors import BadInputError

PYPROJECT = "pyproject.toml"
SECTION = "alembic"
_NAMED = "name alembic's settings file in [tool.slipway.migrations] config"


@dataclass(frozen=True, kw_only=True)
class Call:
    """How alembic is called.

    Paths are relative to the service's folder. The working directory is `directory` in this folder.
    - scripts: the folder with env.py, if the settings file does not name it, as with Flask-Migrate.
    - app: the Flask application in whose context env.py runs, or advanced-alchemy's config object. An empty text is the
      application that Flask finds.
    """

    config: Path
    section: str = SECTION
    x_arguments: Sequence[str] = ()
    directory: str = ""
    scripts: str = ""
    app: str | None = None

    @property
    def folder(self) -> Path:
        """The absolute path of the service's folder, while the process is in the working directory."""
        here = Path.cwd()
        return here.parents[len(Path(self.directory).parts) - 1] if self.directory else here

    def from_here(self, file: Path | str) -> Path:
        """Return a path relative to the working directory."""
        return Path(os.path.relpath(self.folder / file)) if self.directory else Path(file)


def read(call: Call) -> Config:
    """Read alembic's settings for `alembic upgrade heads`. Raise BadInputError when they cannot be read.

    Like alembic since 1.16, also read the table [tool.alembic] of pyproject.toml in the working directory.
    """
    file = call.from_here(call.config)
    try:
        config = _read(file, call)
    except (configparser.Error, ValueError) as error:  # the file is no INI or TOML
        raise BadInputError(f"{file} cannot be read", " ".join(str(error).split())) from error
    if call.scripts:
        config.set_main_option("script_location", str(call.from_here(call.scripts)).replace("%", "%%"))
    return config


@cache
def _parser() -> ArgumentParser:
    return CommandLine(prog="alembic").parser


def _read(file: Path, call: Call) -> Config:
    section = call.section
    ini, toml = (Path("alembic.ini"), file) if file.name == PYPROJECT else (file, Path(PYPROJECT))
    command = ["--name", section, *(f"-x{argument}" for argument in call.x_arguments), "upgrade", "heads"]
    options = _parser().parse_args(["--config", str(file), *command])
    reads_toml = hasattr(Config, "toml_alembic_config")
    more: dict[str, Any] = {"toml_file": str(toml)} if reads_toml else {}
    config = Config(str(ini), ini_section=section, cmd_opts=options, **more)
    if ini.is_file() and config.file_config.has_section(section):
        return config
    in_toml = reads_toml and bool(config.toml_alembic_config)
    if section != SECTION or (ini.is_file() and config.file_config.sections() and not call.scripts and not in_toml):
        sections = ", ".join(f"[{name}]" for name in config.file_config.sections()) or "none"
        step = "correct section" if section != SECTION else "correct the section's name"
        raise BadInputError(
            f"{ini if ini.is_file() else file} has no section [{section}]", f"it has {sections}; {step}"
        )
    if file.name != PYPROJECT and not ini.is_file() and not call.scripts and not in_toml:
        raise BadInputError(f"there is no {file} in {Path.cwd()}", _nearby())
    if toml.is_file() and not reads_toml and not ini.is_file():
        raise BadInputError(f"alembic {__version__} reads no {toml}", "use alembic 1.16 or newer")
    return config


def _nearby() -> str:
    """Return the next step for a missing settings file. It names settings files in the folders below."""
    near = sorted(str(path) for pattern in ("*/alembic.ini", "*/*/alembic.ini") for path in Path().glob(pattern))
    return f"{_NAMED}; there is {', '.join(near[:3])}" if near else _NAMED


def files(config: Config) -> tuple[str, ...]:
    """Return the files of the configuration, which may be missing."""
    toml = config.toml_file_name if getattr(config, "toml_alembic_config", {}) else None
    return tuple(filter(None, (config.config_file_name, toml)))


def other_environments(config: Config) -> tuple[str, ...]:
    """Return the other sections that `alembic --name` could use: with a script_location, and with an own value for it or the database."""
    ini, ours = config.file_config, config.config_ini_section
    shared = ini.defaults()  # of every section, also [loggers]
    own = ("script_location", "version_locations", "sqlalchemy.url")
    return tuple(
        name
        for name in ini.sections()
        if name != ours
        and ini.has_option(name, "script_location")
        and any(ini.get(name, key, raw=True, fallback=None) != shared.get(key) for key in own)
    )


def scripts_of(config: Config) -> ScriptDirectory:
    """Return the revisions. Packages are imported from this folder, even when a copy is installed elsewhere."""
    ours = Path("src").absolute()
    if any((ours / package).is_dir() and not Path(package).is_dir() for package in _packages(config)):
        sys.path.insert(0, str(ours))
    return ScriptDirectory.from_config(config)


def _packages(config: Config) -> Iterator[str]:
    """Yield the packages in script_location and version_locations, whose values may be `package.module:folder`."""
    get = getattr(config, "get_alembic_option", config.get_main_option)
    for value in filter(None, (get("script_location"), get("version_locations"))):
        for package in re.findall(r"(?<![\w./])([\w.]+):", value if isinstance(value, str) else "\n".join(value)):
            yield package.replace(".", "/")
