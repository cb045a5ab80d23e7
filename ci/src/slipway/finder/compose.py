"""Compose files, read line by line: the commands of their services, and the lines of the service's own entries."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Final

from slipway.finder.dockerfile import words
from slipway.finder.tree import Tree

SERVERS: Final = (
    "uvicorn",
    "gunicorn",
    "hypercorn",
    "granian",
    "daphne",
    "waitress-serve",
    "litestar",
    "fastapi",
    "flask",
    "pserve",
    "uwsgi",
)
_COMMAND_LINE: Final = re.compile(r"\s*(?:command|entrypoint|start)\s*[:=]\s*(.*)")
_BUILT: Final = re.compile(r"(?:context|build):[ \t]*[\"']?([\w./-]+)")
_NAME_OF_SERVICE: Final = re.compile(r"(\s+)[\w.-]+:\s*(?:#.*)?$")


def of_own_services(tree: Tree, file: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of a compose file's services that are built from this repository or start a known server."""
    lines = [*tree.lines(file)]
    first = next((match for _, line in lines if (match := _NAME_OF_SERVICE.match(line))), None)
    names = [at for at, (_, line) in enumerate(lines) if first and re.match(rf"{first[1]}[^\s#]", line)]
    for start, end in pairwise((*(names or [0]), len(lines))):
        text = "\n".join(line for _, line in lines[start:end])
        built = _BUILT.search(text)
        elsewhere = built and not _is_around(tree, posixpath.join(posixpath.dirname(file), built[1]))
        foreign = elsewhere or ("image:" in text and "build:" not in text)
        if not foreign or any(server in text for server in SERVERS):
            yield from lines[start:end]


def _is_around(tree: Tree, context: str) -> bool:
    """Return whether an image's build context is the service's folder, a folder above it, or one that contains its sources."""
    wanted = posixpath.normpath(posixpath.join("/", tree.path, context)).rstrip("/") + "/"
    return any(posixpath.join("/", tree.path, each).startswith(wanted) for each in ("", *tree.sources))


def commands_of_compose(lines: Sequence[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands of a compose file. A command is text or a list, on one line or with further lines below."""
    for index, (place, line) in enumerate(lines):
        if match := _COMMAND_LINE.fullmatch(line):
            first, below = match[1].strip(), _below(line, [text for _, text in lines[index + 1 :]])
            text = _joined(first, below)
            if not first and below and below[0].startswith("- "):
                yield place, tuple(_items(below))
            elif text.startswith("["):  # YAML needs no quotes around its items
                unquoted = (word.strip().strip("'\"") for word in text[1:].partition("]")[0].split(","))
                yield place, words(text) or tuple(filter(None, unquoted))
            elif text:
                yield place, words(text)


def _below(line: str, following: Sequence[str]) -> list[str]:
    """Return the lines below a key that belong to its value: lines with more indentation, and items of a list with the same."""

    def indent(text: str) -> int:
        return len(text) - len(text.lstrip()) + text.lstrip().startswith("- ")

    return [text.strip() for text in takewhile(lambda text: indent(text) > indent(line), following)]


def _items(lines: Sequence[str]) -> Iterator[str]:
    """Yield the items of a list. An item may be a block of several lines."""
    starts = [index for index, line in enumerate(lines) if line.startswith("- ")]
    for start, end in pairwise((*starts, len(lines))):
        yield _joined(lines[start][2:].strip(), lines[start + 1 : end]).strip("'\"")


def _joined(first: str, below: Sequence[str]) -> str:
    if first.rstrip("-+") not in {">", "|"}:
        return " ".join((first, *below))
    between = "; " if "|" in first else " "
    return between.join(below).replace(f"\\{between}", "")
