"""The lock of the dependencies, and the groups and extras that the migrations need."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from slipway.finder.dockerfile import instructions
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject

_NOT_PRODUCTION: Final = re.compile(r"dev|test|lint|docs?|format|types?|typing|check|local|ci\b", re.IGNORECASE)
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_INSTALLED: Final = re.compile(r"(?:--group|--extra|--with|-E|-G)[ =]([\w-]+)")
_LOCKED: Final = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
# Each of these brings alembic itself.
ALEMBIC: Final = {"alembic", "flask-migrate", "advanced-alchemy"}
DRIVERS: Final = {"psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000"}
_PINS: Final = re.compile(r"^alembic\s*(?:\[[^]]*\])?\s*==|^flask-migrate\s*==", re.MULTILINE | re.IGNORECASE)


def lock(tree: Tree) -> Fact | None:
    """Return the file that pins the service's dependencies, its own first; None when none does."""
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
    """Return the file that declares the dependencies of a service that nothing pins; None when no file does."""
    project = tree.toml("pyproject.toml")
    if project.get("project") or project.get("tool", {}).get("poetry"):
        return _declared("pyproject.toml")
    loose = [*tree.matching(r"(?:[^/]+/)?[^/]*requirements?[^/]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)")]
    loose.sort(key=lambda name: (bool(_NOT_PRODUCTION.search(name)), name.endswith(".in")))
    named = (*loose[:1], *(name for name in ("Pipfile", "setup.cfg", "setup.py") if name in tree))
    return next(map(_declared, named), None)


def _declared(name: str) -> Fact:
    return Fact(
        subject=Subject.LOCK, value=name, place=name, guessed="nothing pins the dependencies; they are resolved anew"
    )


def _requirements(tree: Tree) -> Fact | None:
    """Return the compiled requirements of production, whatever they are called."""
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
    """Return the folder of the uv workspace above the service that has it as a member."""
    for name in tree.matching(r"(?:\.\./)+pyproject\.toml"):
        if tree.toml(name).get("tool", {}).get("uv", {}).get("workspace") is not None:
            return Fact(subject=Subject.WORKSPACE, value=name.removesuffix("/pyproject.toml"), place=name)
    return None


def dependencies(tree: Tree) -> set[str]:
    """Return the names of what the project needs: its declared dependencies, or those of its requirements."""
    project = tree.toml("pyproject.toml")
    declared = {*_names(project.get("project", {}).get("dependencies", []))}
    declared |= {*map(normal, project.get("tool", {}).get("poetry", {}).get("dependencies", {}))}
    if declared:
        return declared
    pinned = lock(tree)
    texts = [
        tree.read(name)
        for name in (pinned.value if pinned else "", "requirements.in", "setup.cfg", "setup.py", "Pipfile")
    ]
    locked = {normal(name) for text in texts[:1] for name in _LOCKED.findall(text)}
    return locked | {*_names(line.strip(" \"',") for text in texts for line in text.splitlines())}


@dataclass(frozen=True)
class Part:
    """A group or an extra, with the names of its packages."""

    subject: Subject
    name: str
    packages: frozenset[str]

    @property
    def order(self) -> tuple[bool, bool, int]:
        """Those of production first, groups before extras, small ones before large ones."""
        return (bool(_NOT_PRODUCTION.search(self.name)), self.subject is Subject.EXTRA, len(self.packages))


def parts(tree: Tree) -> Iterator[Fact]:
    """Yield the groups and extras that the migrations need besides the dependencies themselves."""
    for part, guessed in _needed(tree):
        place = tree.place_of("pyproject.toml", f"{part.name} = [")
        yield Fact(subject=part.subject, value=part.name, place=place, guessed=guessed)


def needed(tree: Tree) -> set[str]:
    """Return the names of the dependencies, with those of the groups and extras that the migrations need."""
    return dependencies(tree).union(*(part.packages for part, _ in _needed(tree)))


def _needed(tree: Tree) -> Iterator[tuple[Part, str]]:
    """Yield the parts that a Dockerfile installs, and those with alembic or the database's driver, when the dependencies lack them."""
    installed = {match for each in instructions(tree) if each.word == "RUN" for match in _INSTALLED.findall(each.rest)}
    chosen = [part for part in _parts(tree) if part.name in installed]
    yield from ((part, "") for part in chosen)
    known = dependencies(tree).union(*(part.packages for part in chosen))
    for wanted in (ALEMBIC, DRIVERS):
        having = sorted((part for part in _parts(tree) if wanted & part.packages), key=lambda part: part.order)
        if having and not wanted & known:
            known |= having[0].packages
            yield having[0], f"{', '.join(part.name for part in having[1:4])} has it too" if having[1:] else ""


def _parts(tree: Tree) -> Iterator[Part]:
    pyproject = tree.toml("pyproject.toml")
    poetry = pyproject.get("tool", {}).get("poetry", {})
    for name, group in pyproject.get("dependency-groups", {}).items():
        yield Part(Subject.GROUP, name, frozenset(_names(flat(group, pyproject))))
    for name, group in poetry.get("group", {}).items():
        yield Part(Subject.GROUP, name, frozenset(map(normal, group.get("dependencies", {}))))
    for name, group in pyproject.get("tool", {}).get("pdm", {}).get("dev-dependencies", {}).items():
        yield Part(Subject.GROUP, name, frozenset(_names(group)))
    for name, extra in pyproject.get("project", {}).get("optional-dependencies", {}).items():
        yield Part(Subject.EXTRA, name, frozenset(_names(extra)))


def flat(group: Sequence[Any], project: Mapping[str, Any]) -> Iterator[str]:
    """Yield a group's requirements, with those of the groups that it includes."""
    for each in group:
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict) and each.get("include-group") in project.get("dependency-groups", {}):
            yield from flat(project["dependency-groups"][each["include-group"]], project)


def _names(requirements: Any) -> Iterator[str]:
    for each in requirements:
        if isinstance(each, str) and (match := _NAME.match(each)):
            yield normal(match[1])


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
