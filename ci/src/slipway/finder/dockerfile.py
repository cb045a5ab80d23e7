"""The instructions of a service's Dockerfiles."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from slipway.finder.tree import Tree

_FILES = r"(?:\.\./)*(?:(?!tests?/|docs?/|examples?/)(?:[\w-]+/){0,2}(?:docker|deploy|compose|build)/)?(?:[\w-]+\.)?(?:Docker|Container)file(?:\.(?:prod|production|app|api|web|backend))?"
_INSTRUCTION = re.compile(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)


@dataclass(frozen=True)
class Instruction:
    """One instruction, with its variables replaced by the defaults of ARG and ENV."""

    place: str
    word: str
    rest: str

    @property
    def command(self) -> tuple[str, ...]:
        """The words of CMD or ENTRYPOINT in either form."""
        return words(self.rest)


def instructions(tree: Tree) -> Iterator[Instruction]:
    """Yield the instructions of the Dockerfile nearest to the service, and of the next ones."""
    for name in tree.matching(_FILES):
        if not name.startswith("../") or "python" in tree.read(name):
            yield from instructions_of(tree, name)


def instructions_of(tree: Tree, name: str) -> Iterator[Instruction]:
    """Yield the instructions of one Dockerfile."""
    values: dict[str, str] = {}
    for place, text in _joined(tree, name):
        if (match := _INSTRUCTION.fullmatch(text)) is None:
            continue
        word, rest = match[1].upper(), _filled(match[2], values)
        if word in {"ARG", "ENV"}:
            values |= dict(pair.split("=", 1) for pair in words(rest) if "=" in pair)
            key, _, value = rest.partition(" ")
            if word == "ENV" and "=" not in key:
                values[key] = value.strip()
        yield Instruction(place, word, rest)


def _joined(tree: Tree, name: str) -> Iterator[tuple[str, str]]:
    """Yield whole instructions, with the place where each begins."""
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
    """Return the words of a command, written as a JSON list or for a shell."""
    text = text.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text.replace("'", '"'))
        except ValueError:
            listed = []
        return tuple(map(str, listed)) if isinstance(listed, list) else ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
