"""The requirements of a project without a lock of uv, and the pins of another tool's lock as constraints.

uv resolves the requirements within the constraints, so poetry, pdm and pipenv need not be installed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from slipway.finder.locks import flat, names_of, normal, parts
from slipway.finder.tree import Tree, table_in, texts_in
from slipway.records.survey import Subject

_PYPROJECT: Final = "pyproject.toml"
_CLAUSE: Final = re.compile(r"\s*(\^|~(?!=)|)\s*v?(\d+(?:\.\d+)*)((?:\.?(?:post|dev|rc|a|b)\d*)*)\s*")
FOREIGN: Final = ("poetry.lock", "pdm.lock", "Pipfile.lock")


def requirements(tree: Tree) -> list[str]:
    """Return the project's dependencies, together with the groups and extras that its migrations need."""
    poetry = tree.table(_PYPROJECT, "tool", "poetry")
    declared = texts_in(tree.table(_PYPROJECT, "project").get("dependencies")) + requirements_of_parts(tree)
    tables = [table_in(poetry, "dependencies")]
    of_extras: set[str] = set()  # the optional dependencies that poetry's chosen extras name
    for fact in parts(tree):
        if fact.subject is Subject.EXTRA:
            of_extras.update(map(normal, texts_in(table_in(poetry, "extras").get(fact.value))))
        else:
            tables.append(table_in(poetry, "group", fact.value, "dependencies"))
    known = {"python", *names_of(declared)}
    for table in (*tables, tree.table("Pipfile", "packages")):
        for name, spec in table.items():
            if normal(name) not in known:
                chosen_extra = normal(name) in of_extras and isinstance(spec, dict)
                declared += translated(name, {**spec, "optional": False} if chosen_extra else spec)
    return declared


def requirements_of_parts(tree: Tree) -> list[str]:
    """Return what the groups and extras that the migrations need add to the project's dependencies; not those of poetry."""
    extras = tree.table(_PYPROJECT, "project", "optional-dependencies")
    declared: list[str] = []
    for fact in parts(tree):
        if fact.subject is Subject.EXTRA:
            declared += texts_in(extras.get(fact.value))
        else:
            declared += flat(fact.value, tree.table(_PYPROJECT, "dependency-groups"))
            declared += texts_in(tree.table(_PYPROJECT, "tool", "pdm", "dev-dependencies").get(fact.value))
    return declared


def translated(name: str, spec: Any) -> Iterator[str]:
    """Yield the requirements for a dependency in the syntax of poetry or pipenv; none for an optional dependency."""
    if isinstance(spec, list):
        for each in spec:
            yield from translated(name, each)
        return
    table = {"version": spec} if isinstance(spec, str) else table_in(spec)
    if table.get("optional"):
        return
    extras = f"[{','.join(table['extras'])}]" if table.get("extras") else ""
    marker = " and ".join(filter(None, (_python(str(table.get("python", ""))), str(table.get("markers", "")))))
    suffix = f" ; {marker}" if marker else ""
    if "git" in table:
        ref = next((table[key] for key in ("rev", "ref", "tag", "branch") if key in table), "")
        yield f"{name}{extras} @ git+{table['git']}{f'@{ref}' if ref else ''}{suffix}"
    elif "path" in table:
        yield f"./{table['path']}"
    elif "url" in table:
        yield f"{name}{extras} @ {table['url']}{suffix}"
    else:
        yield f"{name}{extras}{version(str(table.get('version', '*')))}{suffix}"


def version(text: str) -> str:
    """Return a version constraint of poetry as a specifier.

    Alternatives give an empty text; a lock pins the version then.
    """
    if "|" in text:
        return ""
    return ",".join(filter(None, map(_clause, text.split(","))))


def _clause(text: str) -> str:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        stripped = re.sub(r"\s+", "", text)
        return (
            "" if stripped == "*" else f"=={stripped}" if stripped[:1].isdigit() else re.sub(r"^=(?!=)", "==", stripped)
        )
    sign, number, ending = match[1], match[2], match[3]
    if not sign:
        return f"=={number}{ending}"
    digits = [int(part) for part in number.split(".")]
    place = (
        min(1, len(digits) - 1)
        if sign == "~"
        else next((at for at, digit in enumerate(digits) if digit), len(digits) - 1)
    )
    above = [*digits[:place], digits[place] + 1]
    return f">={number}{ending},<{'.'.join(map(str, above))}"


def _python(text: str) -> str:
    clauses = version(text)
    pairs = re.findall(r"([<>=!~]+)([\d.]+)", clauses)
    return " and ".join(f'python_full_version {sign} "{number}"' for sign, number in pairs)


def constraints(tree: Tree, lock: str) -> list[str]:
    """Return the pins in a lock that uv cannot read. A package that is locked in several versions gets no pin."""
    packages = [*_of_pipenv(tree.read(lock))] if lock.endswith("Pipfile.lock") else [*_of_toml(tree.toml(lock))]
    pins: dict[str, set[str]] = {}
    for name, pin in packages:
        pins.setdefault(normal(name), set()).add(pin)
    return [f"{name}{pin}" for name, found in pins.items() if len(found) == 1 for pin in found if pin]


def _of_toml(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    packages = document.get("package")
    for package in packages if isinstance(packages, list) else ():
        source = table_in(package, "source")
        git, ref = source.get("url", package.get("git")), source.get("resolved_reference", package.get("revision"))
        if source.get("type") == "git" or "git" in package:
            yield package["name"], f" @ git+{git}@{ref}"
        elif "path" not in package and source.get("type") not in {"directory", "file", "url"}:
            yield package["name"], f"=={package['version']}"


def _of_pipenv(text: str) -> Iterator[tuple[str, str]]:
    try:
        packages = table_in(json.loads(text), "default")
    except ValueError:
        return
    for name, package in packages.items():
        yield name, f" @ git+{package['git']}@{package['ref']}" if "git" in package else package.get("version", "")
