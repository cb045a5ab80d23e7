"""The instructions of a service's Dockerfiles."""

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject

_FILES = r"(?:\.\./)*(?:(?!tests?/|docs?/|examples?/)(?:[\w-]+/){0,2}(?:docker|deploy|compose|build)/)?(?:[\w-]+\.)?(?:Docker|Container)file(?:[._-](?:prod|production|app|api|web|backend))?"
_PYTHON = re.compile(r"python|\buv\b|\bpip\b|poetry|\bpdm\b")
_PRODUCTION = re.compile(r"prod|release|runtime|final", re.IGNORECASE)
_FOR_DEVELOPERS = re.compile(r"dev|debug|test|local", re.IGNORECASE)
_AS = re.compile(r"\s[Aa][Ss]\s+(\S+)")
_APT = re.compile(r"\bapt(?:-get)?\s+(?:-\S+\s+)*install\s([^&;|]*)")
_LIBRARY = re.compile(r"lib[a-z0-9][a-z0-9.+-]*|[a-z0-9][a-z0-9.+-]*-dev")
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One instruction. Its variables are replaced by the defaults of ARG and ENV."""

    place: str
    word: str
    rest: str

    @property
    def file(self) -> str:
        return self.place.rpartition(" line ")[0]

    @property
    def command(self) -> tuple[str, ...]:
        """The words of CMD or ENTRYPOINT in either form."""
        return words(self.rest)

    @property
    def values(self) -> dict[str, str]:
        """The values that ARG or ENV sets, by variable."""
        key, _, value = self.rest.partition(" ")
        if self.word == "ENV" and "=" not in key:
            return {key: value.strip()}
        return dict(pair.split("=", 1) for pair in words(self.rest) if "=" in pair)


def instructions(tree: Tree) -> Iterator[Instruction]:
    """Yield the instructions of each Dockerfile, the nearest file first."""
    for name in tree.matching(_FILES):
        if not name.startswith("../") or "python" in tree.read(name):
            yield from instructions_of(tree, name)


def instructions_of(tree: Tree, name: str) -> Iterator[Instruction]:
    values: dict[str, str] = {}
    for place, text in _joined(tree, name):
        if (match := _INSTRUCTION.fullmatch(text)) is None:
            continue
        instruction = Instruction(place, match[1].upper(), _filled(match[2], values))
        values |= instruction.values if instruction.word in {"ARG", "ENV"} else {}
        yield instruction


def system_packages(tree: Tree) -> Iterator[Fact]:
    """Yield the libraries that the nearest Dockerfile installs with apt-get and that Python packages need to be compiled or loaded."""
    found = [(each, package) for each in instructions(tree) for package in _libraries(each)]
    places: dict[str, str] = {}
    for each, package in found:
        if each.file == found[0][0].file:
            places.setdefault(package, each.place)
    for package, place in places.items():
        yield Fact(subject=Subject.PACKAGE, value=package, place=place)


def _libraries(instruction: Instruction) -> list[str]:
    installed = _APT.findall(instruction.rest) if instruction.word == "RUN" else []
    return [word for each in installed for word in each.split() if _LIBRARY.fullmatch(word)]


def own_image(tree: Tree) -> Iterator[Fact]:
    """Yield the Dockerfile with the service's folder as context, and its stage if that is not the last one.

    Files for production come first.
    """
    files = [name for name in tree.matching(_FILES) if not name.startswith("../") and _PYTHON.search(tree.read(name))]
    files.sort(key=lambda name: not _PRODUCTION.search(name))
    others = f"there is also {', '.join(files[1:3])}" if len(files) > 1 and not _PRODUCTION.search(files[0]) else ""
    for name in files[:1]:
        read = [*instructions_of(tree, name)]
        stages = [each for each in read if each.word == "FROM"]
        if not stages or not all(_is_there(tree, source) for each in read for source in _copied(each)):
            return
        names = [match[1] if (match := _AS.search(each.rest)) else "" for each in stages]
        chosen = next((at for at, stage in enumerate(names) if _PRODUCTION.search(stage)), len(names) - 1)
        chosen = chosen if _FOR_DEVELOPERS.search(names[-1]) else len(names) - 1
        user = [each for each in read[read.index(stages[chosen]) :] if each.word == "USER"]
        inherits = any(stages[chosen].rest.split()[0] == stage for stage in names)
        yield Fact(subject=Subject.DOCKERFILE, value=name, place=name, guessed=others)
        if not user and not inherits:
            yield Fact(subject=Subject.USER, value="root", place=stages[chosen].place)
        if chosen < len(names) - 1:
            why = f"the last stage, {names[-1]}, is for development"
            yield Fact(subject=Subject.TARGET, value=names[chosen], place=stages[chosen].place, guessed=why)


def _copied(instruction: Instruction) -> Iterator[str]:
    """Yield the paths that COPY or ADD takes from the context.

    Leave out those with wildcards, which may match no file.
    """
    parts = instruction.command if instruction.word in {"COPY", "ADD"} else ()
    if not any(part.startswith("--from=") for part in parts):
        paths = [part for part in parts if not part.startswith("--")][:-1]
        yield from (path for path in paths if not re.search(r"[*?$\[<:]", path))


def _is_there(tree: Tree, path: str) -> bool:
    path = posixpath.normpath(path).strip("/")
    return path[:1] in {"", "."} or path in tree or any(name.startswith(f"{path}/") for name in tree.names)


def _joined(tree: Tree, name: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction with its continued lines, and the place of its first line."""
    begun, parts = "", ""
    for place, line in tree.lines(name):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        begun = begun or place
        parts += line.rstrip().removesuffix("\\") + " "
        if not line.rstrip().endswith("\\"):
            yield begun, parts.strip()
            begun, parts = "", ""


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(
        r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))",
        lambda match: values.get(match[1] or match[3]) or match[2] or match[0],
        text,
    )


def words(text: str) -> tuple[str, ...]:
    """Return the words of a command, which is written as a JSON list or for a shell."""
    text = text.strip()
    if text.startswith("["):
        for spelling in (text, text.replace("'", '"')):  # YAML also allows single quotes
            with suppress(ValueError):
                return tuple(map(str, json.loads(spelling)))
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
