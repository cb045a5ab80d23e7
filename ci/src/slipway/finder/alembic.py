"""Alembic's settings, its folder with env.py, and the folder from which alembic is called."""

import ast
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from slipway.finder.start import migrations_today
from slipway.finder.tree import Tree, called, parsed, text_in
from slipway.records.survey import Fact, Obstacle, Subject

_ELSEWHERE: Final = re.compile(r"(^|/)(tests?|docs?|examples?|templates?|\{\{.*|site-packages)/")
_NAMED: Final = re.compile(r"\balembic\b.*?\s(?:-c|--config)[ =]?(\S+\.ini)")
_SECTION: Final = "alembic"
# The service's own files, not those in the folder of an installed package.
_WITHIN: Final = re.compile(r"(?:%\(here\)s/)?(?!/|\.\.)[^:%]*")
_FLASK: Final = re.compile(r"^\s*from flask import .*\bcurrent_app\b", re.MULTILINE)
_ADVANCED: Final = re.compile(r"^\s*from advanced_alchemy\b.*\bimport\b", re.MULTILINE)


def alembic(tree: Tree) -> Iterator[Fact]:
    """Yield the settings file, the folder with env.py, the folder from which alembic is called, and the framework."""
    config = next(_settings(tree), None)
    script = next(_environments(tree, config), None)
    if config:
        yield config
    if script:
        yield script
        yield from _framework(tree, script.value)
    if config and script and config.value != "pyproject.toml":
        yield from _directory(tree, config, script.value)


def histories(tree: Tree) -> Iterator[str]:
    """Yield alembic's settings files and env.py files of all services in the tree."""
    yield from (fact.value for fact in _with_section(tree, r"(?:.*/)?alembic\.ini"))
    yield from (name for name in tree.matching(r"(?:.*/)?env\.py") if _is_alembics(tree, name))
    yield from (name for name in tree.matching(r"(?:[^.].*/)?pyproject\.toml") if tree.table(name, "tool", _SECTION))


def _settings(tree: Tree) -> Iterator[Fact]:
    """Yield alembic's settings files, the most probable first."""
    found = [*_with_section(tree, r"(?:.*/)?alembic\.ini")]
    if tree.table("pyproject.toml", "tool", _SECTION):
        place = tree.place_of("pyproject.toml", "[tool.alembic]")
        found.insert(0, Fact(subject=Subject.CONFIG, value="pyproject.toml", place=place))
    chosen = [name for _, line in migrations_today(tree) for name in _NAMED.findall(line)]
    found.sort(key=lambda fact: not any(fact.value.endswith(name.lstrip("./")) for name in chosen))
    found = found or [*_named_in_code(tree)] or [*_with_section(tree, r"(?:.*/)?[^/]*\.(?:ini|cfg)")]
    if len(found) > 1:
        others = ", ".join(fact.value for fact in found[1:4])
        yield Fact(
            subject=Subject.CONFIG, value=found[0].value, place=found[0].place, guessed=f"there is also {others}"
        )
    yield from found[: 1 if len(found) == 1 else 0]


def _with_section(tree: Tree, pattern: str) -> Iterator[Fact]:
    for name in tree.matching(pattern):
        if not name.startswith("../") and not _ELSEWHERE.search(name) and tree.ini(name).has_section(_SECTION):
            yield Fact(subject=Subject.CONFIG, value=name, place=tree.place_of(name, f"[{_SECTION}]"))


def _named_in_code(tree: Tree) -> Iterator[Fact]:
    """Yield the files that calls such as `Config("conf/db.ini")` name."""
    for module in tree.sources:
        if "Config(" not in tree.read(module):
            continue
        for node in ast.walk(parsed(tree.read(module))):
            if isinstance(node, ast.Call) and called(node) == "Config" and node.args:
                name = text_in(node.args[0]) or ""
                if name.endswith(".ini") and name in tree:
                    yield Fact(subject=Subject.CONFIG, value=name, place=f"{module} line {node.lineno}")


def _environments(tree: Tree, config: Fact | None) -> Iterator[Fact]:
    """Yield the folder with env.py that the settings name.

    Without such settings, yield folders with an env.py, those beside the settings first.
    """
    names = [*tree.matching(r"(?:.*/)?env\.py")]
    location = _script_location(tree, config.value) if config else ""
    if config and location:
        here = posixpath.dirname(config.value) or "."
        package, _, inside = location.replace("%(here)s", here).rpartition(":")
        wanted = posixpath.normpath(f"{package.replace('.', '/')}/{inside}" if package else inside)
        place = tree.place_of(config.value, "script_location")
        for folder in sorted(map(posixpath.dirname, names), key=wanted.__ne__):
            if f"/{folder}".endswith(f"/{wanted}") and (folder == wanted or _is_alembics(tree, f"{folder}/env.py")):
                yield Fact(subject=Subject.SCRIPTS, value=folder, place=place)
    folders = [posixpath.dirname(name) for name in names if _is_alembics(tree, name)]
    guessed = f"there is no {location}" if location else "the settings name no script_location" if config else ""
    beside = posixpath.dirname(config.value) if config else None
    for folder in sorted(folders, key=lambda folder: beside != folder):
        by_convention = folder == beside and location in {"", "."}  # the convention of Flask-Migrate
        yield Fact(
            subject=Subject.SCRIPTS, value=folder, place=f"{folder}/env.py", guessed="" if by_convention else guessed
        )


def _is_alembics(tree: Tree, name: str) -> bool:
    text = "" if name.startswith("../") or _ELSEWHERE.search(name) else tree.read(name)
    return "context" in text and re.search(r"\balembic\b|advanced_alchemy", text) is not None


def _script_location(tree: Tree, config: str) -> str:
    if config == "pyproject.toml":
        return str(tree.table(config, "tool", _SECTION).get("script_location", ""))
    return tree.ini(config).get(_SECTION, "script_location", fallback="") or ""


def _framework(tree: Tree, folder: str) -> Iterator[Fact]:
    text = tree.read(f"{folder}/env.py")
    for name, pattern in (("Flask-Migrate", _FLASK), ("advanced-alchemy", _ADVANCED)):
        if match := pattern.search(text):
            place = tree.place_of(f"{folder}/env.py", match[0].strip())
            yield Fact(subject=Subject.FRAMEWORK, value=name, place=place)


def _directory(tree: Tree, config: Fact, folder: str) -> Iterator[Fact]:
    """Yield the folder from which script_location is found, when it is not the service's folder."""
    location = _script_location(tree, config.value)
    relative = location and ":" not in location and not location.startswith(("%(here)s", "/"))
    if relative and folder.endswith(f"/{posixpath.normpath(location)}"):
        directory = folder.removesuffix(f"/{posixpath.normpath(location)}")
        place = tree.place_of(config.value, "script_location")
        yield Fact(subject=Subject.DIRECTORY, value=directory, place=place)


def obstacles(tree: Tree, facts: tuple[Fact, ...]) -> Iterator[Obstacle]:
    """Yield the reasons why alembic cannot be called."""
    known = {fact.subject: fact for fact in facts}
    config, scripts = known.get(Subject.CONFIG), known.get(Subject.SCRIPTS)
    if config is None and scripts is None:
        yield Obstacle(
            what="found no alembic history: no alembic.ini, no [tool.alembic] in pyproject.toml, and no env.py",
            next_step="run slipway in the service's folder, or pass --source DIR; `alembic init migrations` begins a history",
        )
    elif config and scripts is None:
        location = _script_location(tree, config.value)
        if location and not _WITHIN.fullmatch(location):
            return
        named = f"names the folder {location}, which does not exist" if location else "has no script_location"
        yield Obstacle(
            what=f"{config.value} {named}, and no other folder has an env.py of alembic",
            next_step="correct script_location, or commit the folder with env.py",
        )
