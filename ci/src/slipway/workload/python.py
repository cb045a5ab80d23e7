"""A service's virtual environment, which exists already or is created by `dependencies`."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway import toml
from slipway.errors import BadInputError, ObstaclesError, SlipwayError

READY = "slipway-ready"
OLDEST_PYTHON = "3.10"  # the oldest version on which the gate runs


@dataclass(frozen=True)
class Python:
    """A virtual environment."""

    folder: Path
    site: Path | None = None  # the folder with the service's own modules
    made_from: str = ""  # the file with its dependencies; empty for the service's own virtual environment

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin/python"

    def variables(self) -> dict[str, str]:
        """Return the variables of a process in this virtual environment."""
        programs = [self.folder / "bin", *([self.site / "bin"] if self.site else [])]
        path = {"PATH": os.pathsep.join([*map(str, programs), os.defpath]), "VIRTUAL_ENV": str(self.folder)}
        return path | ({"PYTHONPATH": str(self.site)} if self.site else {})


def named_environment(place: Path) -> Python:
    """Return the virtual environment that a person names by its folder or interpreter.

    Raise BadInputError when there is none.
    """
    home = place.parent.parent if place.is_file() else place
    if not (home / "bin/python").exists():
        raise BadInputError(f"{place} is no virtual environment", "name the folder that holds bin/python")
    return Python(home.resolve())


def sources_of(tree: Path) -> Path:
    """Return the folder from which a service's own modules are imported."""
    return tree / "src" if (tree / "src").is_dir() else tree


def workspace_of(tree: Path) -> Path | None:
    """Return the workspace of which a project is a member, as uv finds it: the nearest one above."""
    for above in tree.resolve().parents:
        workspace = document_of(above / "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace")
        if workspace is not None:
            members, excluded = (_folders(above, workspace.get(key, ())) for key in ("members", "exclude"))
            return above if tree.resolve() in members - excluded else None
    return None


def _folders(root: Path, patterns: Sequence[str]) -> set[Path]:
    return {folder.resolve() for pattern in patterns for folder in root.glob(pattern)}


def document_of(pyproject: Path) -> dict[str, Any]:
    """Return the content of a pyproject.toml; empty when it is missing or unusable."""
    try:
        return toml.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def is_package(pyproject: str) -> bool:
    """Return whether uv installs the service itself, because of a build system or tool.uv.package."""
    document = toml.loads(pyproject)
    explicit = document.get("tool", {}).get("uv", {}).get("package")
    return bool("build-system" in document if explicit is None else explicit)


def is_too_old(version: str) -> bool:
    minor = version.partition(".")[2]  # "13t" is a free-threaded version
    return minor.isdecimal() and int(minor) < int(OLDEST_PYTHON.partition(".")[2])


_PACKAGES = {"sqlalchemy": ("SQLAlchemy", (1, 4)), "alembic": ("alembic", (1, 8))}


def check_environment(python: Python) -> None:
    """Raise ObstaclesError with all parts of a virtual environment with which the gate cannot run: Python, SQLAlchemy or alembic missing or too old."""
    libraries = sorted((python.folder / "lib").glob("python3.*"))
    if not libraries:
        return
    obstacles: list[SlipwayError] = []
    origin = python.made_from or python.folder
    version = libraries[0].name.removeprefix("python")
    if is_too_old(version):
        obstacles.append(
            BadInputError(
                f"{python.folder} has Python {version}, and the gate runs on {OLDEST_PYTHON} or newer",
                "pass an environment of a newer Python with --python DIR; or remove .venv, and slipway makes an environment",
            )
        )
    for name, (spelled, oldest) in _PACKAGES.items():
        installed = _installed(libraries[0] / "site-packages", name)
        if installed is None and not _sees_others(python.folder):
            what = f"{origin} has no {spelled}"
            step = f"add the packages that the migrations need to it, {spelled} among them"
            other = ", or pass an environment that has them with --python DIR" if python.made_from else ""
            obstacles.append(BadInputError(what, f"{step}{other}"))
        elif installed is not None and installed < oldest:
            what = f"{origin} has {spelled} {'.'.join(map(str, installed))}, and slipway needs {'.'.join(map(str, oldest))} or newer"
            obstacles.append(BadInputError(what, f"update {spelled} in the service first"))
    if obstacles:
        raise ObstaclesError(obstacles)


def _sees_others(folder: Path) -> bool:
    """Return whether an environment also uses packages installed elsewhere: it is not virtual, or it sees the system's packages."""
    config = folder / "pyvenv.cfg"
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    return not text or re.search(r"include-system-site-packages\s*=\s*true", text) is not None


def _installed(site: Path, name: str) -> tuple[int, ...] | None:
    """Return the version of an installed package, from its metadata's folder; None when it is not installed."""
    for folder in (*site.glob("*.dist-info"), *site.glob("*.egg-info")):
        package, _, version = folder.name.partition("-")
        if package.lower() == name:
            return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    return None
