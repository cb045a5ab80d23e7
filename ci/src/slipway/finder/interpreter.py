"""The service's Python: the minor version, and the place that states it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from slipway.finder.dockerfile import Instruction, instructions
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject

_VERSION = re.compile(r"(?:c?python-?)?(3\.\d+)(?:[.\d]*|\.x)?(?:-\w+)*")
_IMAGE = re.compile(r"(?:\S*/)?(?:python:|uv:python)(3\.\d+)\S*", re.IGNORECASE)
_RED_HATS = re.compile(r"(?:\S*/)?python-3(\d{1,2})(?:-minimal)?(?:[:@]\S*)?")
_LOWER_BOUND = re.compile(r"(?:>=|\^|~=?|==)\s*(3\.\d+)")
_ONE_MINOR = re.compile(r"~\s*(3\.\d+)(?:\.\d+)?|==\s*(?=3\.\d+\.)(3\.\d+)\S*")  # poetry's ~3.10, and ==3.10.*
_UPPER_BOUND = re.compile(r"<=?\s*3\.\d+")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The Python versions that a project allows.

    - oldest: the oldest version.
    - upper: the upper bound, such as `<3.14`; empty without one.
    """

    oldest: str
    upper: str

    def __str__(self) -> str:
        """Return the bounds as uv reads them."""
        return ",".join(filter(None, (f">={self.oldest}", self.upper)))


def interpreter(tree: Tree) -> Iterator[Fact]:
    """Yield the versions that files state, the most binding first.

    The first is a guess when another file states another version.
    """
    found = [fact for fact, _ in versions(tree)]
    others = [each for each in found if not each.guessed and each.value != found[0].value]
    for fact in found:
        doubt = f"{others[0].place} has {others[0].value}" if others and fact is found[0] else ""
        yield replace(fact, guessed=fact.guessed or doubt)


def versions(tree: Tree) -> Iterator[tuple[Fact, Bounds | None]]:
    """Yield the versions that files state, the most binding first.

    The oldest version of a range is returned with the range.
    """
    yield from ((fact, None) for fact in (*_environment(tree), *_of_files(tree), *reversed([*_of_images(tree)])))
    yield from _lower_bounds(tree)


def bounds(tree: Tree) -> Bounds | None:
    """Return the range of versions that the project allows. Return None when it names one version, or none."""
    return next((each for _, each in _lower_bounds(tree) if each), None)


def _of_files(tree: Tree) -> Iterator[Fact]:
    for name in (*tree.matching(r"(?:\.\./)*\.python-version"), *tree.matching(r"runtime\.txt")):
        first = next(filter(None, (line.partition("#")[0].strip() for _, line in tree.lines(name))), "")
        if match := _VERSION.fullmatch(first):
            yield Fact(subject=Subject.PYTHON, value=match[1], place=name)


def _environment(tree: Tree) -> Iterator[Fact]:
    for name in tree.matching(r"(?:\.\./)*\.venv/pyvenv\.cfg"):
        if match := re.search(r"^version(?:_info)?\s*=\s*(3\.\d+)", tree.read(name), re.MULTILINE):
            yield Fact(subject=Subject.PYTHON, value=match[1], place=name)


def _of_images(tree: Tree) -> Iterator[Fact]:
    """Yield the Python versions of a Dockerfile's stages, from the nearest Dockerfile that has any.

    The last stage is the one that runs.
    """
    found = [(each, version) for each in instructions(tree) if (version := _version_of_image(each))]
    for each, version in found:
        if each.file == found[0][0].file:
            yield Fact(subject=Subject.PYTHON, value=version, place=each.place)


def _version_of_image(instruction: Instruction) -> str:
    image = instruction.rest.split()[0] if instruction.word == "FROM" else ""
    if match := _IMAGE.match(image):
        return match[1]
    return f"3.{match[1]}" if (match := _RED_HATS.fullmatch(image)) else ""


def _lower_bounds(tree: Tree) -> Iterator[tuple[Fact, Bounds | None]]:
    hatch = tree.table("pyproject.toml", "tool", "hatch", "envs", "default").get("python", "")
    if match := _VERSION.fullmatch(str(hatch)):
        place = tree.place_of("pyproject.toml", f'python = "{hatch}"')
        yield Fact(subject=Subject.PYTHON, value=match[1], place=place), None
    requires = tree.table("pyproject.toml", "project").get("requires-python", "")
    poetry = tree.table("pyproject.toml", "tool", "poetry", "dependencies").get("python", "")
    setup = tree.ini("setup.cfg")
    stated = {
        "pyproject.toml": str(requires or poetry),
        "setup.cfg": setup.get("options", "python_requires", fallback="") or "",
        "setup.py": "".join(re.findall(r"python_requires\s*=\s*[\"']([^\"']+)", tree.read("setup.py"))),
    }
    for name, text in stated.items():
        if exact := _VERSION.fullmatch(text) or _ONE_MINOR.fullmatch(text):
            version = next(filter(None, exact.groups()))
            yield Fact(subject=Subject.PYTHON, value=version, place=tree.place_of(name, text)), None
        elif match := _LOWER_BOUND.search(text):
            place, why = tree.place_of(name, text), f"the oldest that {text} allows"
            upper = "".join(_UPPER_BOUND.findall(text)[:1]).replace(" ", "")
            yield (
                Fact(subject=Subject.PYTHON, value=match[1], place=place, guessed=why),
                Bounds(oldest=match[1], upper=upper),
            )
