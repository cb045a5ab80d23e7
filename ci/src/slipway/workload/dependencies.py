"""A service's virtual environment, created by uv from the service's lock and cached under the lock's hash."""

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
from slipway.finder.locks import declaration, lock, normal, parts
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
# uv.lock repeats the project's own version, which changes with each release.
_OWN_VERSION = re.compile(rb'^version = .*\n(?=source = \{ (?:editable|virtual) = "\." \})', re.MULTILINE)
_DECORATION = " \u00d7\u2502\u2570\u2500\u25b6"  # drawn by uv before a cause
_OF_THE_TREE = re.compile(r"^\s*(?:-e|--editable\b|\.|[^#\n]*\bfile:)", re.MULTILINE)
_INCLUDED = re.compile(r"^\s*(?:-[rc]|--(?:requirement|constraint)\b)[ =]*(\S+)", re.MULTILINE)
# In uv.lock, which uv alone writes; tomllib would need a quarter of a second for each start of an instance.
_BESIDE_THE_PROJECT = re.compile(r'^source = \{ (?:editable|directory|virtual) = "(?!\.")', re.MULTILINE)
# Projects of other tools are imported from their sources: their build backends may be too old to build them.
_NOT_INSTALLED = (*FOREIGN, "pyproject.toml")
_FROM_GIT = re.compile(
    r"""(?:\bgit\+|\bgit = ")((?:\w+://)?(?:[^/@\s`"]*@)?[^@?#;\s`"]+)"""
)  # in requirements, in uv.lock, and as uv prints it
_UNREACHED = re.compile(r"unable to access '([^']+?)/?'")
_GIT_SECONDS = 20
_BUILT = re.compile(r"Failed to (?:build|download and build) `([^`]+)`")
# Said about an interpreter; the second form names the archive that could not be downloaded.
_NO_PYTHON = re.compile(
    r"No interpreter found for (?:Python )?(?:[<>=~]*)(\d[\d.]*)|Failed to download.*?cpython-(3\.\d+)"
)
# Source distributions of before 2026 may build with a module that setuptools 82 has removed.
_NEEDS_OLDER = re.compile(r"No module named 'pkg_resources'")
_OLDER_SETUPTOOLS = "setuptools<82\n"
# For backends that read a version from git, which an unpacked release has not.
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
_OF_ANOTHER = ("UV_PYTHON", "UV_PROJECT", "VIRTUAL_ENV")  # slipway's environment, not the service's
_PLAIN = re.compile(r"\w[\w.+-]*", re.ASCII)
_NO_LOGIN = re.compile(r"\b40[13]\b|[Cc]redentials|[Aa]uthenticat")


class UnbuiltError(BadInputError):
    """Packages that do not build on this machine, each with its cause."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        what = "; ".join(
            f"the package {name} does not build on this machine: {cause}" for name, cause in causes.items()
        )
        need = "their builds need" if len(causes) > 1 else "its build needs"
        remedy = f"install what {need}, or, for gate and rehearse, pass the service's own virtual environment with --python DIR"
        super().__init__(what, remedy)
        self.causes, self.package = causes, next(iter(causes))


class MissingPythonError(BadInputError):
    """A version of Python that is neither on this machine nor can be downloaded."""


class UnfetchedError(BadInputError):
    """Dependencies from git that this machine cannot fetch."""

    def __init__(self, addresses: Sequence[str], cause: str) -> None:
        remedy = "give git on this machine access to {}, or, for gate and rehearse, pass the service's own virtual environment with --python DIR"
        named = list(map(without_password, addresses))
        several = len(named) > 1
        what = f"the dependencies {', '.join(named[:-1])} and {named[-1]}" if several else f"the dependency {named[0]}"
        super().__init__(f"{what} cannot be fetched: {cause}", remedy.format("them" if several else "it"))
        self.addresses, self.cause = addresses, cause


def lock_of(tree: Path, view: Tree) -> Path:
    """Find the file that pins the service's dependencies, its own or its workspace's; without one, the file that declares them.

    Raises BadInputError when there is neither.
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
            "pass its virtual environment with --python DIR, or run `uv init --bare`, `uv add` its packages, and commit uv.lock",
        )
    return tree / found.value


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """How an environment is made: from which file, for which Python, with which parts of the project."""

    tree: Path
    lock: Path
    view: Tree
    linked: bool
    package: bool
    everything: bool
    without: tuple[str, ...] = ()  # packages that do not build

    @property
    def pinned_for_uv(self) -> bool:
        return self.lock.name == "uv.lock"

    @cached_property
    def parts(self) -> list[str]:
        """The flags of uv for the groups and extras that the migrations need, or for all of them."""
        if self.everything and self.pinned_for_uv:
            return ["--all-extras", "--all-groups"]
        flags = {Subject.GROUP: "--group", Subject.EXTRA: "--extra"}
        return [word for fact in parts(self.view) for word in (flags[fact.subject], fact.value)]

    @cached_property
    def python(self) -> list[str]:
        """The flag of uv for the version that a file names or that its bounds allow; any patch of it will do."""
        fact, allowed = next(versions(self.view), (None, None))
        if fact is None or fact.place.endswith("pyvenv.cfg"):
            return []
        version = OLDEST_PYTHON if is_too_old(fact.value) else fact.value
        return ["--python", str(replace(allowed, oldest=version)) if allowed else version]


def notes(view: Tree) -> tuple[str, ...]:
    """Return how the environment that `prepare` makes differs from production, one sentence each."""
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
    """Return the environment for an unpacked tree, created unless cached.

    With `in_place` the tree is a work tree: packages in it are linked, so that they are always as they are edited, and no file is written
    beside it. With `everything` a uv.lock's extras and groups are all installed. `tell` is called before an environment is made.
    Raises BadInputError, also with uv's message.
    """
    plan = _planned(tree, in_place=in_place, everything=everything)
    if plan.package:
        _check_named_files(tree)
    folder = cache / "environments" / _key(plan)
    with _locked(folder):
        if not (folder / READY).exists() or _is_outdated(plan, folder):
            work = f"making an environment from {os.path.relpath(plan.lock, tree)}"
            tell(work)
            with repeated(tell, lambda: work):
                note = _make(plan, folder, tell)
            (folder / READY).write_text(note, encoding="utf-8")
        (folder / READY).touch()
    return _with_project(plan, folder)


def shared(tree: Path, other: Path, python: Python) -> Python | None:
    """Return the environment of another tree with this tree's modules first; None when this one needs other packages."""
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
    """Return an environment with the place of the project's own modules."""
    if plan.package or plan.pinned_for_uv:
        site = _install_project(plan.tree, folder) if plan.package and not plan.linked else None
        return Python(folder, site, plan.lock.name)
    return Python(folder, sources_of(plan.tree), plan.lock.name)


def _check_named_files(tree: Path) -> None:
    """Raise BadInputError when a file is missing that the package's build reads."""
    project = document_of(tree / "pyproject.toml").get("project", {})
    for key in ("readme", "license"):
        named = project.get(key)
        text = named.get("file") if isinstance(named, dict) else named if key == "readme" else None
        if isinstance(text, str) and not (tree / text).is_file():
            raise BadInputError(
                f"the package does not build: {text}, the {key} in pyproject.toml, is not among the shipped files",
                f'add "{text}" to sources in [tool.slipway], or remove {key}',
            )


def _key(plan: _Plan) -> str:
    """Hash what uv reads: the lock, the files that it includes, and tables; with packages of the tree itself the key is for this tree alone."""
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
    """Return the parts of pyproject.toml that make an environment; those of the project itself only where it is in it."""
    document = document_of(plan.tree / "pyproject.toml")
    build, tools = normal(repr(document.get("build-system"))), table_in(document, "tool")
    is_inside = plan.linked and plan.package
    metadata = _METADATA if is_inside or not (plan.package or plan.pinned_for_uv) else ()  # see _name
    keys = _DEPENDENCIES + metadata
    return {
        "tool": {name: tools[name] for name in tools if name == "uv" or (is_inside and normal(name) in build)},
        "build": build if is_inside else "",
        "project": {key: value for key, value in table_in(document, "project").items() if key in keys},
        "poetry": {key: table_in(tools, "poetry").get(key) for key in metadata},
    }


def _included(lock: Path) -> list[Path]:
    """Return a lock file; for a requirements.txt of pip, also the files that it includes."""
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


def _make(plan: _Plan, folder: Path, tell: Callable[[str], None]) -> str:
    """Make the environment, if need be with another Python of this machine that the service allows; return a note about it.

    It is needed when the Python that a file names cannot be had, or when a package does not build for it.
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
    """Return every package that does not build, with its cause: uv stops at the first, so each is left out of a further try."""
    shutil.rmtree(folder, ignore_errors=True)
    without = tuple(_first_name(package) for package in causes)
    try:
        _install(replace(plan, without=without), folder, _oldest_here(plan.python))
    except UnbuiltError as error:
        if not error.causes.keys() <= causes.keys():
            return _all_unbuilt(plan, folder, {**causes, **error.causes})
    except BadInputError:
        pass
    return causes


def _first_name(requirement: str) -> str:
    """Return the name at the beginning of a requirement such as `old==1`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _nearest(plan: _Plan) -> str:
    """Return the version of this machine nearest to the one that a file names, of those that the project allows; empty without one."""
    allowed, minor = bounds(plan.view), _named_minor(plan)
    if allowed is None or minor is None:
        return ""
    here = _pythons_here(["--python", str(allowed)])
    return min(here, key=lambda version: abs(int(version.partition(".")[2]) - minor), default="")


def _named_minor(plan: _Plan) -> int | None:
    """Return the minor of the one version that a file names; None for bounds, or without a file."""
    match = re.fullmatch(r"3\.(\d+)", "".join(plan.python[1:]))
    return int(match[1]) if match else None


def _of_another_python(plan: _Plan, version: str) -> str:
    """Return the note on an environment whose Python is not the one that a file names."""
    named = plan.python[1]
    fact, _ = next(versions(plan.view))
    why = f"{fact.place} names {named}, which this machine lacks and uv could not download; `uv python install {named}` brings it"
    return f"the revisions ran on Python {version}: {why}"


def _is_outdated(plan: _Plan, folder: Path) -> bool:
    """Whether an environment was made with another Python because the named one was missing, which is here now."""
    minor = _named_minor(plan)
    return minor is not None and _version_of(folder) != f"3.{minor}" and _is_here(f"3.{minor}")


def _unfetched(plan: _Plan, known: Sequence[str]) -> list[str]:
    """Return the addresses of a plan's other dependencies from git that do not answer either: uv stops at the first."""
    text = "\n".join(chain(*_translated(plan))) if _is_translated(plan) else plan.lock.read_text(encoding="utf-8")
    addresses = [each for each in dict.fromkeys(_FROM_GIT.findall(text)) if each not in known]
    with ThreadPoolExecutor() as threads:
        return [each for each, answers in zip(addresses, threads.map(_answers, addresses), strict=True) if not answers]


def _answers(address: str) -> bool:
    """Whether git can read a repository without asking a person."""
    own = {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", **_of_uv(), "GIT_TERMINAL_PROMPT": "0"}
    asking = ["git", "ls-remote", "--", address, "HEAD"]
    try:
        return subprocess.run(asking, env=own, capture_output=True, timeout=_GIT_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def python_here(tree: Path) -> str:
    """Return the version of the Python of this machine that a tree's environment gets; raises BadInputError without one.

    Nothing is downloaded, and nothing written but uv's cache where there is one, without which it asks every Python.
    """
    view = tree_at(tree)
    plan = _Plan(tree=tree, lock=lock_of(tree, view), view=view, linked=False, package=False, everything=False)
    asked = "".join(plan.python[1:])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")
    flags = ["--no-python-downloads", "--show-version", *([] if cache.is_dir() else ["--no-cache"])]
    find = [uv(), "python", "find", *flags, *plan.python[1:]]
    done = subprocess.run(find, cwd=tree, env=_of_uv(), capture_output=True, text=True, check=False)
    if done.returncode:
        other = _nearest(plan)
        step = f"run `uv python install {_first(asked)}`; the gate tries it, too" + (
            f", and takes {other} otherwise" if other else ""
        )
        raise BadInputError(f"the service's Python {asked} is not on this machine", step)
    return f"Python {done.stdout.strip()}"


def _version_of(environment: Path) -> str:
    """Return the minor version of an environment's Python."""
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
    """Write name and version of a project that is imported from its sources: its code may ask importlib.metadata for them."""
    tables = (view.table("pyproject.toml", "project"), view.table("pyproject.toml", "tool", "poetry"))
    project = next((table for table in tables if "name" in table), {})
    name, version = str(project.get("name", "")), str(project.get("version", "0"))
    for site in environment.glob("lib/python3*/site-packages") if _PLAIN.fullmatch(f"{name}-{version}") else ():
        folder = site / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")


def _oldest_here(wanted: list[str]) -> list[str]:
    """Return the flag for the oldest version of a range if this machine has it: old packages may not build for the newest."""
    version = _first(wanted[1]) if wanted else ""
    return ["--python", version] if version and _is_here(version) else wanted


def _is_here(version: str) -> bool:
    """Whether this machine has a version of Python."""
    find = [uv(), "python", "find", "--no-python-downloads", "--no-project", "--quiet", version]
    return subprocess.run(find, env=_of_uv(), capture_output=True, check=False).returncode == 0


def _of_uv() -> dict[str, str]:
    """Return uv's variables. It looks for a Python in pyenv's folders last: pyenv's shims start only the versions that are selected."""
    own = {key: value for key, value in inherited(os.environ, installing=True).items() if key not in _OF_ANOTHER}
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = map(str, sorted(root.glob("versions/3.*/bin"), reverse=True))
    return {**own, "PATH": os.pathsep.join(filter(None, (own.get("PATH"), *folders)))}


def _pythons_here(wanted: list[str]) -> list[str]:
    """Return the versions of this machine on which the gate runs, the newest first, of those that are allowed."""
    listing = [uv(), "python", "list", "--only-installed", "--output-format", "json", *wanted[1:]]
    done = subprocess.run(listing, env=_of_uv(), capture_output=True, check=False)
    minors = {tuple(map(int, each["version"].split(".")[:2])) for each in json.loads(done.stdout or "[]")}
    versions = [f"{major}.{minor}" for major, minor in sorted(minors, reverse=True)]
    return [version for version in versions if not is_too_old(version)]


def _sources(plan: _Plan, folder: Path) -> list[str]:
    """Return the arguments that name the requirements; what uv cannot read is written as requirements and constraints."""
    omitted = [f"{name} ; python_version < '3'" for name in plan.without]
    if _is_translated(plan):
        required, constrained = _translated(plan)
        files = {"requirement": required, "constraint": constrained, "override": omitted}
        own: list[str] = []
    else:
        of_setup = plan.lock.name in ("setup.cfg", "setup.py")
        files = {"requirement": [] if of_setup else requirements_of_parts(plan.view), "override": omitted}
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
    """Find uv; raises BadInputError."""
    program = shutil.which("uv")
    if program is None and importlib.util.find_spec("uv"):
        from uv import find_uv_bin  # the wheel of slipway-gate[local]

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
    """Return the error for what uv printed."""
    if match := _NO_PYTHON.search(stderr):
        # Of the versions that bounds allow, uv names the newest one that it could not download.
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
