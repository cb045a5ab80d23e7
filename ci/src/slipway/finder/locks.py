"""The lock file of the dependencies, and the groups and extras that the migrations need."""

import ast
import functools
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from slipway.finder.dockerfile import instructions
from slipway.finder.imports import loaded
from slipway.finder.tree import Tree, parsed, table_in, texts_in
from slipway.records.survey import Fact, Subject

_PYPROJECT: Final = "pyproject.toml"
_NOT_PRODUCTION: Final = re.compile(r"dev|test|lint|docs?|format|types?|typing|check|local|ci\b", re.IGNORECASE)
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_INSTALLED: Final = re.compile(
    r"""(?:--group|--extras?|--with|-E|-G)[ =](?:"([^"]+)"|'([^']+)'|([\w,-]+))|(?:^|[\s"'=])(?:\.|\.{0,2}/[\w./-]*)\[([\w, -]+)\]"""
)
_ALL_EXTRAS: Final = re.compile(r"--all-extras\b")
_LOCKED: Final = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
# Packages that install alembic as a dependency, and alembic itself.
ALEMBIC: Final = {"alembic", "flask-migrate", "advanced-alchemy"}
DRIVERS: Final = {"psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000"}
_PINS: Final = re.compile(r"^alembic\s*(?:\[[^]]*\])?\s*==|^flask-migrate\s*==", re.MULTILINE | re.IGNORECASE)


def lock(tree: Tree) -> Fact | None:
    """Return the file that pins the service's dependencies, preferably the service's own.

    Return None when no file does.
    """
    own = [name for name in ("uv.lock", "pylock.toml") if name in tree]
    own += tree.matching(r"pylock\.[^/]+\.toml")
    if "requirements.txt" in tree:
        own.append("requirements.txt")
    own += [name for name in ("poetry.lock", "pdm.lock", "Pipfile.lock") if name in tree]
    if own:
        return Fact(subject=Subject.LOCK, value=own[0], place=own[0])
    if root := workspace(tree):
        name = f"{root.value}/uv.lock"
        return Fact(subject=Subject.LOCK, value=name, place=name) if name in tree else None
    return _requirements(tree)


def declaration(tree: Tree) -> Fact | None:
    """Return the file that declares the dependencies of a service without a lock.

    Return None when there is no such file.
    """
    if tree.table(_PYPROJECT, "project") or tree.table(_PYPROJECT, "tool", "poetry"):
        return _declared(_PYPROJECT)
    loose = [*tree.matching(r"(?:[^/]+/)?[^/]*requirements?[^/]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)")]
    loose.sort(key=lambda name: (bool(_NOT_PRODUCTION.search(name)), name.endswith(".in")))
    named = (*loose[:1], *(name for name in ("Pipfile", "setup.cfg", "setup.py") if name in tree))
    return next(map(_declared, named), None)


def _declared(name: str) -> Fact:
    return Fact(
        subject=Subject.LOCK, value=name, place=name, guessed="nothing pins the dependencies; they are resolved anew"
    )


def _requirements(tree: Tree) -> Fact | None:
    """Return the compiled requirements for production, under any name."""
    files = [
        name
        for name in tree.matching(r"(?:[^/]+/)?[^/]*(?:\.txt|\.lock)")
        if ("requirement" in name or "deps" in name) and _PINS.search(tree.read(name))
    ]
    production = [name for name in files if not _NOT_PRODUCTION.search(name.rpartition("/")[2])]
    for name in (*production, *files):
        guessed = f"there are also {', '.join(sorted({*files} - {name})[:3])}" if len(production) != 1 else ""
        return Fact(subject=Subject.LOCK, value=name, place=name, guessed=guessed if len(files) > 1 else "")
    return None


def workspace(tree: Tree) -> Fact | None:
    """Return the folder of the uv workspace that has the service as a member."""
    folders = tree.path.split("/")
    for name in tree.matching(r"(?:\.\./)+pyproject\.toml"):
        own = PurePosixPath("/", *folders[-name.count("../") :])
        found = tree.table(name, "tool", "uv", "workspace")
        members, excluded = (
            any(own.match(f"/{pattern}") for pattern in texts_in(found.get(key))) for key in ("members", "exclude")
        )
        if members and not excluded:
            return Fact(subject=Subject.WORKSPACE, value=name.removesuffix("/pyproject.toml"), place=name)
    return None


@functools.lru_cache(maxsize=1)
def dependencies(tree: Tree) -> frozenset[str]:
    """Return the names of the project's dependencies, from its declaration or from its requirements files."""
    declared = {*names_of(texts_in(tree.table(_PYPROJECT, "project").get("dependencies")))}
    of_poetry = tree.table(_PYPROJECT, "tool", "poetry", "dependencies")
    declared |= {normal(name) for name, spec in of_poetry.items() if not table_in(spec).get("optional")}
    if declared:
        return frozenset(declared)
    pinned = lock(tree)
    texts = [tree.read(name) for name in (pinned.value if pinned else "", "requirements.in", "Pipfile")]
    texts += tree.ini("setup.cfg").get("options", "install_requires", fallback="") or "", _without_extras(tree)
    locked = {normal(name) for text in texts[:1] for name in _LOCKED.findall(text)}
    return frozenset(locked).union(names_of(line.strip(" \"',") for text in texts for line in text.splitlines()))


@dataclass(frozen=True)
class Part:
    """A group or an extra, with the names of its packages."""

    subject: Subject
    name: str
    packages: frozenset[str]
    file: str = _PYPROJECT

    @property
    def order(self) -> tuple[bool, bool, int]:
        """The order of preference: production before development, groups before extras, small parts before large ones."""
        return (bool(_NOT_PRODUCTION.search(self.name)), self.subject is Subject.EXTRA, len(self.packages))


def parts(tree: Tree) -> Iterator[Fact]:
    """Yield the groups and extras that the migrations need in addition to the dependencies."""
    for part, guessed in _needed(tree):
        place = tree.place_of(part.file, f"{part.name} = [" if part.file == _PYPROJECT else part.name)
        yield Fact(subject=part.subject, value=part.name, place=place, guessed=guessed)


@functools.lru_cache(maxsize=1)
def needed(tree: Tree) -> frozenset[str]:
    """Return the names of the dependencies, with those of the groups and extras that the migrations need."""
    return dependencies(tree).union(*(part.packages for part, _ in _needed(tree)))


def _needed(tree: Tree) -> Iterator[tuple[Part, str]]:
    """Yield the parts that the settings name, otherwise those that a Dockerfile installs or that have alembic, the driver or what env.py needs.

    A package that the dependencies have already needs no part.
    """
    stated = tree.table(tree.settings_file(), "tool", "slipway", "migrations")
    if {"extras", "groups"} & stated.keys():
        keys = {Subject.EXTRA: "extras", Subject.GROUP: "groups"}
        named = [(subject, name) for subject, key in keys.items() for name in texts_in(stated.get(key))]
        known_parts = {(part.subject, part.name): part for part in _parts(tree)}
        yield from ((known_parts.get(each, Part(*each, frozenset())), "") for each in named)
        return
    installed = _installed(tree)
    everything = any(_ALL_EXTRAS.search(each.rest) for each in instructions(tree) if each.word == "RUN")
    chosen = [part for part in _parts(tree) if part.name in installed or (everything and part.subject is Subject.EXTRA)]
    yield from ((part, "") for part in chosen)
    pinned = lock(tree)
    compiled = _names_in(tree, pinned.value) if pinned else ()
    known = dependencies(tree).union(compiled, *(part.packages for part in chosen))
    others = sorted((part for part in _parts(tree) if part not in chosen), key=lambda part: part.order)
    for wanted in (ALEMBIC, DRIVERS):
        having = [part for part in others if wanted & part.packages]
        if having and not wanted & known:
            known |= having[0].packages
            yield having[0], f"{', '.join(part.name for part in having[1:4])} has it too" if having[1:] else ""
    shipped = [part for part in others if not _NOT_PRODUCTION.search(part.name)]
    for name in map(normal, sorted(loaded(tree).packages) if shipped else ()):
        having = [part for part in shipped if _provides(part.packages, name)]
        if having and not _provides(known, name) and not _provides(brought_by(tree, known), name):
            known |= having[0].packages
            yield having[0], f"env.py needs {name}"


def _names_in(tree: Tree, lock: str) -> Iterable[str]:
    """Return the packages of a compiled lock file or a pylock.toml, in which the parts may be already."""
    if lock.endswith(".txt"):
        return names_of(tree.read(lock).splitlines())
    is_pylock = posixpath.basename(lock).startswith("pylock")
    return map(normal, _LOCKED.findall(tree.read(lock))) if is_pylock else ()


def _installed(tree: Tree) -> set[str]:
    """Return the names of the groups and extras that a Dockerfile installs."""
    found = (_INSTALLED.findall(each.rest) for each in instructions(tree) if each.word == "RUN")
    return {name for matches in found for match in matches for name in re.split(r"[,\s]+", ",".join(match))}


def _provides(packages: frozenset[str], module: str) -> bool:
    """Return whether a package provides a module, judged by its name: it is the module's name or begins with it, as opentelemetry-sdk does."""
    return module in packages or any(each.startswith(f"{module}-") for each in packages)


def brought_by(tree: Tree, packages: frozenset[str]) -> frozenset[str]:
    """Return packages together with their own dependencies, as the lock states them."""
    pinned = lock(tree)
    locked = tree.toml(pinned.value).get("package") if pinned else None
    of_each: dict[str, set[str]] = {}
    for package in locked if isinstance(locked, list) else ():
        named = package.get("dependencies", ())
        of_each.setdefault(normal(str(package.get("name"))), set()).update(
            names_of(each.get("name", "") if isinstance(each, dict) else str(each) for each in named)
        )
    known, new = set[str](), set(packages)
    while new:
        known |= new
        new = set().union(*(of_each.get(name, ()) for name in new)) - known
    return frozenset(known)


def _parts(tree: Tree) -> Iterator[Part]:
    groups = tree.table(_PYPROJECT, "dependency-groups")
    for name in groups:
        yield Part(Subject.GROUP, name, frozenset(names_of(flat(name, groups))))
    for name, group in tree.table(_PYPROJECT, "tool", "poetry", "group").items():
        yield Part(Subject.GROUP, name, frozenset(map(normal, table_in(group, "dependencies"))))
    for name, group in tree.table(_PYPROJECT, "tool", "pdm", "dev-dependencies").items():
        yield Part(Subject.GROUP, name, frozenset(names_of(texts_in(group))))
    for name, extra in (
        *tree.table(_PYPROJECT, "project", "optional-dependencies").items(),
        *tree.table(_PYPROJECT, "tool", "poetry", "extras").items(),
    ):
        yield Part(Subject.EXTRA, name, frozenset(names_of(texts_in(extra))))
    for file, extras in _of_setuptools(tree):
        yield from (Part(Subject.EXTRA, name, frozenset(names_of(extra)), file) for name, extra in extras.items())


def _of_setuptools(tree: Tree) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the extras in setup.cfg and setup.py, with their files. Extras that setup.py computes remain unknown."""
    settings, section = tree.ini("setup.cfg"), "options.extras_require"
    if settings.has_section(section):
        yield "setup.cfg", {name: (value or "").splitlines() for name, value in settings.items(section)}
    for written in _extras_of_setup(tree):
        with suppress(ValueError):
            found = ast.literal_eval(written).items()
            yield "setup.py", {str(name): texts_in(value) for name, value in found}


def _extras_of_setup(tree: Tree) -> list[ast.Dict]:
    """Return the dictionaries that setup.py passes as extras."""
    calls = [node for node in ast.walk(parsed(tree.read("setup.py"))) if isinstance(node, ast.Call)]
    given = [each.value for call in calls for each in call.keywords if each.arg == "extras_require"]
    return [each for each in given if isinstance(each, ast.Dict)]


def _without_extras(tree: Tree) -> str:
    """Return the text of setup.py without its extras."""
    text = tree.read("setup.py")
    for written in _extras_of_setup(tree):
        text = text.replace(ast.get_source_segment(tree.read("setup.py"), written) or "", "{}")
    return text


def flat(name: str, groups: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the requirements of a group and of the groups that it includes."""
    group = groups.get(name)
    for each in group if isinstance(group, list) and name not in seen else ():
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            yield from flat(str(each.get("include-group")), groups, seen | {name})


def names_of(requirements: Iterable[str]) -> Iterator[str]:
    """Yield the names of the packages in requirements such as `Old_Package==1`, as indexes compare them."""
    for each in requirements:
        if match := _NAME.match(each):
            yield normal(match[1])


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
