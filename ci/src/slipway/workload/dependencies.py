"""A service's virtual environment. uv creates it from the service's lock; it is cached under a hash of the lock."""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from slipway import toml
from slipway.errors import BadInputError
from slipway.finder.interpreter import bounds, versions
from slipway.finder.locks import declaration, lock, names_of, normal, parts
from slipway.finder.requirements import FOREIGN, constraints, requirements, requirements_of_parts
from slipway.finder.tree import Tree, table_in, tree_at, without_password
from slipway.records.progress import SILENT, repeated
from slipway.records.survey import Subject
from slipway.untrusted import one_line
from slipway.workload.inherited import PASSED, inherited
from slipway.workload.python import (
    OLDEST_PYTHON,
    READY,
    Python,
    document_of,
    is_package,
    is_too_old,
    sources_of,
    workspace_of,
)

LOCKS = ("uv.lock", "pylock.toml", "requirements.txt")
_DEPENDENCIES = ("requires-python", "dependencies", "optional-dependencies")
_METADATA = ("name", "version", "dynamic", "scripts", "gui-scripts", "entry-points")
# uv.lock contains the project's own version, which changes with each release.
_OWN_VERSION = re.compile(rb'^version = .*\n(?=source = \{ (?:editable|virtual) = "\." \})', re.MULTILINE)
_DECORATION = " \u00d7\u2502\u2570\u2500\u25b6"  # uv draws these characters before a cause
_OF_THE_TREE = re.compile(r"^\s*(?:-e|--editable\b|\.|[^#\n]*\bfile:)", re.MULTILINE)
_INCLUDED = re.compile(r"^\s*(?:-[rc]|--(?:requirement|constraint)\b)[ =]*(\S+)", re.MULTILINE)
# The form of uv.lock, which only uv writes. tomllib would add a quarter of a second to each start of an instance.
_BESIDE_THE_PROJECT = re.compile(r'^source = \{ (?:editable|directory|virtual) = "(?!\.")', re.MULTILINE)
# Projects of other tools are imported from their sources, because their build backends may be too old to build them.
_NOT_INSTALLED = (*FOREIGN, "pyproject.toml")
_FROM_GIT = re.compile(
    r"""(?:\bgit\+|\bgit = ")((?:\w+://)?(?:[^/@\s`"]*@)?[^@?#;\s`"]+)"""
)  # the forms of requirements, of uv.lock, and of uv's output
_UNREACHED = re.compile(r"unable to access '([^']+?)/?'")
_GIT_SECONDS = 20
_BUILT = re.compile(r"Failed to (?:build|download and build) `([^`]+)`")
# uv's error about a missing interpreter. The second form names the archive that could not be downloaded.
_NO_PYTHON = re.compile(
    r"No interpreter found for (?:Python )?(?:[<>=~]*)(\d[\d.]*)|Failed to download.*?cpython-(3\.\d+)"
)
# Source distributions from before 2026 may need a module that setuptools 82 has removed.
_NEEDS_OLDER = re.compile(r"No module named 'pkg_resources'")
_OLDER_SETUPTOOLS = "setuptools<82\n"
# For build backends that read a version from git, which an unpacked release lacks.
_WITHOUT_GIT = MappingProxyType(
    dict.fromkeys(
        (
            "SETUPTOOLS_SCM_PRETEND_VERSION",
            "PDM_BUILD_SCM_VERSION",
            "UV_DYNAMIC_VERSIONING_BYPASS",
            "POETRY_DYNAMIC_VERSIONING_BYPASS",
        ),
        "0",
    )
)
# they describe slipway's virtual environment, not the service's
_OF_ANOTHER = ("UV_PYTHON", "UV_PROJECT", "VIRTUAL_ENV")
_PLAIN = re.compile(r"\w[\w.+-]*", re.ASCII)
_NO_LOGIN = re.compile(r"\b40[13]\b|[Cc]redentials|[Aa]uthenticat")


class UnbuiltError(BadInputError):
    """Packages that do not build on this machine, each with the cause."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        what = "; ".join(
            f"the package {name} does not build on this machine: {cause}" for name, cause in causes.items()
        )
        need = "their builds need" if len(causes) > 1 else "its build needs"
        remedy = f"install what {need}, or, for gate and rehearse, pass the service's own virtual environment with --python DIR"
        super().__init__(what, remedy)
        self.causes, self.package = causes, next(iter(causes))


class MissingPythonError(BadInputError):
    """A version of Python that this machine lacks and that cannot be downloaded."""


class UnfetchedError(BadInputError):
    """Git dependencies that this machine cannot fetch."""

    def __init__(self, addresses: Sequence[str], cause: str) -> None:
        remedy = "give git on this machine access to {}, or, for gate and rehearse, pass the service's own virtual environment with --python DIR"
        named = list(map(without_password, addresses))
        several = len(named) > 1
        what = f"the dependencies {', '.join(named[:-1])} and {named[-1]}" if several else f"the dependency {named[0]}"
        super().__init__(f"{what} cannot be fetched: {cause}", remedy.format("them" if several else "it"))
        self.addresses, self.cause = addresses, cause


def lock_of(tree: Path, view: Tree) -> Path:
    """Return the file that pins the service's dependencies, its own or its workspace's.

    Without one, return the file that declares them.
    Raise BadInputError when there is neither.
    """
    for name in LOCKS:
        if (tree / name).is_file():
            return tree / name
    if root := workspace_of(tree):
        if (root / "uv.lock").is_file():
            return root / "uv.lock"
        raise BadInputError(f"the workspace {root} has no uv.lock", "run `uv lock` there and commit uv.lock")
    found = lock(view) or declaration(view)
    if found is None:
        raise BadInputError(
            "no file declares the service's dependencies: there is no lock, pyproject.toml, setup.cfg or requirements.txt",
            "pass its virtual environment with --python DIR; or run `uv init --bare` and `uv add PACKAGE…`, and commit uv.lock",
        )
    return tree / found.value


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """The plan of a virtual environment: the file with its dependencies, its Python, and the installed parts of the project."""

    tree: Path
    lock: Path
    view: Tree
    linked: bool
    package: bool
    everything: bool
    without: tuple[str, ...] = ()  # packages to leave out, because they do not build

    @property
    def pinned_for_uv(self) -> bool:
        return self.lock.name == "uv.lock"

    @cached_property
    def parts(self) -> list[str]:
        """Return uv's flags for the groups and extras that the migrations need, or for all of them."""
        if self.everything and self.pinned_for_uv:
            return ["--all-extras", "--all-groups"]
        flags = {Subject.GROUP: "--group", Subject.EXTRA: "--extra"}
        return [word for fact in parts(self.view) for word in (flags[fact.subject], fact.value)]

    @cached_property
    def python(self) -> list[str]:
        """Return uv's flag for the Python version that a file names, or for the range that the project allows."""
        fact, allowed = next(versions(self.view), (None, None))
        if fact is None or fact.place.endswith("pyvenv.cfg"):
            return []
        version = OLDEST_PYTHON if is_too_old(fact.value) else fact.value
        return ["--python", str(replace(allowed, oldest=version)) if allowed else version]


def notes(view: Tree) -> tuple[str, ...]:
    """Return sentences on how the virtual environment of `prepare` differs from production's."""
    declared = None if lock(view) else declaration(view)
    named = (fact for fact, allowed in [*versions(view)][:1] if not allowed)
    python = next((fact for fact in named if is_too_old(fact.value)), None)
    return tuple(
        filter(
            None,
            (
                f"nothing pins the dependencies: the newest that {declared.value} allows were installed"
                if declared
                else "",
                f"the revisions ran on Python {OLDEST_PYTHON}, the oldest that the gate supports; {python.place} names {python.value}"
                if python
                else "",
            ),
        )
    )


def prepare(
    tree: Path,
    cache: Path,
    *,
    in_place: bool = False,
    everything: bool = False,
    tell: Callable[[str], None] = SILENT.stage,
) -> Python:
    """Return the virtual environment for an unpacked tree.

    Create it unless it is cached. Raise BadInputError, if necessary with uv's message.
    - in_place: whether the tree is a work tree. Its packages are then linked, so edits take effect at once, and no file
      is written beside it.
    - everything: whether to install all extras and groups in a uv.lock.
    - tell: is called before a virtual environment is created.
    """
    plan = _planned(tree, in_place=in_place, everything=everything)
    folder = cache / "environments" / _key(plan)
    try:
        with _locked(folder):
            if not (folder / READY).exists() or _is_outdated(plan, folder):
                work = f"making an environment from {os.path.relpath(plan.lock, tree)}"
                tell(work)
                with repeated(tell, lambda: work):
                    note = _make(plan, folder, tell)
                (folder / READY).write_text(note, encoding="utf-8")
            (folder / READY).touch()
        return _with_project(plan, folder)
    except UnbuiltError as error:
        if missing := _of_a_missing_file(tree, error):
            raise missing from error
        raise


def shared(tree: Path, other: Path, python: Python) -> Python | None:
    """Return another tree's virtual environment with this tree's modules first; None when this tree needs other packages."""
    plan, of_other = (_planned(each, in_place=False, everything=False) for each in (tree, other))
    return _with_project(plan, python.folder) if python.made_from and _key(plan) == _key(of_other) else None


def _planned(tree: Path, *, in_place: bool, everything: bool) -> _Plan:
    view = tree_at(tree)
    pinning = lock_of(tree, view)
    file = tree / "pyproject.toml"
    package = bool(document_of(file)) and is_package(file.read_text(encoding="utf-8"))
    built = package and pinning.name not in _NOT_INSTALLED
    linked = in_place and (built or pinning.parent != tree)
    return _Plan(tree=tree, lock=pinning, view=view, linked=linked, package=built, everything=everything)


def _with_project(plan: _Plan, folder: Path) -> Python:
    """Return a virtual environment that also finds the project's own modules."""
    if plan.package or plan.pinned_for_uv:
        site = _install_project(plan.tree, folder) if plan.package and not plan.linked else None
        return Python(folder, site, plan.lock.name)
    return Python(folder, sources_of(plan.tree), plan.lock.name)


def _of_a_missing_file(tree: Path, error: UnbuiltError) -> BadInputError | None:
    """Return the error of a build that failed for a file that pyproject.toml names and the tree lacks.

    Some build backends only warn about such a file.
    """
    project = document_of(tree / "pyproject.toml").get("project", {})
    for key in ("readme", "license"):
        named = project.get(key)
        text = named.get("file") if isinstance(named, dict) else named if key == "readme" else None
        if isinstance(text, str) and not (tree / text).is_file() and text in " ".join(error.causes.values()):
            return BadInputError(
                f"{error.what}; {text}, the {key} in pyproject.toml, is not among the shipped files",
                f'remove {key}, or, if the service has that file, add "{text}" to sources in [tool.slipway]',
            )
    return None


def _key(plan: _Plan) -> str:
    """Return a hash of everything that uv reads: the lock, the files that it includes, and tables.

    If it contains the tree's own packages, the hash is for this tree only.
    """
    tree, lock = plan.tree, plan.lock
    total = hashlib.sha256(lock.name.encode() + " ".join((*plan.parts, *plan.python)).encode())
    if _is_translated(plan):
        total.update(repr(_translated(plan)).encode())
    else:
        for file in _included(lock):
            total.update(_OWN_VERSION.sub(b"", file.read_bytes()))
        total.update(repr(requirements_of_parts(plan.view)).encode())
    if (tree / ".python-version").is_file():
        total.update((tree / ".python-version").read_bytes())
    if lock.name != "requirements.txt":
        total.update(repr(_read_by_uv(plan)).encode())
    if plan.linked or _has_local_packages(lock):
        total.update(str(tree).encode())
    return total.hexdigest()[:16]


def _read_by_uv(plan: _Plan) -> dict[str, Any]:
    """Return the parts of pyproject.toml that affect a virtual environment.

    Include those of the project itself only if it is installed there.
    """
    document = document_of(plan.tree / "pyproject.toml")
    build, tools = normal(repr(document.get("build-system"))), table_in(document, "tool")
    is_inside = plan.linked and plan.package
    metadata = _METADATA if is_inside or not (plan.package or plan.pinned_for_uv) else ()  # `_name` explains this
    keys = _DEPENDENCIES + metadata
    return {
        "tool": {name: tools[name] for name in tools if name == "uv" or (is_inside and normal(name) in build)},
        "build": build if is_inside else "",
        "project": {key: value for key, value in table_in(document, "project").items() if key in keys},
        "poetry": {key: table_in(tools, "poetry").get(key) for key in metadata},
    }


def _included(lock: Path) -> list[Path]:
    """Return a lock file; for pip's requirements.txt, also the files that it includes."""
    files = [lock]
    for file in files if lock.suffix == ".txt" else ():
        named = (file.parent / name for name in _INCLUDED.findall(file.read_text(encoding="utf-8")))
        files += [each.resolve() for each in named if each.is_file() and each.resolve() not in files]
    return files


def _has_local_packages(lock: Path) -> bool:
    text = "\n".join(file.read_text(encoding="utf-8") for file in _included(lock))
    if lock.name == "pylock.toml":
        return any("directory" in package for package in toml.loads(text).get("packages", []))
    return (_BESIDE_THE_PROJECT if lock.name == "uv.lock" else _OF_THE_TREE).search(text) is not None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock under which concurrent runs create a virtual environment only once."""
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


def _make(plan: _Plan, folder: Path, tell: Callable[[str], None]) -> str:
    """Create a virtual environment, if necessary with another allowed Python on this machine.

    Return a note about the other Python.
    This happens when the Python that a file names is unavailable, or when a package does not build for it.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _install(plan, folder, _oldest_here(plan.python))
    except MissingPythonError:
        version = _nearest(plan)
        if not version:
            raise
        tell(f"there is no Python {plan.python[1]} here; taking {version}, which the project allows, too")
        _install(plan, folder, ["--python", version])
        return _of_another_python(plan, version)
    except UnfetchedError as error:
        raise UnfetchedError([*error.addresses, *_unfetched(plan, error.addresses)], error.cause) from error
    except UnbuiltError as error:
        first = _version_of(folder)
        for version in _pythons_here(plan.python):
            if version != first:
                tell(f"{error.package} does not build for Python {first}; trying {version}")
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(UnbuiltError):
                    _install(plan, folder, ["--python", version])
                    return f"the revisions ran on Python {version}: {error.package} does not build for {first}"
        raise UnbuiltError(_all_unbuilt(plan, folder, error.causes)) from error
    return ""


def _all_unbuilt(plan: _Plan, folder: Path, causes: Mapping[str, str]) -> Mapping[str, str]:
    """Return every package that does not build, with its cause. uv stops at the first one, so each is left out of another try."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _install(replace(plan, without=tuple(names_of(causes))), folder, _oldest_here(plan.python))
    except UnbuiltError as error:
        if not error.causes.keys() <= causes.keys():
            return _all_unbuilt(plan, folder, {**causes, **error.causes})
    except BadInputError:
        pass
    return causes


def _nearest(plan: _Plan) -> str:
    """Return the version on this machine nearest to the one that a file names, within the allowed range; empty when there is none."""
    allowed, minor = bounds(plan.view), _named_minor(plan)
    if allowed is None or minor is None:
        return ""
    here = _pythons_here(["--python", str(allowed)])
    return min(here, key=lambda version: abs(int(version.partition(".")[2]) - minor), default="")


def _named_minor(plan: _Plan) -> int | None:
    """Return the minor version that a file names; None for a range, or without a file."""
    match = re.fullmatch(r"3\.(\d+)", "".join(plan.python[1:]))
    return int(match[1]) if match else None


def _of_another_python(plan: _Plan, version: str) -> str:
    """Return the note about a virtual environment whose Python is not the one in a file."""
    named = plan.python[1]
    fact, _ = next(versions(plan.view))
    why = f"{fact.place} names {named}, which this machine lacks and uv could not download; `uv python install {named}` brings it"
    return f"the revisions ran on Python {version}: {why}"


def _is_outdated(plan: _Plan, folder: Path) -> bool:
    """Return whether a virtual environment was made with another Python because the named one was missing, and that one now exists."""
    minor = _named_minor(plan)
    return minor is not None and _version_of(folder) != f"3.{minor}" and _is_here(f"3.{minor}")


def _unfetched(plan: _Plan, known: Sequence[str]) -> list[str]:
    """Return the addresses of other git dependencies that also do not answer. uv stops at the first one."""
    text = "\n".join(chain(*_translated(plan))) if _is_translated(plan) else plan.lock.read_text(encoding="utf-8")
    addresses = [each for each in dict.fromkeys(_FROM_GIT.findall(text)) if each not in known]
    with ThreadPoolExecutor() as threads:
        return [each for each, answers in zip(addresses, threads.map(_answers, addresses), strict=True) if not answers]


def _answers(address: str) -> bool:
    """Return whether git can read a repository without asking a person."""
    own = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **_of_uv(), "GIT_TERMINAL_PROMPT": "0"}
    asking = ["git", "ls-remote", "--", address, "HEAD"]
    try:
        return subprocess.run(asking, env=own, capture_output=True, timeout=_GIT_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def python_here(tree: Path) -> str:
    """Return the version of Python on this machine for a tree's virtual environment.

    Raise BadInputError when there is none.
    Nothing is downloaded. uv's cache may be written, because without it uv would start every Python.
    """
    view = tree_at(tree)
    plan = _Plan(tree=tree, lock=lock_of(tree, view), view=view, linked=False, package=False, everything=False)
    asked = "".join(plan.python[1:])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")
    flags = ["--no-python-downloads", "--show-version", *([] if cache.is_dir() else ["--no-cache"])]
    find = [uv(), "python", "find", *flags, *_oldest_here(plan.python)[1:]]
    done = subprocess.run(find, cwd=tree, env=_of_uv(), capture_output=True, text=True, check=False)
    if done.returncode:
        other = _nearest(plan)
        step = f"run `uv python install {_first(asked)}`; the gate tries it, too" + (
            f", and takes {other} otherwise" if other else ""
        )
        raise BadInputError(f"the service's Python {asked} is not on this machine", step)
    return f"Python {done.stdout.strip()}"


def _version_of(environment: Path) -> str:
    """Return the minor version of a virtual environment's Python."""
    config = environment / "pyvenv.cfg"
    text = config.read_text(encoding="utf-8") if config.is_file() else ""
    match = re.search(r"^version(?:_info)?\s*=\s*(3\.\d+)", text, re.MULTILINE)
    return match[1] if match else "3"


def _install(plan: _Plan, folder: Path, python: list[str]) -> None:
    tree = plan.tree
    if plan.pinned_for_uv:
        copied = () if plan.linked else ("--no-install-project", "--no-editable")
        _uv(
            [
                "sync",
                "--frozen",
                *([] if plan.everything else ["--no-dev"]),
                *python,
                *plan.parts,
                *copied,
                *(f"--no-install-package={name}" for name in plan.without),
            ],
            tree,
            folder,
        )
        return
    _uv(["venv", *python, str(folder)], tree, folder)
    with tempfile.TemporaryDirectory(prefix="slipway-lock-") as written:
        _uv([*_pip_install(folder), *_sources(plan, Path(written))], tree, folder)
    if plan.linked and plan.package:
        _uv([*_pip_install(folder), "--no-deps", "--editable", str(tree)], tree, folder)
    elif not plan.package:
        _name(plan.view, folder)


def _name(view: Tree, environment: Path) -> None:
    """Write name and version of a project that is imported from its sources, because its code may read them with importlib.metadata."""
    tables = (view.table("pyproject.toml", "project"), view.table("pyproject.toml", "tool", "poetry"))
    project = next((table for table in tables if "name" in table), {})
    name, version = str(project.get("name", "")), str(project.get("version", "0"))
    for site in environment.glob("lib/python3*/site-packages") if _PLAIN.fullmatch(f"{name}-{version}") else ():
        folder = site / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")


def _oldest_here(wanted: list[str]) -> list[str]:
    """Return the flag for the oldest version of a range if this machine has it, because old packages may not build for the newest."""
    version = _first(wanted[1]) if wanted else ""
    return ["--python", version] if version and _is_here(version) else wanted


def _is_here(version: str) -> bool:
    find = [uv(), "python", "find", "--no-python-downloads", "--no-project", "--quiet", version]
    return subprocess.run(find, env=_of_uv(), capture_output=True, check=False).returncode == 0


def _of_uv() -> dict[str, str]:
    """Return uv's variables. pyenv's folders come last on PATH, because pyenv's shims start only the selected versions."""
    own = {key: value for key, value in inherited(os.environ, installing=True).items() if key not in _OF_ANOTHER}
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = map(str, sorted(root.glob("versions/3.*/bin"), reverse=True))
    return {**own, "PATH": os.pathsep.join(filter(None, (own.get("PATH"), *folders)))}


def _pythons_here(wanted: list[str]) -> list[str]:
    """Return the allowed versions on this machine with which the gate works, the newest first."""
    listing = [uv(), "python", "list", "--only-installed", "--output-format", "json", *wanted[1:]]
    done = subprocess.run(listing, env=_of_uv(), capture_output=True, check=False)
    minors = {tuple(map(int, each["version"].split(".")[:2])) for each in json.loads(done.stdout or "[]")}
    versions = [f"{major}.{minor}" for major, minor in sorted(minors, reverse=True)]
    return [version for version in versions if not is_too_old(version)]


def _sources(plan: _Plan, folder: Path) -> list[str]:
    """Return uv's arguments for the requirements.

    A file that uv cannot read is translated to requirements and constraints.
    """
    omitted = [f"{name} ; python_version < '3'" for name in plan.without]
    if _is_translated(plan):
        required, constrained = _translated(plan)
        files = {"requirement": required, "constraint": constrained, "override": omitted}
        own: list[str] = []
    else:
        of_setup = plan.lock.name in ("setup.cfg", "setup.py")
        files = {"requirement": [] if of_setup else requirements_of_parts(plan.view), "override": omitted}
        if plan.lock.name.startswith("pylock"):  # has its parts already, and uv takes nothing else beside it
            files = {}
        own = ["--requirement", str(plan.lock), *(plan.parts if of_setup else [])]
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines), encoding="utf-8")
    passed = [name for name, lines in files.items() if lines or (name == "requirement" and not own)]
    return [*own, *(word for name in passed for word in (f"--{name}", str(folder / name)))]


def _is_translated(plan: _Plan) -> bool:
    return plan.lock.name in (*_NOT_INSTALLED, "Pipfile")


def _translated(plan: _Plan) -> tuple[list[str], list[str]]:
    """Translate a file that uv cannot read into requirements and constraints."""
    name = plan.lock.name
    return requirements(plan.view), constraints(plan.view, name) if name in FOREIGN else []


def _install_project(tree: Path, folder: Path) -> Path:
    site = tree.with_name(f"{tree.name}-site")
    if not site.is_dir():
        _uv([*_pip_install(folder), "--no-deps", "--target", str(site), str(tree)], tree, folder, _WITHOUT_GIT)
    return site


def _pip_install(folder: Path) -> list[str]:
    return ["pip", "install", "--python", str(folder / "bin/python")]


def uv() -> str:
    """Return the path of uv. Raise BadInputError when it is not installed."""
    program = shutil.which("uv")
    if program is None and importlib.util.find_spec("uv"):
        from uv import find_uv_bin  # installed with slipway-gate[local]

        program = find_uv_bin()
    if program is None:
        raise BadInputError("uv is not installed on this machine", "install it, or install slipway-gate[local]")
    return program


def _uv(arguments: Sequence[str], tree: Path, folder: Path, defaults: Mapping[str, str] = MappingProxyType({})) -> None:
    variables = _of_uv()
    with tempfile.TemporaryDirectory(prefix="slipway-build-") as written:
        older = Path(written, "constraints.txt")
        older.write_text(_OLDER_SETUPTOOLS, encoding="utf-8")
        for more in ((), ("--build-constraints", str(older))):
            done = subprocess.run(
                [uv(), *arguments, *more, "--quiet"],
                cwd=tree,
                env={**defaults, **variables, "UV_PROJECT_ENVIRONMENT": str(folder)},
                capture_output=True,
                text=True,
                check=False,
            )
            if arguments[0] != "pip" or not _NEEDS_OLDER.search(done.stderr):
                break
    if done.returncode:
        raise _refusal(arguments, done.stderr, done.returncode)


def _refusal(arguments: Sequence[str], stderr: str, code: int) -> BadInputError:
    """Return the error for uv's output."""
    if match := _NO_PYTHON.search(stderr):
        # For a range, uv names the newest version that it could not download.
        asked = arguments[arguments.index("--python") + 1] if arguments[0] != "pip" and "--python" in arguments else ""
        missing = asked or match[1] or match[2]
        return MissingPythonError(
            f"the service's Python {missing} is not on this machine, and uv could not download it",
            f"run `uv python install {_first(missing)}`, or pass a virtual environment with --python DIR",
        )
    said = re.split(r"^\s*hint:", stderr, maxsplit=1, flags=re.MULTILINE)[0]
    causes = [line.lstrip(_DECORATION) for line in said.splitlines() if line.strip()]
    if "Git operation failed" in stderr and (fetched := _FROM_GIT.search(stderr) or _UNREACHED.search(stderr)):
        return UnfetchedError([fetched[1]], one_line(causes[-1]))
    if built := _BUILT.search(stderr):
        return UnbuiltError({built[1].partition(" @ ")[0]: one_line(_last(causes))})
    reasons = dict.fromkeys((*causes[:1], _last(causes)))
    withheld = f"; name the variables that hold its credentials in {PASSED}" if _NO_LOGIN.search(stderr) else ""
    return BadInputError(f"uv {arguments[0]} failed", ("; ".join(reasons) or f"exit code {code}") + withheld)


def _first(versions: str) -> str:
    """Return the lower bound of a range of versions."""
    return versions.lstrip(">=").partition(",")[0]


def _last(causes: Sequence[str]) -> str:
    return causes[-1].rstrip(".") if causes else ""
