"""The service's Python: the minor version, and the place that names it."""

import re
from collections.abc import Iterator
from dataclasses import replace

from slipway.finder.dockerfile import instructions
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject

_VERSION = re.compile(r"(?:c?python-?)?(3\.\d+)(?:[.\d]*|\.x)?(?:-\w+)*")
_IMAGE = re.compile(r"(?:\S*/)?(?:python:|uv:python)(3\.\d+)\S*", re.IGNORECASE)
_RED_HATS = re.compile(r"(?:\S*/)?python-3(\d{1,2})(?:-minimal)?(?:[:@]\S*)?")
_LOWER_BOUND = re.compile(r"(?:>=|\^|~=?|==)\s*(3\.\d+)")
_ONE_MINOR = re.compile(r"~\s*(3\.\d+)(?:\.\d+)?|==\s*(?=3\.\d+\.)(3\.\d+)\S*")  # poetry's ~3.10, and ==3.10.*
_OLDEST = "the oldest that"
_UPPER_BOUND = re.compile(r"<=?\s*3\.\d+")


def interpreter(tree: Tree) -> Iterator[Fact]:
    """Yield the versions that files name, the most binding first; it is a guess when others name another one."""
    found = [*_named(tree)]
    others = [each for each in found if not each.guessed and each.value != found[0].value]
    for fact in found:
        doubt = f"{others[0].place} has {others[0].value}" if others and fact is found[0] else ""
        yield replace(fact, guessed=fact.guessed or doubt)


def _named(tree: Tree) -> Iterator[Fact]:
    yield from _environment(tree)
    for name in (*tree.matching(r"(?:\.\./)*\.python-version"), *tree.matching(r"runtime\.txt")):
        first = next(filter(None, (line.partition("#")[0].strip() for _, line in tree.lines(name))), "")
        if match := _VERSION.fullmatch(first):
            yield Fact(subject=Subject.PYTHON, value=match[1], place=name)
    yield from reversed([*_of_images(tree)])
    yield from _lower_bounds(tree)


def requested(python: Fact) -> str:
    """Return the Python to request from uv: the version that a file names, or any within its bounds."""
    if not python.guessed.startswith(_OLDEST):
        return python.value
    upper = _UPPER_BOUND.search(python.guessed)
    return f">={python.value}" + (f",{upper[0].replace(' ', '')}" if upper else "")


def bounds(tree: Tree) -> str:
    """Return the versions that the project itself allows, as uv reads them; empty when it names one version, or none."""
    return next((requested(fact) for fact in _lower_bounds(tree) if fact.guessed.startswith(_OLDEST)), "")


def _environment(tree: Tree) -> Iterator[Fact]:
    for name in tree.matching(r"(?:\.\./)*\.venv/pyvenv\.cfg"):
        if match := re.search(r"^version(?:_info)?\s*=\s*(3\.\d+)", tree.read(name), re.MULTILINE):
            yield Fact(subject=Subject.PYTHON, value=match[1], place=name)


def _of_images(tree: Tree) -> Iterator[Fact]:
    """Yield the images of the nearest Dockerfile that names one; the last stage is the one that runs."""
    file = ""
    for instruction in instructions(tree):
        image = instruction.rest.split()[0] if instruction.word == "FROM" else ""
        match, red_hats = _IMAGE.match(image), _RED_HATS.fullmatch(image)
        name = instruction.place.rpartition(" line ")[0]
        if (match or red_hats) and file in ("", name):
            file = name
            version = match[1] if match else f"3.{red_hats[1]}" if red_hats else ""
            yield Fact(subject=Subject.PYTHON, value=version, place=instruction.place)


def _lower_bounds(tree: Tree) -> Iterator[Fact]:
    hatch = tree.table("pyproject.toml", "tool", "hatch", "envs", "default").get("python", "")
    if match := _VERSION.fullmatch(str(hatch)):
        yield Fact(subject=Subject.PYTHON, value=match[1], place=tree.place_of("pyproject.toml", f'python = "{hatch}"'))
    requires = tree.table("pyproject.toml", "project").get("requires-python", "")
    poetry = tree.table("pyproject.toml", "tool", "poetry", "dependencies").get("python", "")
    setup = tree.ini("setup.cfg")
    named = {
        "pyproject.toml": str(requires or poetry),
        "setup.cfg": setup.get("options", "python_requires", fallback="") or "",
        "setup.py": "".join(re.findall(r"python_requires\s*=\s*[\"']([^\"']+)", tree.read("setup.py"))),
    }
    for name, text in named.items():
        if exact := _VERSION.fullmatch(text) or _ONE_MINOR.fullmatch(text):
            version = next(filter(None, exact.groups()))
            yield Fact(subject=Subject.PYTHON, value=version, place=tree.place_of(name, text))
        elif match := _LOWER_BOUND.search(text):
            place = tree.place_of(name, text)
            yield Fact(subject=Subject.PYTHON, value=match[1], place=place, guessed=f"{_OLDEST} {text} allows")
