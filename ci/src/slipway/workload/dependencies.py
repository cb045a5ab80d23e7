"""The virtual environment of a service, made by uv from its own lock and kept under the lock's hash: the next release with this lock finds it."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInputError, RefusedError

LOCKS = ("uv.lock", "pylock.toml", "requirements.txt")
_FOREIGN_LOCKS = {
    "poetry.lock": "poetry export --format requirements.txt --output requirements.txt",
    "pdm.lock": "pdm export --format requirements --output requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
}
_DECORATION = " \u00d7\u2502\u2570\u2500\u25b6"  # what uv draws before a cause
_OF_THE_TREE = re.compile(r"^\s*(?:-[erc]|--(?:editable|requirement|constraint)\b|\.|[^#\n]*\bfile:)", re.MULTILINE)
_READY = "slipway-ready"


@dataclass(frozen=True)
class Python:
    """A virtual environment in `folder`; `site` holds the service itself when it is a package of its own."""

    folder: Path
    site: Path | None = None

    @property
    def interpreter(self) -> Path:
        return self.folder / "bin/python"

    def variables(self) -> dict[str, str]:
        """What a process in this environment is told."""
        programs = [self.folder / "bin", *([self.site / "bin"] if self.site else [])]
        path = {"PATH": os.pathsep.join([*map(str, programs), os.defpath]), "VIRTUAL_ENV": str(self.folder)}
        return path | ({"PYTHONPATH": str(self.site)} if self.site else {})


def lock_of(tree: Path) -> Path:
    """The file that pins the service's dependencies; raises BadInputError when there is none that uv reads."""
    for name in LOCKS:
        if (tree / name).is_file():
            return tree / name
    for name, command in _FOREIGN_LOCKS.items():
        if (tree / name).is_file():
            raise BadInputError(f"{name} is no lock that uv reads", f"write a requirements.txt from it: {command}")
    raise BadInputError(f"the service has none of {', '.join(LOCKS)}", "run `uv lock` and commit uv.lock")


def prepare(tree: Path, cache: Path) -> Python:
    """The environment for an unpacked tree, made unless the cache has it; raises BadInputError, and RefusedError with uv's words."""
    lock = lock_of(tree)
    folder = cache / "environments" / _key(tree, lock)
    with _alone(folder):
        if not (folder / _READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _install(tree, lock, folder)
            (folder / _READY).touch()
    file = tree / "pyproject.toml"
    package = file.is_file() and is_package(file.read_text(encoding="utf-8"))
    return Python(folder, _install_project(tree, folder) if package else None)


def _key(tree: Path, lock: Path) -> str:
    """The hash of what is installed; a lock with packages of this very tree is good for this tree alone."""
    total = hashlib.sha256(lock.name.encode() + lock.read_bytes())
    for name in (".python-version", *(["pyproject.toml"] if lock.name != "requirements.txt" else [])):
        if (tree / name).is_file():
            total.update((tree / name).read_bytes())
    if _has_local_packages(lock):
        total.update(str(tree).encode())
    return total.hexdigest()[:16]


def _has_local_packages(lock: Path) -> bool:
    if lock.name == "requirements.txt":
        return _OF_THE_TREE.search(lock.read_text(encoding="utf-8")) is not None
    if lock.name == "pylock.toml":
        return any(
            "directory" in package for package in tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", [])
        )
    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("package", [])
    places = (
        package.get("source", {}).get(kind) for package in packages for kind in ("editable", "directory", "virtual")
    )
    return any(place not in (None, ".") for place in places)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs that need the same environment make it once."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_suffix(".lock").open("w")
    except OSError as error:
        raise BadInputError(
            f"the cache {folder.parent} cannot be written", f"{error.strerror}; set XDG_CACHE_HOME to a folder that can"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(tree: Path, lock: Path, folder: Path) -> None:
    if lock.name == "uv.lock":
        _uv(tree, "sync", "--frozen", "--no-dev", "--no-install-project", "--no-editable", folder=folder)
        return
    _uv(tree, "venv", str(folder), folder=folder)
    _uv(tree, "pip", "install", "--python", str(folder / "bin/python"), "--requirement", str(lock), folder=folder)


def is_package(pyproject: str) -> bool:
    """Whether a service is itself installed, by uv's own rule: it has a build system, unless tool.uv.package says otherwise."""
    document = tomllib.loads(pyproject)
    said = document.get("tool", {}).get("uv", {}).get("package")
    return bool("build-system" in document if said is None else said)


def _install_project(tree: Path, folder: Path) -> Path:
    site = tree.with_name(f"{tree.name}-site")
    if not site.is_dir():
        _uv(
            tree,
            "pip",
            "install",
            "--python",
            str(folder / "bin/python"),
            "--no-deps",
            "--target",
            str(site),
            str(tree),
            folder=folder,
        )
    return site


def uv() -> str:
    """Where uv is; raises BadInputError."""
    found = shutil.which("uv")
    if found is None and importlib.util.find_spec("uv"):
        from uv import find_uv_bin  # the wheel of slipway[local]

        found = find_uv_bin()
    if found is None:
        raise BadInputError("there is no uv on this machine", "install it, or install slipway[local]")
    return found


def _uv(tree: Path, *arguments: str, folder: Path) -> None:
    inherited = {
        key: value
        for key, value in os.environ.items()
        if key not in ("UV_PYTHON", "VIRTUAL_ENV", "UV_PROJECT", "PYTHONPATH")
    }
    command = (
        [uv(), *arguments, "--quiet", "--compile-bytecode"] if arguments[0] != "venv" else [uv(), *arguments, "--quiet"]
    )
    done = subprocess.run(
        command,
        cwd=tree,
        env=inherited | {"UV_PROJECT_ENVIRONMENT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = [line.lstrip(_DECORATION) for line in done.stderr.splitlines() if line.strip()]
        raise RefusedError(f"uv {arguments[0]} failed", "; ".join(said[:3]) or f"exit code {done.returncode}")
