"""A service's virtual environment, created by uv from the service's lock and cached under the lock's hash."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from slipway import toml
from slipway.errors import BadInputError, RefusedError
from slipway.untrusted import one_line

LOCKS = ("uv.lock", "pylock.toml", "requirements.txt")
_FOREIGN_LOCKS = {
    "poetry.lock": "poetry export --format requirements.txt --output requirements.txt",
    "pdm.lock": "pdm export --format requirements --output requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
}
_DECORATION = " \u00d7\u2502\u2570\u2500\u25b6"  # drawn by uv before a cause
_OF_THE_TREE = re.compile(r"^\s*(?:-[erc]|--(?:editable|requirement|constraint)\b|\.|[^#\n]*\bfile:)", re.MULTILINE)
READY = "slipway-ready"
_COMPILED = ["--compile-bytecode"]


@dataclass(frozen=True)
class Python:
    """A virtual environment."""

    folder: Path
    site: Path | None = None  # contains the service itself when it is a package

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin/python"

    def variables(self) -> dict[str, str]:
        """Return the variables of a process in this environment."""
        programs = [self.folder / "bin", *([self.site / "bin"] if self.site else [])]
        path = {"PATH": os.pathsep.join([*map(str, programs), os.defpath]), "VIRTUAL_ENV": str(self.folder)}
        return path | ({"PYTHONPATH": str(self.site)} if self.site else {})


def lock_of(tree: Path) -> Path:
    """Find the file that pins the service's dependencies, its own or its workspace's; raises BadInputError when uv reads none of them."""
    for name in LOCKS:
        if (tree / name).is_file():
            return tree / name
    if root := workspace_of(tree):
        if (root / "uv.lock").is_file():
            return root / "uv.lock"
        raise BadInputError(f"the workspace {root} has no uv.lock", "run `uv lock` there and commit uv.lock")
    for name, command in _FOREIGN_LOCKS.items():
        if (tree / name).is_file():
            raise BadInputError(f"uv cannot read {name}", f"export it to a requirements.txt: {command}")
    raise BadInputError(f"the service has none of {', '.join(LOCKS)}", "run `uv lock` and commit uv.lock")


def workspace_of(tree: Path) -> Path | None:
    """Find the workspace that a project is a member of, as uv does: the nearest one above."""
    for above in tree.resolve().parents:
        workspace = _document(above / "pyproject.toml").get("tool", {}).get("uv", {}).get("workspace")
        if workspace is not None:
            members, excluded = (_folders(above, workspace.get(key, ())) for key in ("members", "exclude"))
            return above if tree.resolve() in members - excluded else None
    return None


def _folders(root: Path, patterns: Sequence[str]) -> set[Path]:
    return {folder.resolve() for pattern in patterns for folder in root.glob(pattern)}


def _document(pyproject: Path) -> dict[str, Any]:
    try:
        return toml.loads(pyproject.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


class Needed(Enum):
    """The dependencies that an environment has: those that are always installed, or extras and groups as well."""

    ALWAYS = ()
    EVER = ("--all-extras", "--all-groups")


def prepare(tree: Path, cache: Path, *, in_place: bool = False, needed: Needed = Needed.ALWAYS) -> Python:
    """Return the environment for an unpacked tree, created unless cached.

    With `in_place` the tree is a work tree: packages in it are linked, so that they are always as they are edited, and no file is written
    beside it. Raises BadInputError, and RefusedError with uv's message.
    """
    lock = lock_of(tree)
    file = tree / "pyproject.toml"
    package = file.is_file() and is_package(file.read_text(encoding="utf-8"))
    if package:
        _check_named_files(tree)
    linked = in_place and (package or lock.parent != tree)
    extras = needed.value if lock.name == "uv.lock" else ()  # other locks hold what was exported
    folder = cache / "environments" / _key(tree, lock, *extras, linked=linked)
    with _locked(folder):
        if not (folder / READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(tree, lock, folder, *extras, linked=linked, package=package)
        (folder / READY).touch()
    return Python(folder, _install_project(tree, folder) if package and not linked else None)


def _check_named_files(tree: Path) -> None:
    """Raise BadInputError when a file is missing that the package's build reads."""
    project = _document(tree / "pyproject.toml").get("project", {})
    for key in ("readme", "license"):
        named = project.get(key)
        text = named.get("file") if isinstance(named, dict) else named if key == "readme" else None
        if isinstance(text, str) and not (tree / text).is_file():
            raise BadInputError(
                f"the package does not build: {text}, the {key} in pyproject.toml, is not among the shipped files",
                f'add "{text}" to sources in [tool.slipway], or remove {key}',
            )


def _key(tree: Path, lock: Path, *extras: str, linked: bool = False) -> str:
    """Hash the lock, project files and extras; with packages of the tree itself the key is for this tree alone."""
    total = hashlib.sha256("".join((lock.name, *extras)).encode() + lock.read_bytes())
    for name in (".python-version", *(["pyproject.toml"] if lock.name != "requirements.txt" else [])):
        if (tree / name).is_file():
            total.update((tree / name).read_bytes())
    if linked or _has_local_packages(lock):
        total.update(str(tree).encode())
    return total.hexdigest()[:16]


def _has_local_packages(lock: Path) -> bool:
    if lock.name == "requirements.txt":
        return _OF_THE_TREE.search(lock.read_text(encoding="utf-8")) is not None
    if lock.name == "pylock.toml":
        return any(
            "directory" in package for package in toml.loads(lock.read_text(encoding="utf-8")).get("packages", [])
        )
    packages = toml.loads(lock.read_text(encoding="utf-8")).get("package", [])
    places = (
        package.get("source", {}).get(kind) for package in packages for kind in ("editable", "directory", "virtual")
    )
    return any(place not in (None, ".") for place in places)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock under which concurrent runs create an environment once."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_suffix(".lock").open("w")
    except OSError as error:
        raise BadInputError(
            f"the cache {folder.parent} cannot be written", f"{error.strerror}; set XDG_CACHE_HOME to a writable folder"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(tree: Path, lock: Path, folder: Path, *extras: str, linked: bool, package: bool) -> None:
    if lock.name == "uv.lock":
        copied = () if linked else ("--no-install-project", "--no-editable")
        _uv(["sync", "--frozen", *(extras or ("--no-dev",)), *copied, *_COMPILED], tree, folder)
        return
    _uv(["venv", str(folder)], tree, folder)
    _uv([*_pip_install(folder), "--requirement", str(lock)], tree, folder)
    if linked and package:
        _uv([*_pip_install(folder), "--no-deps", "--editable", str(tree)], tree, folder)


def is_package(pyproject: str) -> bool:
    """Return whether uv installs the service itself: it has a build system, or tool.uv.package says so."""
    document = toml.loads(pyproject)
    explicit = document.get("tool", {}).get("uv", {}).get("package")
    return bool("build-system" in document if explicit is None else explicit)


def _install_project(tree: Path, folder: Path) -> Path:
    site = tree.with_name(f"{tree.name}-site")
    if not site.is_dir():
        _uv([*_pip_install(folder), "--no-deps", "--target", str(site), str(tree)], tree, folder)
    return site


def _pip_install(folder: Path) -> list[str]:
    return ["pip", "install", "--python", str(folder / "bin/python"), *_COMPILED]


def uv() -> str:
    """Find uv; raises BadInputError."""
    program = shutil.which("uv")
    if program is None and importlib.util.find_spec("uv"):
        from uv import find_uv_bin  # the wheel of slipway-gate[local]

        program = find_uv_bin()
    if program is None:
        raise BadInputError("uv is not installed on this machine", "install it, or install slipway-gate[local]")
    return program


def _uv(arguments: Sequence[str], tree: Path, folder: Path) -> None:
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in ("UV_PYTHON", "VIRTUAL_ENV", "UV_PROJECT", "PYTHONPATH")
    }
    done = subprocess.run(
        [uv(), *arguments, "--quiet"],
        cwd=tree,
        env=inherited | {"UV_PROJECT_ENVIRONMENT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        if "No interpreter found" in done.stderr:
            raise RefusedError(
                one_line(done.stderr),
                "install one with `uv python install`, or correct .python-version or requires-python",
            )
        causes = [line.lstrip(_DECORATION) for line in done.stderr.splitlines() if line.strip()]
        reasons = dict.fromkeys((*causes[:1], *[cause for cause in causes if not cause.startswith("hint")][-1:]))
        raise RefusedError(f"uv {arguments[0]} failed", "; ".join(reasons) or f"exit code {done.returncode}")
