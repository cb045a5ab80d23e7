"""How the service is started: its command, server and port, where its files say so."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from slipway.finder.dockerfile import instructions, words
from slipway.finder.tree import Tree
from slipway.records.survey import Fact, Subject

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
_WITH_RUN: Final = {"flask", "litestar", "fastapi"}  # programs that start a server with `run` only
_SEPARATORS: Final = {"&&", "||", ";", "|", "&"}
_TARGET: Final = re.compile(r"(?!python:)[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(\))?")
_PORT: Final = re.compile(r"(?:.*[:=\[\]])?:?(\d{2,5})")
_COMPOSE: Final = r"(?:\.\./)*(?:(?:docker|deploy|compose)/)?(?:docker-)?compose(?:[.-][\w-]+)*\.ya?ml"
_DEVELOPMENT: Final = re.compile(r"dev|test|local|sample|example|override", re.IGNORECASE)
_COMMAND_LINE: Final = re.compile(r"\s*(?:command|entrypoint|start)\s*[:=]\s*(.+)")
_PORTS: Final = re.compile(r"""\s*-\s*["']?(?:[\d.]+:)?(?:\$?[\w{}:-]*:)?(\d{4,5}):(\d{4,5})["']?\s*$""")
_SCRIPTS: Final = r"(?:\w+/)?[^/]*\.sh|(?:\w+/)?(?:supervisord[\w-]*\.conf|justfile|Makefile|manifest\.yml)"
_FOR_DEVELOPERS: Final = re.compile(r"dev|Makefile|justfile")
_BIND: Final = re.compile(r"""^bind\s*=\s*f?["'][^"']*:(\d{2,5})["']""", re.MULTILINE)


@dataclass(frozen=True)
class Start:
    """A command that starts a server, and its place."""

    place: str
    server: str
    arguments: tuple[str, ...]

    @property
    def guessed(self) -> str:
        return "the command is one for development" if _FOR_DEVELOPERS.search(self.place) else ""

    @property
    def target(self) -> str:
        return next((word.removesuffix("()") for word in self.arguments if _TARGET.fullmatch(word)), "")

    @property
    def port(self) -> str:
        for flag, value in zip(self.arguments, (*self.arguments[1:], ""), strict=True):
            name, _, joined = flag.partition("=")
            if name in {"--port", "-p", "--bind", "-b", "--listen", "--http"} and (
                match := _PORT.fullmatch(joined or value)
            ):
                return match[1]
        return ""


def starts(tree: Tree) -> Iterator[Start]:
    """Yield the commands that start a server, the most binding first."""
    for place, command in _commands(tree):
        for server, arguments in _servers(command):
            yield Start(place, server, arguments)


def _servers(command: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the server that a command starts, with its arguments; the command of a shell is read as one."""
    flat = [word for text in command for word in (words(text) if " " in text else (text,))]
    for index, word in enumerate(flat):
        name = word.rpartition("/")[2]
        if name in SERVERS and (name not in _WITH_RUN or "run" in flat[index:]):
            yield name, tuple(takewhile(lambda each: each not in _SEPARATORS, flat[index + 1 :]))
            return


def _commands(tree: Tree) -> Iterator[tuple[str, tuple[str, ...]]]:
    of_images = [each for each in instructions(tree) if each.word in {"CMD", "ENTRYPOINT"}]
    yield from ((each.place, each.command) for each in reversed(of_images))
    for name in tree.matching(r"Procfile"):
        for place, line in tree.lines(name):
            if line.startswith("web:"):
                yield from ((place, words(part)) for part in reversed(re.split(r";|&&", line.removeprefix("web:"))))
    for name in sorted(tree.matching(_COMPOSE), key=lambda name: bool(_DEVELOPMENT.search(name))):
        yield from _of_compose([*tree.lines(name)])
    for name in sorted(tree.matching(_SCRIPTS), key=lambda name: bool(_FOR_DEVELOPERS.search(name))):
        for place, line in tree.lines(name):
            if any(server in line for server in SERVERS):
                yield place, words(line.partition("command=")[2] or line)


def _of_compose(lines: Sequence[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the commands of a compose file: in one line, or folded over the lines below, which are indented further."""
    for index, (place, line) in enumerate(lines):
        if match := _COMMAND_LINE.fullmatch(line):
            text = match[1].strip()
            if text in {">", ">-", "|", "|-"}:
                text = _block(line, [text for _, text in lines[index + 1 :]])
            yield place, words(text)


def _block(line: str, following: Sequence[str]) -> str:
    """Return the lines below one that are indented further, joined."""

    def indent(text: str) -> int:
        return len(text) - len(text.lstrip())

    return " ".join(text.strip() for text in takewhile(lambda text: indent(text) > indent(line), following))


def starting(tree: Tree) -> Iterator[Fact]:
    """Yield server, application and port as commands name them."""
    found = [*starts(tree)]
    for start in found[:1]:
        yield Fact(subject=Subject.SERVER, value=start.server, place=start.place, guessed=start.guessed)
    for start in found:
        if start.target and start.server != "flask":
            yield Fact(subject=Subject.APPLICATION, value=start.target, place=start.place, guessed=start.guessed)
            break
    yield from _ports(tree, found)


def _ports(tree: Tree, found: Sequence[Start]) -> Iterator[Fact]:
    ports = [_port(start) for start in found if start.port]
    yield from (port for port in ports[:1] if port.place == found[0].place)
    for instruction in instructions(tree):
        if instruction.word == "EXPOSE" and (match := re.match(r"\d+", instruction.rest)):
            yield Fact(subject=Subject.PORT, value=match[0], place=instruction.place)
    for name in tree.matching(r"(?:[\w-]+/)?gunicorn[\w.-]*\.py"):
        if match := _BIND.search(tree.read(name)):
            yield Fact(subject=Subject.PORT, value=match[1], place=tree.place_of(name, match[0]))
    yield from ports
    yield from _of_pyramid(tree)


def _port(start: Start) -> Fact:
    return Fact(subject=Subject.PORT, value=start.port, place=start.place, guessed=start.guessed)


def _of_pyramid(tree: Tree) -> Iterator[Fact]:
    for name in tree.matching(r"(?:\w+/)?(?:production|development)\.ini"):
        settings = tree.ini(name)
        text = (
            settings.get("server:main", "port", fallback="") or settings.get("server:main", "listen", fallback="") or ""
        )
        if match := _PORT.fullmatch(text.split()[0] if text.split() else ""):
            yield Fact(subject=Subject.PORT, value=match[1], place=tree.place_of(name, "[server:main]"))
